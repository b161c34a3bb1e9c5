"""Environments of programs that have ended before anybody could ask, under the real kernel."""

import json

import pytest

from tests.support.daemon import configured, running, shell

pytestmark = pytest.mark.bpf

RULES = """
- rule: Preloaded
  desc: d
  condition: evt.type in (execve, execveat) and evt.failed=false and proc.env[LD_PRELOAD] exists
  output: "preloaded %proc.name %proc.env[LD_PRELOAD] %proc.env[API_TOKEN]"
  priority: NOTICE
- rule: Opened
  desc: d
  condition: >
    evt.type in (open, openat) and fd.name startswith /nowhere/ and (proc.env[MARK] exists or proc.aenv[MARK] exists)
  output: "opened %fd.name %proc.env[MARK] %proc.aenv[MARK]"
  priority: NOTICE
"""

MANY = 60


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    place = tmp_path_factory.mktemp("daemon")
    with shell() as opened, running(place, opened.scope, configured(place, RULES)) as daemon:
        yield opened, daemon


def outputs(watched, command):
    """What alerts say of a shell command."""
    opened, daemon = watched
    before = len(daemon.alerts())
    opened.run(command)
    daemon.settle()
    return [alert["output"] for alert in daemon.alerts()[before:]]


def test_of_each_program_however_short_it_lives(watched):
    command = f"for n in $(seq {MANY}); do LD_PRELOAD= /bin/true; LD_PRELOAD=/nowhere/$n.so /bin/true 2>&-; done"

    assert [
        line
        for number in range(1, MANY + 1)
        for line in ("preloaded true  <NA>", f"preloaded true /nowhere/{number}.so <NA>")
    ] == outputs(watched, command)


def test_of_a_program_that_another_replaces_at_once(watched):
    command = "env -i LD_PRELOAD=/no/1.so MARK=1 env -u LD_PRELOAD cat /nowhere/replaced"

    assert ["preloaded env /no/1.so <NA>", "opened /nowhere/replaced 1 <NA>"] == outputs(watched, command)


def test_a_process_that_executes_nothing_has_that_of_the_one_it_is_a_copy_of(watched):
    command = "MARK=2 sh -c '(: </nowhere/copy) 2>&-; :'"

    assert ["opened /nowhere/copy 2 (2)"] == outputs(watched, command)


def test_of_an_ancestor_that_has_ended(watched):
    command = "MARK=3 sh -c 'env -u MARK sh -c \"sleep 0.2; cat /nowhere/orphan\" & :'; sleep 0.5"

    assert ["opened /nowhere/orphan <NA> (3)"] == outputs(watched, command)


def test_long_arguments_leave_room_for_it(watched):
    command = "env -i LONG=$(printf %06000d 0) LD_PRELOAD=/nowhere/2.so /bin/true $(printf %05000d 0) 2>&-"

    assert ["preloaded true /nowhere/2.so <NA>"] == outputs(watched, command)


def test_a_long_one_is_asked_of_proc(watched):
    command = "LONG=$(printf %08000d 0) MARK=4 sh -c 'true </nowhere/long; sleep 1'"

    assert ["opened /nowhere/long 4 <NA>"] == outputs(watched, command)


def test_a_long_one_of_a_program_that_has_ended_is_missing(watched):
    assert [] == outputs(watched, "LONG=$(printf %08000d 0) LD_PRELOAD=/nowhere/1.so /bin/true 2>&-")


def test_secrets_are_masked_and_an_alert_has_no_environment_that_was_not_asked_for(tmp_path):
    """In the alert's event neither: it is whole, but for this."""
    asks = RULES.partition("- rule: Opened")[0]
    silent = asks.replace("Preloaded", "Executed").replace(" and proc.env[LD_PRELOAD] exists", "")
    silent = silent.replace(" %proc.env[LD_PRELOAD] %proc.env[API_TOKEN]", "")
    with shell() as opened:
        config = configured(tmp_path, silent + asks, rules={"rule_matching": "all"})
        with running(tmp_path, opened.scope, config) as daemon:
            opened.run("LD_PRELOAD=/nowhere/1.so API_TOKEN=s3cret COLOUR=red /bin/true 2>&-")
            daemon.settle()
        alerts = [alert for alert in daemon.alerts() if alert["output_fields"].get("proc.name") == "true"]

    assert {"Executed", "Preloaded"} == {alert["rule"] for alert in alerts}
    for alert in alerts:
        assert "s3cret" not in json.dumps(alert)
    assert "COLOUR=red" not in json.dumps([alert for alert in alerts if alert["rule"] == "Executed"])
