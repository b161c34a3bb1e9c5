import grp
import json
import logging
import os
import socket
import stat
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from monitord.config.schema import ControlConfig
from monitord.service.control import ASK_BYTES, open_control
from tests.support.daemon import PATIENCE_S
from tests.support.descriptors import no_descriptors


@pytest.fixture
def path(tmp_path):
    return tmp_path / "control.sock"


@pytest.fixture
def serve(path):
    """Starts servers that answer `status` with their number, and ends them."""
    servers = []

    def serve(group: str = "root", every_second=lambda: None):
        number = len(servers)
        server = open_control(ControlConfig(path, group), {"status": lambda: {"number": number}}, every_second)
        if server:
            server.start()
        servers.append(server)
        return server

    yield serve
    for server in servers:
        if server:
            server.close()


def ask(path, request: bytes = b'{"ask": "status"}\n') -> dict:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE_S)
        client.connect(str(path))
        client.sendall(request)
        return json.loads(client.makefile().readline())


def taken(client: socket.socket, data: bytes) -> bool:
    """Whether the server still takes what we send."""
    try:
        client.sendall(data)
    except BrokenPipeError:
        return False
    return True


class TestAnswers:
    def test_a_line_for_a_line(self, serve, path):
        serve()

        assert {"number": 0} == ask(path)

    @pytest.mark.parametrize(
        "request_",
        [
            b"\n",
            b"status\n",
            b"[]\n",
            b"5\n",
            b'{"ask": "reboot"}\n',
            b'{"ask": ["status"]}\n',
            b"\xff\n",
            b"[" * (ASK_BYTES - 1) + b"\n",
            b" " * (ASK_BYTES + 1),
        ],
    )
    def test_what_is_no_request_gets_an_error_that_says_so(self, serve, path, request_):
        serve()

        assert ask(path, request_)["error"].endswith("WORD one of: status")

    def test_a_bug_in_an_answer_does_not_end_it(self, path):
        answers = iter([ZeroDivisionError, None])

        def answer():
            if error := next(answers):
                raise error
            return {}

        server = open_control(ControlConfig(path), {"status": answer}, lambda: None)
        server.start()
        with pytest.raises(json.JSONDecodeError):
            ask(path)

        assert {} == ask(path)
        server.close()

    def test_the_time_between_is_used(self, serve):
        called = threading.Event()
        serve(every_second=called.set)

        assert called.wait(PATIENCE_S)


class TestClients:
    def test_one_that_goes_away_is_nobodys_trouble(self, serve, path):
        serve()
        for request in (b"", b'{"ask"', b'{"ask": "status"}\n'):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                client.sendall(request)

        assert {"number": 0} == ask(path)

    def test_one_that_says_nothing_is_hung_up_on(self, serve, path):
        serve()
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(str(path))
            assert {"number": 0} == ask(path)

    def test_one_that_dribbles_is_too(self, serve, path):
        serve()
        with socket.socket(socket.AF_UNIX) as slow:
            slow.connect(str(path))
            end_s = time.monotonic() + PATIENCE_S
            while time.monotonic() < end_s and taken(slow, b" "):
                time.sleep(0.1)

        assert time.monotonic() < end_s

    def test_many_at_once_are_all_served(self, serve, path):
        serve()
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(ask(path))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)

        assert [{"number": 0}] * 8 == answers

    def test_one_that_comes_while_there_are_no_descriptors_is_served_later(self, serve, path, caplog):
        serve()
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE_S)
            with no_descriptors():
                client.connect(str(path))
                client.sendall(b'{"ask": "status"}\n')
                while not caplog.messages:
                    time.sleep(0.01)

            assert {"number": 0} == json.loads(client.makefile().readline())
        assert ["monitord status waits: Too many open files"] == caplog.messages

    def test_an_end_while_nobody_asks_takes_no_processor(self, serve, path):
        """The thread waits for the next client when the socket is shut down."""
        begun = threading.Event()
        server = serve(every_second=begun.set)
        ask(path)
        assert begun.wait(PATIENCE_S)
        time.sleep(0.1)  # it waits again
        begin_s = time.process_time()
        server.close()

        assert time.process_time() - begin_s < 0.1


class TestPermissions:
    def test_it_is_for_owner_and_group(self, serve, path):
        serve()

        assert 0o660 == stat.S_IMODE(path.stat().st_mode)

    def test_the_group_is_that_of_the_configuration(self, serve, path):
        serve(group="daemon")

        assert grp.getgrnam("daemon").gr_gid == path.stat().st_gid

    def test_others_may_not_ask(self, serve, path, tmp_path):
        serve()
        for directory in (tmp_path, *tmp_path.parents[:-1]):
            if directory.stat().st_uid == os.getuid() and directory.name.startswith(("pytest", "test")):
                directory.chmod(0o755)
        code = (
            f"import os, socket; os.setgroups([]); os.setgid(65534); os.setuid(65534); "
            f"socket.socket(socket.AF_UNIX).connect({str(path)!r})"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

        assert "PermissionError" in done.stderr

    def test_a_group_that_is_not_there_is_said(self, serve, path, caplog):
        serve(group="no-such-group")

        assert {"number": 0} == ask(path)
        assert "there is no group no-such-group, control.group: only the owner of" in caplog.text


class TestPlace:
    def test_the_socket_of_a_killed_daemon_is_replaced(self, serve, path):
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        serve()

        assert {"number": 0} == ask(path)

    def test_that_of_a_living_one_is_not(self, serve, path, caplog):
        serve()

        assert serve() is None
        assert {"number": 0} == ask(path)
        assert [
            f"{path}: another monitord answers there; monitord status will not be answered; see control.socket"
        ] == caplog.messages

    def test_it_is_gone_with_the_server(self, serve, path, tmp_path):
        serve().close()

        assert [] == list(tmp_path.iterdir())

    def test_but_not_if_it_is_anothers_by_then(self, serve, path):
        first = serve()
        path.unlink()
        serve()
        first.close()

        assert {"number": 1} == ask(path)

    def test_a_file_is_not_replaced(self, serve, path, caplog):
        path.write_text("precious")

        assert serve() is None
        assert "precious" == path.read_text()
        assert "control.sock: something else is there, and stays; monitord status will not be" in caplog.text

    def test_one_directory_is_made(self, tmp_path):
        path = tmp_path / "monitord/control.sock"
        open_control(ControlConfig(path), {}, lambda: None).close()

        assert path.parent.is_dir()

    @pytest.mark.parametrize(
        ("name", "why"),
        [
            ("no/no/control.sock", "no such file or directory"),
            ("file/control.sock", "not a directory"),
            ("x" * 120, ""),
        ],
    )
    def test_a_place_that_cannot_be_is_a_warning(self, tmp_path, caplog, name, why):
        caplog.set_level(logging.WARNING)
        (tmp_path / "file").touch()

        assert open_control(ControlConfig(tmp_path / name), {}, lambda: None) is None
        assert f"/{name}: {why}" in caplog.text

    def test_so_is_one_that_may_not_be_written(self, tmp_path):
        tmp_path.chmod(0o755)
        script = f"""
            import os, sys
            from pathlib import Path
            from monitord.config.schema import ControlConfig
            from monitord.service.control import open_control
            from monitord.service.log import start_logging
            start_logging(sys.stdout)
            os.chdir({str(tmp_path)!r})
            os.setuid(65534)
            print(open_control(ControlConfig(Path("control.sock")), {{}}, lambda: None))
        """
        out = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True).stdout

        assert "control.sock: permission denied; monitord status will not be answered" in out
        assert out.endswith("None\n")

    def test_none_is_wanted(self):
        assert open_control(ControlConfig(None), {}, lambda: None) is None
