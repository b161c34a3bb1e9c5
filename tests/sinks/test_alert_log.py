import json
import os
import socket
import stat
import subprocess
import sys
import textwrap
import threading

import pytest

from monitord.sinks.alert_log import AlertLog
from monitord.stages import SinkError
from tests.support.alerts import make_alert


@pytest.fixture
def path(tmp_path):
    return tmp_path / "alerts.jsonl"


@pytest.fixture
def log(path):
    log = AlertLog(path)
    yield log
    log.close()


def rules(path) -> list[str]:
    return [json.loads(line)["rule"] for line in path.read_text().splitlines()]


class TestWriting:
    def test_one_line_per_alert_in_order(self, log, path):
        log.write(make_alert(rule="a"))
        log.write(make_alert(rule="b"))

        assert ["a", "b"] == rules(path)

    def test_it_appends_to_what_is_there(self, path):
        for rule in "ab":
            log = AlertLog(path)
            log.write(make_alert(rule=rule))
            log.close()

        assert ["a", "b"] == rules(path)

    def test_a_line_is_one_write(self, path, tmp_path):
        script = f"""
            from pathlib import Path
            from monitord.sinks.alert_log import AlertLog
            from tests.support.alerts import make_alert
            log = AlertLog(Path({str(path)!r}))
            for output in ("short", "x" * 100_000, "short"):
                log.write(make_alert(output=output))
        """
        trace = tmp_path / "trace"
        strace = ["strace", "-y", "-e", "trace=write", "-o", str(trace)]
        subprocess.run([*strace, sys.executable, "-c", textwrap.dedent(script)], check=True)

        assert 3 == trace.read_text().count(f"<{path}>")

    def test_the_file_is_not_for_everybody(self, log, path):
        assert 0 == stat.S_IMODE(path.stat().st_mode) & 0o137


class TestRotation:
    def test_after_a_rename_the_next_alert_goes_to_a_new_file(self, log, path):
        log.write(make_alert(rule="old"))
        path.rename(path.with_suffix(".1"))
        log.write(make_alert(rule="new"))

        assert (["old"], ["new"]) == (rules(path.with_suffix(".1")), rules(path))

    def test_after_a_rename_and_create_too(self, log, path):
        log.write(make_alert(rule="old"))
        path.rename(path.with_suffix(".1"))
        path.touch()
        log.write(make_alert(rule="new"))

        assert (["old"], ["new"]) == (rules(path.with_suffix(".1")), rules(path))

    def test_after_a_truncation_it_goes_on_at_the_start(self, log, path):
        log.write(make_alert(rule="old"))
        os.truncate(path, 0)
        log.write(make_alert(rule="new"))

        assert ["new"] == rules(path)

    def test_reopen_closes_the_old_file(self, log, path):
        path.rename(path.with_suffix(".1"))
        log.reopen()

        held = subprocess.run(["ls", "-l", f"/proc/{os.getpid()}/fd"], capture_output=True, text=True).stdout
        assert [str(path)] == [line.split(" -> ")[1] for line in held.splitlines() if str(path.stem) in line]


class TestPipe:
    """A start that waits for a reader could not be told from one that hangs, nor ended by a signal."""

    def test_one_that_nobody_reads_yet_is_waited_for(self, path):
        os.mkfifo(path)
        log = AlertLog(path)
        with pytest.raises(SinkError, match="it is a pipe that nobody reads"):
            log.write(make_alert(rule="a"))
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as reader:
            log.write(make_alert(rule="a"))

            assert "a" == json.loads(reader.readline())["rule"]
        log.close()

    def test_a_reader_that_goes_is_an_error(self, path):
        os.mkfifo(path)
        log = AlertLog(path)
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb"):
            log.write(make_alert(rule="a"))
        with pytest.raises(SinkError, match="Broken pipe"):
            log.write(make_alert(rule="b"))
        log.close()

    def test_writes_wait_for_a_slow_reader(self, path):
        os.mkfifo(path)
        log = AlertLog(path)
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as reader:
            os.set_blocking(reader.fileno(), True)
            writer = threading.Thread(target=log.write, args=(make_alert(output="x" * 200_000),))
            writer.start()
            data = b""
            while not data.endswith(b"\n"):
                data += reader.read(65536)
            writer.join()

        assert 200_000 < len(data)
        log.close()


class TestTrouble:
    def test_a_missing_directory_is_named(self, tmp_path):
        with pytest.raises(SinkError, match=f"there is no directory {tmp_path}/none; create it, or change outputs"):
            AlertLog(tmp_path / "none/alerts.jsonl")

    def test_a_directory_is_not_a_file(self, tmp_path):
        with pytest.raises(SinkError, match="it is a directory; give a file in it"):
            AlertLog(tmp_path)

    def test_a_socket_is_not_waited_for(self, path):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            with pytest.raises(SinkError, match=r"it is a socket; give a file as outputs\.alert_log\.path, or use"):
                AlertLog(path)

    def test_of_a_link_the_directory_that_it_leads_to_is_named(self, path, tmp_path):
        path.symlink_to("none/alerts.jsonl")
        with pytest.raises(SinkError, match=f"there is no directory {tmp_path}/none; create it"):
            AlertLog(path)

    def test_a_directory_that_is_not_writable_is_named_with_the_user(self, tmp_path):
        tmp_path.chmod(0o755)
        script = f"""
            import os
            from pathlib import Path
            from monitord.sinks.alert_log import AlertLog
            from monitord.stages import SinkError
            path = Path({str(tmp_path)!r}) / "alerts.jsonl"
            os.chdir({str(tmp_path)!r})
            os.setuid(65534)
            try:
                AlertLog(Path("alerts.jsonl"))
            except SinkError as err:
                print(err)
        """
        out = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True).stdout

        assert "cannot open the alert log alerts.jsonl: Permission denied; let uid 65534 write there" in out

    def test_a_directory_that_vanishes_is_an_error_until_it_is_back(self, tmp_path):
        path = tmp_path / "logs/alerts.jsonl"
        path.parent.mkdir()
        log = AlertLog(path)
        path.unlink()
        path.parent.rmdir()
        with pytest.raises(SinkError, match="there is no directory"):
            log.write(make_alert(rule="a"))
        path.parent.mkdir()
        log.write(make_alert(rule="b"))
        log.close()

        assert ["b"] == rules(path)

    def test_a_full_device_is_an_error(self, tmp_path):
        (tmp_path / "full").symlink_to("/dev/full")
        log = AlertLog(tmp_path / "full")

        with pytest.raises(SinkError, match="full: No space left on device"):
            log.write(make_alert())

    def test_a_disk_that_fills_up_holds_whole_lines_and_takes_more_when_there_is_room(self, tmp_path):
        """A tmpfs of four pages, in a mount namespace of its own, and a filler that is then removed."""
        script = f"""
            import json, os
            from pathlib import Path
            from monitord.sinks.alert_log import AlertLog
            from monitord.stages import SinkError
            from tests.support.alerts import make_alert
            disk = Path({str(tmp_path)!r})
            (disk / "filler").write_bytes(bytes(4096))
            log = AlertLog(disk / "alerts.jsonl")
            written = 0
            try:
                while True:
                    log.write(make_alert(output=str(written)))
                    written += 1
            except SinkError as err:
                print(err)
            print((disk / "alerts.jsonl").stat().st_size < 3 * 4096)
            (disk / "filler").unlink()
            log.write(make_alert(output=str(written)))
            outputs = [json.loads(line)["output"] for line in (disk / "alerts.jsonl").read_text().splitlines()]
            print(outputs == [str(n) for n in range(written + 1)])
        """
        mount = f'mount -t tmpfs -o size=16k none {tmp_path} && exec {sys.executable} -c "$0"'
        command = ["unshare", "-m", "sh", "-c", mount, textwrap.dedent(script)]
        out = subprocess.run(command, capture_output=True, text=True)

        assert [f"{tmp_path}/alerts.jsonl: No space left on device", "True", "True"] == out.stdout.splitlines(), out
