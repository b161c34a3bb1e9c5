"""The alert log is rotated, and its disk fills up."""

import threading

import pytest
from machine import LOG, Metrics, alerts, daemon_said, journal, now, prop, read_secret, run, until

pytestmark = pytest.mark.one_kernel(1)


def marks(*paths):
    """How often each mark of `read_secret` is in these files of the log."""
    found = {}
    for line in alerts(*paths):
        words = [word for word in line["output"].split() if word.startswith("/nowhere/")]
        for word in words:
            found[word.removeprefix("/nowhere/")] = found.get(word.removeprefix("/nowhere/"), 0) + 1
    return found


class TestRotation:
    @pytest.fixture(scope="class")
    def rotated(self):
        """Rotated twice, by the configuration that came with the package, while alerts came; how many came."""
        ended = threading.Event()
        made = []

        def attack():
            while not ended.is_set():
                read_secret(f"rotation-{len(made)}")
                made.append(1)

        attacker = threading.Thread(target=attack)
        attacker.start()
        for turn in (1, 2):
            until(lambda turn=turn: len(made) >= 11 * turn)
            until(lambda: any(mark.startswith("rotation-") for mark in marks()))
            run("logrotate --force /etc/logrotate.d/monitord")
        until(lambda: len(made) >= 31)
        ended.set()
        attacker.join()
        return len(made)

    def test_no_alert_is_lost_or_doubled(self, rotated):
        files = [LOG.with_name(name) for name in ("alerts.jsonl.2.gz", "alerts.jsonl.1", LOG.name)]
        wanted = {f"rotation-{number}": 1 for number in range(rotated)}

        until(lambda: f"rotation-{rotated - 1}" in marks())
        found = {mark: count for mark, count in marks(*files).items() if mark.startswith("rotation-")}

        assert wanted == found

    def test_files_are_its_users_and_readable_by_its_group(self, rotated):
        listed = run(f"stat -c '%U:%G %a %n' {LOG.parent}/alerts*").splitlines()

        assert ["monitord:monitord 640"] * 3 == [line.rpartition(" ")[0] for line in listed]


class TestFullDisk:
    @pytest.fixture(scope="class")
    def full(self):
        """A small file system for the log, filled up, and attacks; where the journal was before them."""
        run(f"mount -t tmpfs -o size=256k,mode=0750,uid=monitord,gid=monitord none {LOG.parent}")
        read_secret("disk-before")
        until(lambda: "disk-before" in marks())
        run(f"dd if=/dev/zero of={LOG.parent}/filler bs=4k", 1)
        before = now()
        for number in range(13):
            read_secret(f"disk-full-{number}")
        until(lambda: Metrics().value("monitord_queue_depth", queue="alert_log") > 0)
        yield before
        run(f"umount --lazy {LOG.parent}", None)

    def test_alerts_wait_and_failures_are_counted_and_said_once(self, full):
        failed = until(lambda: Metrics().value("monitord_alert_errors_total", sink="alert_log"))

        until(lambda: Metrics().value("monitord_alert_errors_total", sink="alert_log") > failed)
        assert 1 == journal(full).count("No space left on device; trying again until it works")

    def test_other_outputs_go_on(self, full):
        until(lambda: "/nowhere/disk-full-12 " in daemon_said(full, MONITORD_RULE="Password file read"))

    def test_all_are_written_when_there_is_room(self, full):
        run(f"rm {LOG.parent}/filler")

        until(lambda: "disk-full-12" in marks())
        assert {f"disk-full-{number}": 1 for number in range(13)} == {
            mark: count for mark, count in marks().items() if mark.startswith("disk-full-")
        }
        assert "alert_log: writing again" in journal(full)
        assert 0 == Metrics().value("monitord_alerts_dropped_total")

    def test_old_log_goes_on_when_the_file_system_goes(self, full):
        run(f"umount --lazy {LOG.parent}")  # the daemon has the log open
        read_secret("disk-after")

        until(lambda: "disk-after" in marks())


def test_daemon_has_lived_through_all_this():
    assert "0" == prop("NRestarts")
