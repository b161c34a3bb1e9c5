"""`monitord record` on a real kernel: what it keeps is what the daemon would judge."""

import json
import os
import signal
import stat
import subprocess

import pytest

from monitord.recording.capture import read_events
from tests.support.daemon import COMMAND, PATIENCE_S, environment, shell, until

pytestmark = pytest.mark.bpf

RULES = """
- rule: Nowhere
  desc: A file that is not there.
  condition: evt.type=openat and evt.failed=true and fd.name startswith /nowhere/
  output: "%fd.name by %proc.name %proc.args %proc.cwd %proc.pname"
  priority: NOTICE
"""


@pytest.fixture
def record(tmp_path):
    """Starts it on a shell, and waits until it records."""
    (tmp_path / "rules.yaml").write_text(RULES)
    started = []

    def start(opened, *words):
        command = [*COMMAND, "record", "-o", "x.jsonl", "--scope", opened.scope, "--rules", "rules.yaml", *words]
        process = subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True)
        started.append(process)
        while (line := process.stderr.readline()).startswith("monitord: BPF programs: compiled"):
            pass
        assert "recording to x.jsonl: watching" in line
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def explained(tmp_path, *words):
    return subprocess.run(
        [*COMMAND, "explain", *words], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
    ).stdout


def test_the_events_that_rules_ask_for_can_be_judged_again(tmp_path, record):
    with shell() as opened:
        process = record(opened)
        opened.run("cd /etc; ! cat /nowhere/7 ../nowhere/8 2>&1; cat /etc/hostname")
        until(lambda: (tmp_path / "x.jsonl").read_text().count("/nowhere/") >= 2)
        process.send_signal(signal.SIGINT)
        assert 0 == process.wait(PATIENCE_S)

    lines = (tmp_path / "x.jsonl").read_text().splitlines()
    events = list(read_events(tmp_path / "x.jsonl"))
    ours = [recorded.line for recorded in events if "nowhere" in recorded.event.captured(1).text]
    assert 2 == len(ours)
    assert json.loads(lines[0]).keys() == {
        *("capture", "monitord", "hostname", "kernel", "abis", "started", "scope", "rules")
    }
    end = json.loads(lines[-1])["end"]
    assert end["events"] == len(lines) - 2 <= end["admitted"]
    assert {"ring", "queue", "decode", "rules"} == end["lost"].keys()
    assert {("openat", True)} == {
        (recorded.context.call.name, recorded.event.failed) for recorded in events
    }  # exec events are for the enricher
    for number in ours:
        out = explained(tmp_path, "Nowhere", "--rules", "rules.yaml", "--event", f"x.jsonl:{number}")
        assert "Nowhere: matches\n" in out
        assert "by cat <- bash" in out or "by cat <- sh" in out


def test_a_dash_is_the_standard_output(tmp_path):
    (tmp_path / "rules.yaml").write_text(RULES)
    with shell() as opened:
        words = ["record", "-o", "-", "--scope", opened.scope, "--rules", "rules.yaml", "-n", "1"]
        command = subprocess.Popen(
            [*COMMAND, *words], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        head = command.stdout.readline()
        opened.run("! cat /nowhere/7 2>&1")
        rest, _ = command.communicate(timeout=PATIENCE_S)

    assert 0 == command.returncode
    assert ["capture", "seq", "end"] == [
        next(key for key in ("capture", "seq", "end") if key in json.loads(line)) for line in (head, *rest.splitlines())
    ]
    assert not (tmp_path / "-").exists()


def test_it_stops_after_so_many_events_or_so_much_time(tmp_path, record):
    with shell() as opened:
        process = record(opened, "-n", "2")
        opened.run("! cat /nowhere/1 /nowhere/2 /nowhere/3 2>&1")
        assert 0 == process.wait(PATIENCE_S)
        assert 2 == len(list(read_events(tmp_path / "x.jsonl")))

        assert 0 == record(opened, "--force", "--seconds", "0.5").wait(PATIENCE_S)
        assert '"events":0' in (tmp_path / "x.jsonl").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--scope", "pid:1", "-n", "0"), "argument -n: '0' is not a whole number from 1 on"),
        (("--scope", "pid:1", "-n", "many"), "argument -n: 'many' is not a whole number from 1 on"),
        (("--scope", "pid:1", "--seconds", "nan"), "argument --seconds: 'nan' is not a number of seconds above 0"),
        (("--scope", "pid:4194304"), "there is no process"),
        (("--rules", "absent.yaml"), "absent.yaml: R001"),
    ],
)
def test_what_cannot_be_recorded(tmp_path, words, message):
    done = subprocess.run(
        [*COMMAND, "record", "-o", "x.jsonl", *words], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )

    assert 2 == done.returncode
    assert message in done.stderr
    assert not (tmp_path / "x.jsonl").exists()


def refused(tmp_path, *before: str, pid: int = 4194304) -> subprocess.CompletedProcess:
    """A recording onto x.jsonl, whatever it is; by default of a process that is not there."""
    command = [*before, *COMMAND, "record", "-o", "x.jsonl", "--force", "--scope", f"pid:{pid}"]
    return subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True)


class TestForceThatDoesNotGetToRecord:
    def test_leaves_the_capture_before(self, tmp_path):
        (tmp_path / "x.jsonl").write_text("mine\n")

        assert 2 == refused(tmp_path).returncode
        assert "mine\n" == (tmp_path / "x.jsonl").read_text()

    def test_leaves_a_device(self, tmp_path):
        os.mknod(tmp_path / "x.jsonl", 0o600 | stat.S_IFCHR, os.makedev(1, 3))

        assert 2 == refused(tmp_path).returncode
        assert (tmp_path / "x.jsonl").is_char_device()

    def test_leaves_nothing_where_nothing_was(self, tmp_path):
        assert 2 == refused(tmp_path).returncode
        assert [] == list(tmp_path.iterdir())


def test_want_of_descriptors_is_one_line(tmp_path):
    done = refused(tmp_path, "prlimit", "--nofile=12", pid=os.getpid())

    assert (1, 1) == (done.returncode, len(done.stderr.splitlines())), done.stderr
    assert "Too many open files" in done.stderr
    assert [] == list(tmp_path.iterdir())
