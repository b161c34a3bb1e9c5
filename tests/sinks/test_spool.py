import random
import subprocess
import sys
import textwrap
import time

import pytest

from monitord.sinks.spool import SEGMENT_BYTES, Spool, SpoolBusyError, SpoolFullError
from tests.support.descriptors import no_descriptors

MIB = 1 << 20


@pytest.fixture
def opened(tmp_path):
    """Opens the spool anew; the one before is closed, as by a restart."""
    spools = []

    def opened(limit_bytes: int = MIB) -> Spool:
        if spools:
            spools[-1].close()
        spools.append(Spool(tmp_path / "spool", limit_bytes))
        return spools[-1]

    yield opened
    spools[-1].close()


def line(number: int, size: int = 10) -> bytes:
    return b"%d" % number + b"." * size + b"\n"


def taken(spool: Spool, count: int | None = None) -> list[bytes]:
    lines = []
    while len(spool) if count is None else len(lines) < count:
        lines.append(spool.head())
        spool.pop()
    return lines


class TestOrder:
    def test_lines_come_out_as_they_went_in(self, opened):
        spool = opened()
        lines = [line(number) for number in range(23)]
        for one in lines:
            spool.append(one)

        assert (lines, 0) == (taken(spool), len(spool))

    def test_the_head_stays_until_it_is_done_with(self, opened):
        spool = opened()
        spool.append(line(1))

        assert [line(1)] * 2 == [spool.head(), spool.head()]

    def test_a_line_longer_than_a_read_is_whole(self, opened):
        spool = opened()
        spool.append(line(1, 200_001))
        spool.append(line(2))

        assert [line(1, 200_001), line(2)] == taken(spool)

    @pytest.mark.parametrize("seed", range(20))
    def test_it_is_a_queue_whatever_happens(self, opened, seed):
        """Against a list: put, take, restart, in any order; segments of 2 KiB."""
        choose = random.Random(seed)
        spool, expected, number = opened(8192), [], 0
        for _ in range(500):
            action = choose.random()
            if action < 0.5:
                one = line(number, choose.randrange(400))
                try:
                    spool.append(one)
                except SpoolFullError:
                    assert spool.size_bytes > 8192 - len(one)
                else:
                    expected.append(one)
                    number += 1
            elif action < 0.95:
                if expected:
                    assert expected.pop(0) == spool.head()
                    spool.pop()
            else:
                spool = opened(8192)
            assert len(expected) == len(spool)

        assert expected == taken(spool)


class TestRestart:
    def test_what_waits_is_there_again(self, opened):
        spool = opened()
        for number in range(5):
            spool.append(line(number))
        taken(spool, 2)

        assert [line(2), line(3), line(4)] == taken(opened())

    def test_the_sending_of_the_head_is_remembered(self, opened):
        spool = opened()
        spool.append(line(1))

        assert (False, True) == (spool.mark(True), opened().mark(True))

    def test_but_not_when_it_surely_failed_or_is_done(self, opened):
        spool = opened()
        for number in range(3):
            spool.append(line(number))
        spool.mark(True)
        spool.mark(False)
        assert not opened().mark(True)
        spool = opened()
        spool.pop()

        assert not opened().mark(True)

    def test_a_torn_line_is_cut(self, opened, tmp_path):
        opened().append(line(1))
        with (tmp_path / "spool/0000000001.jsonl").open("ab") as file:
            file.write(b"half a li")
        spool = opened()
        spool.append(line(2))

        assert [line(1), line(2)] == taken(spool)

    @pytest.mark.parametrize("position", [b"", b"garbage", b"9 9 9 9", b"\xff" * 44, b"77 5 1\n"])
    def test_a_position_that_does_not_read_loses_nothing(self, opened, tmp_path, position):
        spool = opened()
        for number in range(3):
            spool.append(line(number))
        taken(spool, 1)
        spool.close()
        (tmp_path / "spool/position").write_bytes(position)

        assert [line(0), line(1), line(2)] == taken(opened())

    def test_files_that_are_not_ours_are_left_alone(self, opened, tmp_path):
        """Dates in their names, as numbers of files, made a start look for each of 20 million between."""
        names = ["notes.jsonl", "1.jsonl", "20261129.jsonl"]
        spool = opened()
        spool.append(line(0))
        spool.close()
        for name in names:
            (tmp_path / "spool" / name).write_text("mine")
        begin_s = time.process_time()

        assert [line(0)] == taken(opened())
        assert time.process_time() - begin_s < 5
        assert ["mine"] * 3 == [(tmp_path / "spool" / name).read_text() for name in names]

    def test_one_that_somebody_cleared_starts_anew(self, opened, tmp_path):
        spool = opened()
        spool.append(line(1))
        spool.close()
        (tmp_path / "spool/0000000001.jsonl").unlink()
        spool = opened()
        spool.append(line(2))

        assert [line(2)] == taken(spool)


class TestLimit:
    def test_more_is_refused(self, opened):
        spool = opened(10_000)
        for number in range(9):
            spool.append(line(number, 1000))
        with pytest.raises(SpoolFullError):
            spool.append(line(9, 1000))

        assert (9, 9 * 1002) == (len(spool), spool.size_bytes)

    def test_there_is_room_again_when_some_was_sent(self, opened, tmp_path):
        spool = opened(10_000)
        for number in range(1000):
            while True:
                try:
                    spool.append(line(number, 1000))
                    break
                except SpoolFullError:
                    spool.pop()
        on_disk = sum(path.stat().st_size for path in (tmp_path / "spool").glob("*.jsonl"))

        assert on_disk == spool.size_bytes <= 10_000

    def test_files_that_were_sent_are_deleted(self, opened, tmp_path):
        spool = opened(64 * MIB)
        for number in range(300):
            spool.append(line(number, 20_000))
        assert len(list((tmp_path / "spool").glob("*.jsonl"))) == -(-300 * 20_003 // SEGMENT_BYTES)
        taken(spool)

        assert 1 == len(list((tmp_path / "spool").glob("*.jsonl")))


class TestTrouble:
    """Segments of 1 KB with a line each: after each line the next file is opened, and the one before deleted."""

    @pytest.fixture
    def spool(self, opened):
        spool = opened(4000)
        for number in range(3):
            spool.append(line(number, 900))
        return spool

    def test_without_descriptors_the_next_file_waits(self, spool):
        spool.head()
        with no_descriptors():
            spool.pop()
            with pytest.raises(OSError, match="Too many open files"):
                spool.head()

        assert [line(1, 900), line(2, 900)] == taken(spool)

    def test_a_file_that_cannot_be_deleted_is_left_there(self, spool, tmp_path):
        first = tmp_path / "spool/0000000001.jsonl"
        first.unlink()
        first.mkdir()

        assert [line(0, 900), line(1, 900), line(2, 900)] == taken(spool)


class TestOwner:
    def test_it_has_one(self, opened, tmp_path):
        opened()
        with pytest.raises(SpoolBusyError, match="spool is in use"):
            Spool(tmp_path / "spool", MIB)

    def test_it_is_not_for_others(self, opened, tmp_path):
        opened().append(line(1))

        assert {0o700, 0o600} == {
            path.stat().st_mode & 0o777 for path in (tmp_path / "spool", *tmp_path.rglob("spool/*"))
        }


def test_a_disk_that_fills_up_holds_whole_lines(tmp_path):
    """A tmpfs of eight pages, in a mount namespace of its own."""
    script = f"""
        from pathlib import Path
        from monitord.sinks.spool import Spool
        disk = Path({str(tmp_path)!r})
        (disk / "filler").write_bytes(bytes(4096))
        spool = Spool(disk / "spool", 1 << 20)
        kept = 0
        try:
            while True:
                spool.append(b"%d" % kept + b"." * 1000 + b"\\n")
                kept += 1
        except OSError as err:
            print(err.strerror)
        spool.close()
        spool = Spool(disk / "spool", 1 << 20)
        print(len(spool) == kept)
        (disk / "filler").unlink()
        spool.append(b"more\\n")
        numbers = []
        while len(spool):
            numbers.append(spool.head().split(b".")[0])
            spool.pop()
        print(numbers == [b"%d" % n for n in range(kept)] + [b"more\\n"])
    """
    mount = f'mount -t tmpfs -o size=32k none {tmp_path} && exec {sys.executable} -c "$0"'
    command = ["unshare", "-m", "sh", "-c", mount, textwrap.dedent(script)]
    out = subprocess.run(command, capture_output=True, text=True)

    assert ["No space left on device", "True", "True"] == out.stdout.splitlines(), out
