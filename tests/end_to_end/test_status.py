"""`monitord status` of a real daemon."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.watched import Watched
from tests.support.daemon import COMMAND, configured, environment, running, shell, until

pytestmark = pytest.mark.bpf

RULES = """
- rule: Nowhere
  desc: A file that is not there.
  condition: evt.type=openat and fd.name startswith /nowhere/
  output: opened %fd.name
  priority: NOTICE
- rule: Off
  desc: Switched off.
  condition: evt.type=mkdir
  output: made
  priority: NOTICE
  enabled: false
"""


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    directory = tmp_path_factory.mktemp("daemon")
    config = configured(directory, RULES, control={"socket": "control"})
    with shell() as opened, running(directory, opened.scope, config) as daemon:
        yield Watched(opened, daemon)


@pytest.fixture
def socket_path(watched):
    return watched.daemon.alert_log.parent / "control"


def asked(path: Path, *words: str) -> str:
    done = subprocess.run(
        [*COMMAND, "status", "--socket", str(path), *words], env=environment(), capture_output=True, text=True
    )
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


def test_every_key_is_described(socket_path):
    table = (Path(__file__).parents[2] / "docs/status.md").read_text().split("|---|---|\n")[1]
    told = {
        name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1] if "|" in row else "")
    }

    assert json.loads(asked(socket_path, "--json")).keys() == told


def test_it_agrees_with_the_metrics(watched, socket_path):
    watched.alerts_of("for n in 1 2 3; do ! cat /nowhere/$n 2>&1; done")
    metrics = watched.daemon.settle()
    status = json.loads(asked(socket_path, "--json"))

    assert metrics.events("admitted") == status["events"]["admitted"]
    assert metrics.events("judged") == status["events"]["judged"]
    assert metrics.total("monitord_rule_matches_total") == status["alerts"]["made"]
    assert metrics.value("monitord_alerts_total", sink="alert_log") == status["outputs"]["alert_log"]["written"]
    assert {labels["stage"]: count for labels, count in metrics.labelled("monitord_events_lost_total")} == status[
        "lost"
    ]
    assert {labels["queue"] for labels, _ in metrics.labelled("monitord_queue_depth")} == status["queues"].keys()


def test_what_it_is(watched, socket_path):
    status = json.loads(asked(socket_path, "--json"))

    assert (watched.daemon.process.pid, watched.shell.scope, {"loaded": 2, "enabled": 1}) == (
        status["pid"],
        status["scope"],
        status["rules"],
    )
    resident = int(Path(f"/proc/{status['pid']}/statm").read_text().split()[1]) * 4096
    assert resident * 0.8 < status["memory"]["resident_bytes"] < resident * 1.2
    assert status["threads"].keys() == {"reader", "worker"}
    assert max(status["threads"].values()) < 5


def test_rates_are_of_the_last_seconds(watched, socket_path):
    watched.shell.run("n=0; while [ $n -lt 300 ]; do n=$((n+1)); ! : </nowhere/x; done 2>/dev/null")
    watched.daemon.settle()

    def rate():
        return json.loads(asked(socket_path, "--json"))["alerts"]["per_second"]

    until(lambda: rate() > 1)
    until(lambda: rate() == 0)


def test_for_a_person(socket_path):
    lines = asked(socket_path).splitlines()

    assert re.fullmatch(r"monitord \S+, pid \d+, up .+", lines[0])
    assert [line for line in lines if re.fullmatch(r"rules +1 in force, 1 disabled", line)]
    assert [line for line in lines if re.fullmatch(r"lost +nothing", line)]
    assert [line for line in lines if re.fullmatch(r"alert_log +\d+ +0 +0 +0", line)]


def test_a_refused_reload_is_shown(watched, socket_path):
    rules = watched.daemon.alert_log.parent / "rules.yaml"
    rules.write_text("- rule: x\n")
    watched.daemon.reload()
    shown = asked(socket_path)
    rules.write_text(RULES)
    watched.daemon.reload()

    assert "; the last reload was refused" in shown
    assert "refused" not in asked(socket_path)


def test_the_socket_goes_with_the_daemon(tmp_path):
    config = configured(tmp_path, RULES, control={"socket": "control"})
    with shell() as opened, running(tmp_path, opened.scope, config) as daemon:
        assert (tmp_path / "control").exists()
        daemon.stop()

        assert not (tmp_path / "control").exists()


def test_after_a_kill_the_next_one_answers(tmp_path):
    config = configured(tmp_path, RULES, control={"socket": "control"})
    with shell() as opened:
        with running(tmp_path, opened.scope, config) as daemon:
            daemon.process.kill()
            daemon.process.wait()
        assert (tmp_path / "control").exists()
        (tmp_path / "notify").unlink()
        with running(tmp_path, opened.scope, config) as daemon:
            assert daemon.process.pid == json.loads(asked(tmp_path / "control", "--json"))["pid"]
