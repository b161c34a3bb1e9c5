"""What a running daemon writes of a program that was given secrets."""

import re
import subprocess

import pytest

from tests.end_to_end.watched import python
from tests.support.daemon import COMMAND, PATIENCE_S, configured, environment, running, shell

pytestmark = pytest.mark.bpf

RULES = """
- rule: Run
  desc: Any program.
  condition: evt.type in (execve, execveat) and proc.cmdline contains s3cret and proc.args contains s3cret
  output: "%proc.cmdline %proc.args %proc.exeline %proc.args[1] %evt.args %evt.arg.argv %toupper(proc.args)"
  priority: NOTICE
- rule: Gone
  desc: A program that is not there.
  condition: evt.type=execve and evt.failed=true
  output: "%evt.args %proc.cmdline %proc.args"
  priority: NOTICE
"""

COMMANDS = (
    "/bin/true --password=s3cret1",
    "/bin/true --api-token s3cret2",
    "env DB_PASSWORD=s3cret3 /bin/true mysql -ps3cret4",
    "sh -c '/bin/true --secret \"s3cret5 s3cret5\"; /bin/true https://ann:s3cret6@web/; true'",
    "/bin/true \"$(printf 'x_token=s3cret7\\n\\033[31m\\377')\"",
    "/bin/true --pass=s3cret8 $(head -c 100000 /dev/zero | tr '\\0' a) --pass=s3cret8",
    "/nowhere/x --passphrase s3cret9 2>/dev/null",
)


def test_no_secret_is_written_and_rules_see_them(tmp_path):
    with shell() as opened, running(tmp_path, opened.scope, configured(tmp_path, RULES)) as daemon:
        for command in COMMANDS:
            opened.run(command)
        daemon.settle()
        alerts, text, log = daemon.alerts(), daemon.alert_log.read_text(), daemon.log

    assert len(alerts) >= len(COMMANDS)
    assert "s3cret" not in (text + log).lower()
    assert {"Run", "Gone"} == {alert["rule"] for alert in alerts}
    outputs = [alert["output"] for alert in alerts]
    for shown in ("--password=***", "--api-token ***", "DB_PASSWORD=***", "mysql -p***", "https://ann:***@web/"):
        assert any(shown in output for output in outputs)


NAMES_RULES = """
- rule: Names
  desc: Calls with names, and one without any.
  condition: evt.type in (open, openat, chdir, connect, memfd_create, setxattr, rename, execve, getppid)
  output: "%evt.args %fd.name %fd.realpath %proc.cwd %proc.exepath %proc.name %proc.pname %evt.arg.filename"
  priority: NOTICE
"""

NAMES = """
import os, socket, subprocess
open("x?token=s3cret1", "w").close()
os.mkdir("token=s3cret2")
os.chdir("token=s3cret2")
open("here", "w").close()
os.rename("here", "api_key=s3cret3")
os.symlink("api_key=s3cret3", "link")
open("link").close()
with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
    server.bind("\\0token=s3cret4")
    server.listen()
    client.connect("\\0token=s3cret4")
os.memfd_create("token=s3cret5")
try:
    os.setxattr(".", "user.token=s3cret6", b"")
except OSError:
    pass
os.symlink("/bin/sh", "secret=s3cret7")
open("/proc/self/comm", "w").write("token=s3cret8")
subprocess.run(["sh", "-c", "exec ./secret=s3cret7 -c true"])
os.getppid()
"""


def written(path):
    """What is in a file of JSON lines; what is in it as hexadecimal digits, too."""
    text = path.read_text()
    return text.encode() + b"".join(map(bytes.fromhex, re.findall(r'"hex": ?"([0-9a-f]*)"', text)))


class TestSecretsInNames:
    """The values of fields were masked; the names and paths that they come from were not."""

    def test_none_is_in_an_alert(self, tmp_path):
        with shell() as opened, running(tmp_path, opened.scope, configured(tmp_path, NAMES_RULES)) as daemon:
            opened.run(f"cd {tmp_path}; {python(NAMES)}")
            daemon.settle()

            assert b"token=***" in written(daemon.alert_log)
            assert b"s3cret" not in written(daemon.alert_log)

    def test_nor_in_a_capture(self, tmp_path):
        config, capture = configured(tmp_path, NAMES_RULES), tmp_path / "capture.jsonl"
        with shell() as opened:
            command = [*COMMAND, "record", "-c", str(config), "--scope", opened.scope, "-o", str(capture)]
            with subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True) as recording:
                next(line for line in recording.stderr if "recording to" in line)
                opened.run(f"cd {tmp_path}; {python(NAMES)}")
                recording.terminate()
                recording.communicate(timeout=PATIENCE_S)

        assert b"token=***" in written(capture)
        assert b"s3cret" not in written(capture)


def test_names_of_secrets_are_the_operators(tmp_path):
    config = configured(tmp_path, RULES, privacy={"mask": ["*_pin"], "mask_usual": False})
    with shell() as opened, running(tmp_path, opened.scope, config) as daemon:
        opened.run("/bin/true --card-pin=s3cret1 --password=s3cret2")
        daemon.settle()

        assert "/bin/true --card-pin=*** --password=s3cret2" in daemon.alerts()[-1]["output"]


COUNTING_RULES = """
- rule: Runs
  desc: A shell started many programs.
  output: "%corr.values"
  priority: NOTICE
  correlation:
    type: value_count
    rules: [Run]
    timespan: 1m
    condition: {gte: 2, field: "FIELD"}
- rule: Run
  desc: Any program that lasts.
  condition: evt.type=execve and evt.failed=false and proc.args contains password and not proc.args contains exec
  output: "%proc.name"
  priority: NOTICE
"""


@pytest.mark.parametrize("field", ["proc.cmdline", "proc.args[4]", "proc.env[DB_PASSWORD]", "basename(proc.args[4])"])
def test_no_secret_is_among_the_values_that_a_correlation_counted(tmp_path, field):
    """What is secret was looked for in each value by itself, without the option or the name in front of it."""
    config = configured(tmp_path, COUNTING_RULES.replace("FIELD", field))
    with shell() as opened, running(tmp_path, opened.scope, config) as daemon:
        for secret in ("so s3cret1", "so s3cret2"):
            opened.run(f"DB_PASSWORD='{secret}' sh -c 'exec sh -c \"sleep 0.3; :\" sh --password \"$DB_PASSWORD\"'")
        daemon.settle()

        assert 2 == daemon.alerts()[0]["tally"]["count"]
        assert b"s3cret" not in written(daemon.alert_log)
