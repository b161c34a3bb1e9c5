"""What a running daemon writes of a program that was given secrets."""

import pytest

from tests.support.daemon import configured, running, shell

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


def test_names_of_secrets_are_the_operators(tmp_path):
    config = configured(tmp_path, RULES, privacy={"mask": ["*_pin"], "mask_usual": False})
    with shell() as opened, running(tmp_path, opened.scope, config) as daemon:
        opened.run("/bin/true --card-pin=s3cret1 --password=s3cret2")
        daemon.settle()

        assert "/bin/true --card-pin=*** --password=s3cret2" in daemon.alerts()[-1]["output"]
