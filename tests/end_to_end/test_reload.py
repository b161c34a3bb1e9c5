"""SIGHUP: new rules and outputs while events flow."""

import os
import time
from contextlib import contextmanager

import pytest

from tests.end_to_end.watched import Watched, python
from tests.support.daemon import configured, running, shell, until

pytestmark = pytest.mark.bpf

NARROW = """
- rule: Nowhere
  desc: Narrow.
  condition: evt.type=openat and fd.name startswith /nowhere/
  output: narrow %fd.name
  priority: NOTICE
"""

WIDE = """
- list: opens
  items: [open, openat, openat2]
- rule: Other
  desc: Another call that is asked for.
  condition: evt.type=getppid and evt.res=0
  output: other
  priority: NOTICE
- rule: Nowhere
  desc: Wide.
  condition: evt.type in (opens) and evt.failed=true and fd.name startswith /nowhere/
  output: wide %fd.name
  priority: NOTICE
"""

OPENS = """
import itertools, os, sys, time
for number in itertools.count(1):
    try:
        os.open(f"/nowhere/{number}", 0)
    except FileNotFoundError:
        pass
    if number % 5 == 0:
        time.sleep(0.002)
        if os.path.exists(sys.argv[1]):
            break
open(sys.argv[2], "w").write(str(number))
"""
"""Opens until the first of its arguments is there, and writes the number of opens to the second."""

ROOM = {"bpf": {"ring_pages": 4096}, "outputs": {"queue_alerts": 1 << 18}}
"""A busy machine may leave the daemon behind for a while."""


def outputs_of(alerts):
    return [alert["output"] for alert in alerts]


@pytest.fixture
def opened():
    with shell() as one:
        yield one


def test_reloads_leave_nothing_behind(opened, tmp_path):
    """What is kept until the next reload included, memory is level; a set of the shipped rules takes 2 MB."""
    with running(tmp_path, opened.scope) as daemon:
        resident = []
        for _ in range(8):
            daemon.reload()
            resident.append(daemon.scrape().total("process_resident_memory_bytes"))

    assert resident[-1] - resident[2] < 2e6, resident


def put_in_place(directory, rules):
    """Other rules, whole at any moment."""
    (directory / "new").write_text(rules)
    (directory / "new").rename(directory / "rules.yaml")


@contextmanager
def opening(directory, opened):
    """Files that are not there are opened meanwhile; yields a function for how many, which ends it."""
    end, count = directory / "end", directory / "count"
    opened.run(f"{python(OPENS)} {end} {count} & echo $! > {directory}/pid")
    pid = int((directory / "pid").read_text())

    def opens():
        end.touch()
        until(lambda: not runs(pid))
        return int(count.read_text())

    try:
        yield opens
    finally:
        end.touch()


class TestReloadUnderLoad:
    def test_loses_no_event_that_both_sets_want(self, tmp_path, opened):
        config = configured(tmp_path, NARROW, **ROOM)
        with running(tmp_path, opened.scope, config) as daemon, opening(tmp_path, opened) as opens:
            for text, said in ((WIDE, b"wide /"), (NARROW, b"narrow /")) * 3:
                so_far = daemon.alert_log.stat().st_size
                put_in_place(tmp_path, text)
                daemon.reload()
                until(lambda said=said, so_far=so_far: said in daemon.alert_log.read_bytes()[so_far:])
            calls = opens()
            metrics = daemon.settle()

        assert (calls, 0) == (
            metrics.value("monitord_rule_matches_total", rule="Nowhere", priority="Notice"),
            metrics.total("monitord_events_lost_total"),
        )
        assert {"narrow", "wide"} == {output.split()[0] for output in outputs_of(daemon.alerts())}


def runs(pid):
    """Whether a process is there and no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class TestWatchUnderLoad:
    def test_files_put_in_place_of_others_lose_no_event(self, tmp_path, opened):
        config = configured(tmp_path, NARROW, rules={"watch": True}, **ROOM)
        with running(tmp_path, opened.scope, config) as daemon, opening(tmp_path, opened) as opens:
            for text, said in ((WIDE, b"wide /"), (NARROW, b"narrow /")):
                so_far, served = daemon.alert_log.stat().st_size, daemon.told("READY=1") + 1
                put_in_place(tmp_path, text)
                daemon.wait_for("READY=1", served)
                until(lambda said=said, so_far=so_far: said in daemon.alert_log.read_bytes()[so_far:])
            calls = opens()
            metrics = daemon.settle()

        assert (calls, 0) == (
            metrics.value("monitord_rule_matches_total", rule="Nowhere", priority="Notice"),
            metrics.total("monitord_events_lost_total"),
        )
        assert {"narrow", "wide"} == {output.split()[0] for output in outputs_of(daemon.alerts())}
        assert daemon.log.count(f"changed: {tmp_path}/rules.yaml\n") == 2
        assert "rules: 1 added (Other), 1 changed (Nowhere)\n" in daemon.log
        assert "rules: 1 removed (Other), 1 changed (Nowhere)\n" in daemon.log

    def test_wrong_rules_are_refused_once_and_right_ones_taken(self, tmp_path, opened):
        config = configured(tmp_path, NARROW, rules={"watch": True})
        with running(tmp_path, opened.scope, config) as daemon:
            put_in_place(tmp_path, "- rule: x\n  desc: x\n")
            daemon.wait_for("READY=1", 2)
            time.sleep(2.5)
            assert 2 == daemon.told("READY=1")
            put_in_place(tmp_path, WIDE)
            daemon.wait_for("READY=1", 3)

            assert 1 == daemon.scrape().value("monitord_config_last_reload_successful")


def test_a_pipe_in_place_of_the_rules_is_refused_and_the_old_ones_stay(tmp_path, opened):
    with running(tmp_path, opened.scope, configured(tmp_path, NARROW)) as daemon:
        (tmp_path / "rules.yaml").unlink()
        os.mkfifo(tmp_path / "rules.yaml")
        daemon.reload()
        opened.run("! cat /nowhere/7 2>&1")
        daemon.settle()

        assert ["narrow /nowhere/7"] == outputs_of(daemon.alerts())
    assert f"{tmp_path}/rules.yaml: R001 cannot read this file: it is a pipe, not a regular file" in daemon.log
    assert "reload refused, 1 to correct; the old configuration and rules stay" in daemon.log


class TestBadFilesLeftOut:
    def test_the_others_work_and_it_is_said(self, tmp_path, opened):
        (tmp_path / "bad.yaml").write_text("- rule: x\n  desc: x\n")
        config = configured(tmp_path, NARROW, rules={"paths": ["bad.yaml", "rules.yaml"], "bad_files": "skip"})
        with running(tmp_path, opened.scope, config) as daemon:
            opened.run("! cat /nowhere/7 2>&1")
            metrics = daemon.settle()

            assert ["narrow /nowhere/7"] == outputs_of(daemon.alerts())
        assert 1 == metrics.value("monitord_rule_files", state="left_out")
        assert f"{tmp_path}/bad.yaml: warning R029 this file is left out" in daemon.log
        assert f"{tmp_path}/bad.yaml:1:9: warning R005" in daemon.log


class TestReloadOfWrongRules:
    @pytest.fixture(scope="class")
    def refused(self, tmp_path_factory):
        """A daemon that was given wrong rules, and the shell that it watches."""
        directory = tmp_path_factory.mktemp("daemon")
        with shell() as opened, running(directory, opened.scope, configured(directory, NARROW)) as daemon:
            (directory / "rules.yaml").write_text("- rule: x\n  desc: x\n")
            daemon.reload()
            yield Watched(opened, daemon)

    def test_says_what_is_wrong_and_where(self, refused):
        assert "/rules.yaml:1:9: R005 this rule has no 'condition'; add one\n" in refused.daemon.log

    def test_shows_in_the_metrics(self, refused):
        assert 0 == refused.daemon.scrape().value("monitord_config_last_reload_successful")

    def test_keeps_the_old_ones(self, refused):
        assert ["narrow /nowhere/7"] == outputs_of(refused.alerts_of("! cat /nowhere/7 2>&1"))

    def test_is_forgotten_when_they_are_right(self, tmp_path, opened):
        with running(tmp_path, opened.scope, configured(tmp_path, NARROW)) as daemon:
            for rules in ("- rule: x\n  desc: x\n", WIDE):
                (tmp_path / "rules.yaml").write_text(rules)
                daemon.reload()

            assert 1 == daemon.scrape().value("monitord_config_last_reload_successful")


class TestReloadOfOutputs:
    def test_the_next_alert_goes_to_the_new_log(self, tmp_path, opened):
        with running(tmp_path, opened.scope, configured(tmp_path, NARROW)) as daemon:
            opened.run("! cat /nowhere/before 2>&1")
            daemon.settle()
            configured(tmp_path, NARROW, outputs={"alert_log": {"path": "other.jsonl"}})
            daemon.reload()
            old = daemon.alerts()
            opened.run("! cat /nowhere/after 2>&1")
            daemon.settle()
            daemon.alert_log = tmp_path / "other.jsonl"

            assert (["narrow /nowhere/before"], ["narrow /nowhere/after"]) == (
                outputs_of(old),
                outputs_of(daemon.alerts()),
            )

    def test_a_log_that_cannot_be_opened_leaves_the_old_one(self, tmp_path, opened):
        with running(tmp_path, opened.scope, configured(tmp_path, NARROW)) as daemon:
            configured(tmp_path, WIDE, outputs={"alert_log": {"path": "no/alerts.jsonl"}})
            daemon.reload()
            opened.run("! cat /nowhere/7 2>&1")
            daemon.settle()

            assert ["narrow /nowhere/7"] == outputs_of(daemon.alerts())


COUNTED = """
- rule: Seven
  desc: Seven files that are not there.
  condition: evt.type=openat and evt.failed=true and fd.name startswith /nowhere/
  output: "%corr.count %corr.values"
  priority: NOTICE
  correlation: {type: value_count, timespan: 1h, condition: {gte: 7, field: fd.name}}
"""


class TestCounts:
    def test_what_was_counted_counts_on(self, opened, tmp_path):
        with running(tmp_path, opened.scope, configured(tmp_path, COUNTED)) as daemon:
            opened.run("! cat /nowhere/1 /nowhere/2 /nowhere/3 /nowhere/4 2>&1")
            daemon.settle()
            configured(tmp_path, COUNTED + NARROW.replace("Nowhere", "Another"))
            daemon.reload()
            opened.run("! cat /nowhere/5 /nowhere/6 /nowhere/7 2>&1")
            daemon.settle()

            counted = f"7 ({','.join(f'/nowhere/{number}' for number in range(1, 8))})"
            assert counted in outputs_of(daemon.alerts())
