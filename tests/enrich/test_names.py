"""Names behind ids are looked up once, until they can have changed."""

import os
import threading
import time

import pytest

from monitord.enrich.names import LOOK_EVERY_S, MAX_AGE_S, PATIENCE_S, Names, group_names, user_names
from monitord.model.value import Missing
from tests.support.daemon import until


class Database:
    """A file of names with a clock beside it, that counts how often it is asked."""

    def __init__(self, path):
        self.path = path
        self.now_s = 100.0
        self.asked = 0
        self.write("alice")
        self.names = Names(self.lookup, path, lambda: self.now_s)

    def lookup(self, number):
        self.asked += 1
        return {17: self.path.read_text()}[number]

    def write(self, name, mtime_ns=1_000_000_000):
        self.path.write_text(name)
        os.utime(self.path, ns=(mtime_ns, mtime_ns))


@pytest.fixture
def database(tmp_path):
    return Database(tmp_path / "passwd")


class TestNames:
    def test_known_id_has_its_name(self, database):
        assert "alice" == database.names.name(17)

    def test_unknown_id_says_so(self, database):
        assert Missing.UNKNOWN is database.names.name(19)

    @pytest.mark.parametrize("number", [17, 19])
    def test_same_id_is_looked_up_once(self, database, number):
        for _ in range(3):
            database.names.name(number)

        assert 1 == database.asked

    def test_changed_file_changes_the_name(self, database):
        database.names.name(17)
        database.write("bob", mtime_ns=2_000_000_000)
        database.now_s += LOOK_EVERY_S

        assert "bob" == database.names.name(17)

    def test_change_without_a_trace_in_the_file_is_seen_in_the_end(self, database):
        database.names.name(17)
        database.write("bob")
        database.now_s += MAX_AGE_S

        assert "bob" == database.names.name(17)

    def test_a_name_service_that_hangs_keeps_nobody_waiting(self, tmp_path):
        """One waits for a moment, and no other does until there was an answer."""
        served = threading.Event()
        names = Names(lambda number: served.wait() and f"user-{number}", tmp_path / "passwd")
        begin_s = time.monotonic()
        assert [Missing.LATE] * 100 == [names.name(number) for number in range(100)]
        assert time.monotonic() - begin_s < 20 * PATIENCE_S

        served.set()
        until(lambda: [f"user-{number}" for number in range(100)] == [names.name(number) for number in range(100)])

    def test_without_a_free_thread_a_name_is_late_and_no_other_for_that(self, database, monkeypatch):
        def refused(_thread):
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as context:
            context.setattr(threading.Thread, "start", refused)
            assert Missing.LATE is database.names.name(17)

        assert "alice" == database.names.name(17)

    def test_nobody_stays_who_is_not_asked(self, database):
        database.names.name(17)
        until(lambda: not database.names._asking)
        database.now_s += MAX_AGE_S

        assert ("alice", 2) == (database.names.name(17), database.asked)

    def test_missing_file_is_no_error(self, database):
        """The lookup that reads it fails with an OSError of its own."""
        database.path.unlink()

        assert Missing.UNKNOWN is database.names.name(17)


class TestHost:
    def test_uid_0_is_root(self):
        assert "root" == user_names().name(0)

    def test_gid_0_is_root(self):
        assert "root" == group_names().name(0)

    def test_uid_beyond_what_libc_takes_is_unknown(self):
        """-1, as the kernel shows an id that its user namespace does not map."""
        assert Missing.UNKNOWN is user_names().name(2**32 - 1)
