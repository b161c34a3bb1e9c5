"""`monitord_origin_events_total`, of containers that cgroup v1 alone knows of."""

import contextlib
import sys
import uuid
from pathlib import Path

import pytest

from tests.support.cgroups import V1, V2, cgroup
from tests.support.container import AVAILABLE, bundle, remove_cgroups
from tests.support.daemon import configured, running, shell

pytestmark = [
    pytest.mark.bpf,
    pytest.mark.skipif(not V1 or not V2, reason="needs a hybrid machine: cgroup v1 and v2"),
]

ID = "9d07" * 16
CALLS = 97
RULES = """
- rule: Asked
  desc: Has getsid sent, and never matches.
  condition: evt.type = getsid and proc.aname[3] = nobody-is-called-this
  output: "%proc.name"
  priority: NOTICE
- rule: Looked
  desc: A file that is not there.
  condition: evt.type in (open, openat) and fd.name startswith /nowhere/
  output: "%fd.name|%container.id|%proc.name"
  priority: NOTICE
- rule: Unit looked
  desc: A file that is not there, either.
  condition: evt.type in (open, openat) and fd.name startswith /no-unit/
  output: "%fd.name|%container.id|%proc.name|%systemd.unit|%systemd.slice"
  priority: NOTICE
"""
MOVES_ITSELF = f"""
import os, sys
for _ in range({CALLS}): os.getsid(0)
if not os.fork():
    open(sys.argv[1] + "/cgroup.procs", "w").write("0")
    for _ in range({CALLS}): os.getsid(0)
    if not os.fork():
        for _ in range({CALLS}): os.getsid(0)
        os._exit(0)
    os.wait()
    os._exit(0)
os.wait()
"""
OF_CONTAINER = 2 * CALLS + 4
"""Two processes: the move of the first, the beginning of the second, and two ends."""


@pytest.fixture
def watched(tmp_path):
    with shell() as opened, running(tmp_path, opened.scope, configured(tmp_path, RULES)) as daemon:
        yield opened, daemon


def origins(daemon):
    """Events by container, of a daemon at rest; and all that it has received."""
    metrics = daemon.settle()
    by_container = {}
    for labels, count in metrics.labelled("monitord_origin_events_total"):
        by_container[labels["container"]] = by_container.get(labels["container"], 0) + count
    assert 0 == metrics.total("monitord_events_lost_total")
    return {container: count for container, count in by_container.items() if count}, metrics.events("judged")


def test_each_event_is_counted_where_its_process_was(watched):
    opened, daemon = watched
    with cgroup(f"docker/{ID}", V1[0]) as directory:
        assert 0 == opened.run(f"{sys.executable} -S -c '{MOVES_ITSELF}' {directory}")
        by_container, judged = origins(daemon)

    assert {ID[:12]: OF_CONTAINER, "host": judged - OF_CONTAINER} == by_container
    assert judged - OF_CONTAINER > CALLS


def test_two_have_series_and_the_rest_is_other(tmp_path):
    ids = [digit * 64 for digit in "123"]
    config = configured(tmp_path, RULES, metrics={"origins": 2})
    with shell() as opened, running(tmp_path, opened.scope, config) as daemon:
        for container in ids:
            with cgroup(f"docker/{container}", V1[0]) as directory:
                assert 0 == opened.run(f"{sys.executable} -S -c '{MOVES_ITSELF}' {directory}")
                by_container, judged = origins(daemon)  # before the next one, so that it comes first

    host = judged - 3 * OF_CONTAINER
    assert {"host": host, ids[0][:12]: OF_CONTAINER, "other": 2 * OF_CONTAINER} == by_container


def test_one_that_runs_already_when_monitord_starts(tmp_path):
    with cgroup(f"docker/{ID}", V1[0]) as directory, shell() as opened:
        opened.run(f"echo {opened.scope.removeprefix('pid:')} > {directory}/cgroup.procs")
        with running(tmp_path, opened.scope, configured(tmp_path, RULES)) as daemon:
            opened.run(f"{sys.executable} -S -c 'import os; [os.getsid(0) for _ in range({CALLS})]'")
            by_container, judged = origins(daemon)

    assert {ID[:12]: judged} == by_container
    assert judged > CALLS


@pytest.mark.skipif(not AVAILABLE, reason="needs runc and busybox-static")
def test_a_container_of_runc_where_it_finds_no_cgroup_v2(watched, tmp_path):
    opened, daemon = watched
    path = f"/monitord-test-{uuid.uuid4().hex}/docker/{ID}"
    looks = f'BEGIN {{ for (i = 0; i < {CALLS}; i++) getline < ("/nowhere/" i) }}'
    (tmp_path / "bundle").mkdir()
    try:
        argv = bundle(tmp_path / "bundle", path, ["awk", looks])
        start = tmp_path / "start"
        start.write_text(f"umount {V2[0]} && exec {' '.join(argv)}\n")
        assert 0 == opened.run(f"unshare --mount sh {start}")
        by_container, judged = origins(daemon)
    finally:
        remove_cgroups(path)
    outputs = {alert["output"] for alert in daemon.alerts()}

    assert {f"/nowhere/{number}|{ID[:12]}|awk" for number in range(CALLS)} == outputs
    assert {ID[:12], "host"} == set(by_container)
    assert judged == sum(by_container.values())
    assert CALLS < by_container[ID[:12]] < judged  # those of runc's init, once it has moved, are among them
    assert CALLS == daemon.scrape().value("monitord_origin_alerts_total", container=ID[:12], unit="")


@pytest.fixture
def unit():
    """The cgroup that systemd would make for a service."""
    directory = Path(V2[0]) / "system.slice" / f"monitord-test-{uuid.uuid4().hex}.service"
    directory.mkdir(parents=True)
    yield directory
    directory.rmdir()
    with contextlib.suppress(OSError):  # somebody else's
        directory.parent.rmdir()


def test_a_unit_of_systemd_is_told_and_counted(unit, watched):
    opened, daemon = watched
    assert 0 == opened.run(f"{sys.executable} -S -c '{MOVES_ITSELF}' {unit}")
    assert 0 == opened.run(f"sh -c 'echo 0 > {unit}/cgroup.procs; ! cat /no-unit/here'")
    metrics = daemon.settle()
    events = {labels["unit"]: count for labels, count in metrics.labelled("monitord_origin_events_total")}
    told = {alert["output"] for alert in daemon.alerts()}

    assert events[unit.name] >= 2 * CALLS
    assert events[""] > CALLS
    assert {f"/no-unit/here|host|cat|{unit.name}|system.slice"} == told
