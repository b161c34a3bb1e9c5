import itertools
import logging
import os
import re
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Sequence

import pytest

from monitord.config.outputs import ProgramConfig
from monitord.model.alert import Alert
from monitord.sinks.alert_log import AlertLog
from monitord.sinks.backlog import Backlog
from monitord.sinks.console import Console
from monitord.sinks.program import Program
from monitord.sinks.worker import MOST, SinkWorker
from monitord.stages import BusyError, SinkError, UnreadError
from monitord.telemetry import Telemetry
from tests.support.alerts import make_alert
from tests.support.daemon import PATIENCE_S, until


def rules(path) -> list[str]:
    return [line.split('"rule":"')[1].split('"')[0] for line in path.read_text().splitlines()]


class OddSink:
    """A sink with a bug: it cannot write alerts of the rule ``odd``, and takes the others as they come."""

    name = "odd"

    def __init__(self) -> None:
        self.rules: list[str] = []

    def write(self, alert: Alert) -> None:
        if alert.rule == "odd":
            raise ZeroDivisionError
        self.rules.append(alert.rule)

    def reopen(self) -> None:
        raise SinkError("cannot reopen")

    def close(self) -> None:
        self.rules.append("closed")


class BulkOddSink(OddSink):
    """The same, of many at once. The first write waits until it is let go, so that the others come together."""

    def __init__(self, room: int = 1000) -> None:
        super().__init__()
        self.room = room
        self.sizes: list[int] = []
        self.go = threading.Event()

    def write_all(self, alerts: Sequence[Alert]) -> None:
        self.go.wait(PATIENCE_S)
        self.sizes.append(len(alerts))
        if any(alert.rule == "odd" for alert in alerts):
            raise ZeroDivisionError
        if len(self.rules) + len(alerts) > self.room:
            raise SinkError("full")
        self.rules += [alert.rule for alert in alerts]


@pytest.fixture
def telemetry():
    return Telemetry()


@pytest.fixture
def start(telemetry):
    """Starts workers that try again quickly, and ends them."""
    workers = []

    def start(sink, queue_alerts=100) -> SinkWorker:
        worker = SinkWorker(
            sink, Backlog(queue_alerts, lambda alert: alert), telemetry, first_retry_s=0.001, longest_retry_s=0.01
        )
        workers.append(worker)
        worker.start()
        return worker

    yield start
    for worker in workers:
        worker.finish(time.monotonic())
        worker.join()


@pytest.fixture
def stuck():
    """A pipe that is full, and who reads it: a write blocks until somebody does."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, bytes(4096))
    except BlockingIOError:
        os.set_blocking(writer, True)
    yield reader, writer
    os.close(reader)


def end(worker: SinkWorker, after_s: float = PATIENCE_S) -> int:
    worker.finish(time.monotonic() + after_s)
    return worker.join()


class TestWriting:
    def test_alerts_arrive_in_order(self, start, tmp_path):
        worker = start(AlertLog(tmp_path / "log"))
        expected = [f"rule {n}" for n in range(23)]
        for rule in expected:
            worker.put(make_alert(rule=rule))
        end(worker)

        assert expected == rules(tmp_path / "log")

    def test_they_are_counted(self, start, telemetry, tmp_path):
        worker = start(AlertLog(tmp_path / "log"))
        worker.put(make_alert())
        worker.put(make_alert())
        end(worker)

        assert 2 == telemetry.sinks["alert_log"].written

    def test_an_idle_worker_ends_at_once(self, start):
        sink = OddSink()
        end(start(sink))

        assert ["closed"] == sink.rules

    def test_what_is_put_after_the_end_is_dropped(self, start, telemetry):
        worker = start(OddSink())
        end(worker)
        worker.put(make_alert())

        assert 1 == telemetry.sinks["odd"].dropped


class TestTrouble:
    def test_a_dead_directory_is_tried_again_until_it_is_back(self, start, telemetry, tmp_path):
        path = tmp_path / "logs/alerts"
        path.parent.mkdir()
        worker = start(AlertLog(path))
        path.unlink()
        path.parent.rmdir()
        worker.put(make_alert(rule="a"))
        worker.put(make_alert(rule="b"))
        until(lambda: telemetry.sinks["alert_log"].failed > 3)
        path.parent.mkdir()
        end(worker)

        assert ["a", "b"] == rules(path)

    def test_it_is_said_once_and_so_is_the_end_of_it(self, start, telemetry, tmp_path, caplog):
        caplog.set_level(logging.WARNING)
        (tmp_path / "log").symlink_to("/dev/full")
        worker = start(AlertLog(tmp_path / "log"))
        worker.put(make_alert())
        until(lambda: telemetry.sinks["alert_log"].failed > 3)
        (tmp_path / "log").unlink()
        end(worker)

        failure = f"alert_log: {tmp_path}/log: No space left on device; trying again until it works"
        assert [failure, "alert_log: writing again"] == caplog.messages

    def test_a_disk_that_is_full_at_the_start_is_waited_for(self, tmp_path):
        """A tmpfs that has no inode for the file, in a mount namespace of its own."""
        script = f"""
            import logging, sys, time
            from pathlib import Path
            from monitord.sinks.alert_log import AlertLog
            from monitord.sinks.backlog import Backlog
            from monitord.sinks.worker import SinkWorker
            from monitord.telemetry import Telemetry
            from tests.support.alerts import make_alert
            from tests.support.daemon import until
            logging.basicConfig(stream=sys.stdout, format="%(message)s")
            disk, telemetry = Path({str(tmp_path)!r}), Telemetry()
            (disk / "filler").touch()
            log = AlertLog(disk / "log")
            worker = SinkWorker(log, Backlog(3, lambda alert: alert), telemetry, first_retry_s=0.001)
            worker.start()
            for rule in "abcd":
                worker.put(make_alert(rule=rule))
            counts = telemetry.sinks["alert_log"]
            until(lambda: counts.failed > 3)
            print(counts.written, counts.dropped, (disk / "log").exists())
            (disk / "filler").unlink()
            until(lambda: counts.written == 3)
            worker.finish(time.monotonic() + 5)
            worker.join()
            print((disk / "log").read_text().count("\\n"))
        """
        mount = f'mount -t tmpfs -o nr_inodes=2 none {tmp_path} && exec {sys.executable} -c "$0"'
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", mount, textwrap.dedent(script)], capture_output=True, text=True
        )

        failure = f"alert_log: cannot open the alert log {tmp_path}/log: No space left on device"
        assert [
            f"{failure}; trying again until it works",
            "0 1 False",
            "alert_log: writing again",
            "3",
        ] == done.stdout.splitlines(), done.stderr

    def test_what_a_full_queue_does_not_take_is_dropped(self, start, telemetry, tmp_path):
        (tmp_path / "log").symlink_to("/dev/full")
        worker = start(AlertLog(tmp_path / "log"), queue_alerts=3)
        for _ in range(10):
            worker.put(make_alert())

        assert 7 == telemetry.sinks["alert_log"].dropped

    def test_what_waits_is_the_depth_of_the_queue(self, start, telemetry, tmp_path):
        (tmp_path / "log").symlink_to("/dev/full")
        worker = start(AlertLog(tmp_path / "log"), queue_alerts=3)
        for _ in range(2):
            worker.put(make_alert())
        queue = telemetry.queues["alert_log"]

        assert (2, 3) == (queue.depth(), queue.capacity)

    def test_a_bug_in_one_alert_does_not_stop_the_next(self, start, telemetry):
        sink = OddSink()
        worker = start(sink)
        for rule in ("a", "odd", "b"):
            worker.put(make_alert(rule=rule))
        end(worker)

        assert (["a", "b", "closed"], 1) == (sink.rules, telemetry.sinks["odd"].dropped)

    def test_a_stuck_sink_does_not_block_who_puts(self, start, telemetry, stuck):
        worker = start(Console(stuck[1]), queue_alerts=3)
        for _ in range(10):
            worker.put(make_alert())

        assert 7 == telemetry.sinks["console"].dropped

    def test_a_stuck_sink_does_not_block_another(self, start, stuck, tmp_path):
        console = start(Console(stuck[1]))
        log = start(AlertLog(tmp_path / "log"))
        for worker in (console, log):
            worker.put(make_alert(rule="a"))
        end(log)

        assert ["a"] == rules(tmp_path / "log")


class TestManyAtOnce:
    def test_what_waits_is_written_together(self, start, telemetry):
        sink = BulkOddSink()
        worker = start(sink, queue_alerts=300)
        names = [str(number) for number in range(200)]
        for name in names:
            worker.put(make_alert(rule=name))
        sink.go.set()
        end(worker)

        assert [*names, "closed"] == sink.rules
        assert len(sink.sizes) <= 5
        assert max(sink.sizes) <= MOST
        assert 200 == telemetry.sinks["odd"].written

    def test_one_with_a_bug_is_found_among_them(self, start, telemetry):
        sink = BulkOddSink()
        worker = start(sink, queue_alerts=300)
        names = [str(number) for number in range(100)]
        for name in (*names[:30], "odd", *names[30:60], "odd", *names[60:]):
            worker.put(make_alert(rule=name))
        sink.go.set()
        end(worker)

        counts = telemetry.sinks["odd"]
        assert [*names, "closed"] == sink.rules
        assert (100, 2, 2) == (counts.written, counts.dropped, counts.failed)

    def test_as_many_as_there_is_room_for_are_written(self, start, telemetry):
        sink = BulkOddSink(room=33)
        worker = start(sink, queue_alerts=300)
        names = [str(number) for number in range(100)]
        for name in names:
            worker.put(make_alert(rule=name))
        sink.go.set()
        until(lambda: telemetry.sinks["odd"].failed > 3)
        assert names[:33] == sink.rules
        sink.room = 1000
        end(worker)

        assert [*names, "closed"] == sink.rules
        assert (100, 0) == (telemetry.sinks["odd"].written, telemetry.sinks["odd"].dropped)


class TestReopen:
    def test_it_is_done_without_an_alert(self, start, tmp_path):
        path = tmp_path / "log"
        worker = start(AlertLog(path))
        path.unlink()
        worker.reopen()

        until(path.exists)

    def test_a_sink_that_cannot_be_reopened_still_writes(self, start, telemetry):
        sink = OddSink()
        worker = start(sink)
        worker.reopen()
        until(lambda: telemetry.sinks["odd"].failed == 1)
        worker.put(make_alert(rule="a"))
        end(worker)

        assert ["a", "closed"] == sink.rules

    def test_it_ends_a_long_wait(self, telemetry, tmp_path):
        path = tmp_path / "log"
        path.symlink_to("/dev/full")
        worker = SinkWorker(
            AlertLog(path), Backlog(10, lambda alert: alert), telemetry, first_retry_s=600, longest_retry_s=600
        )
        worker.start()
        worker.put(make_alert(rule="a"))
        until(lambda: telemetry.sinks["alert_log"].failed)
        path.unlink()
        worker.reopen()
        until(lambda: telemetry.sinks["alert_log"].written)
        end(worker)

        assert ["a"] == rules(path)


def resumed(sink: Program) -> bool:
    """Whether somebody is there for what is unread."""
    try:
        sink.resume()
    except SinkError:
        return False
    return True


class TestOfAProgram:
    """It takes two lines byte by byte when it is told to, and ends when its input does, or waits to be killed."""

    @pytest.fixture
    def reader(self, tmp_path):
        def reader(end: str) -> Program:
            gate = tmp_path / "gate"
            script = f"while [ ! -e {gate} ]; do sleep 0.01; done; read -r line; read -r line; {end}"
            return Program(ProgramConfig(("/bin/sh", "-c", script)))

        return reader

    def test_an_alert_counts_when_it_is_read(self, start, reader, telemetry, tmp_path):
        worker = start(reader("exec cat >/dev/null"))
        for _ in range(5):
            worker.put(make_alert())
        counts = telemetry.sinks["program"]
        until(lambda: not telemetry.queues["program"].depth())
        before = counts.written
        (tmp_path / "gate").touch()
        until(lambda: counts.written == 5)

        assert (0, 0, 5, 0) == (before, end(worker), counts.written, counts.dropped)

    def test_one_that_ends_without_reading_fails_until_another_reads(self, start, telemetry, tmp_path, caplog):
        """No other alert is needed for that. An alert in the pipe was taken for one that was written."""
        caplog.set_level(logging.WARNING)
        script = tmp_path / "script"
        script.write_text("exit 0")
        worker = start(Program(ProgramConfig(("/bin/sh", "-c", f"exec sh {script}"))))
        worker.put(make_alert(rule="a"))
        counts = telemetry.sinks["program"]
        until(lambda: counts.failed > 3)
        before = counts.written
        script.write_text(f"exec cat >{tmp_path}/out")
        until(lambda: counts.written)
        end(worker)

        assert 0 == before
        assert ["a"] == rules(tmp_path / "out")
        first, last = caplog.messages
        assert re.fullmatch("program: /bin/sh has ended .*; it is started anew; trying again until it works", first)
        assert "program: writing again" == last

    def test_each_end_with_something_unread_is_a_failure(self):
        sink = Program(ProgramConfig(("/bin/sleep", "600")))
        sink.write(make_alert())
        for _ in range(2):
            sink._child.kill()
            sink._child.wait()
            with pytest.raises(
                SinkError, match="sleep has ended by signal 9 and left 1 alert unread; it is started anew"
            ):
                sink.resume()
            until(lambda: resumed(sink))

        with pytest.raises(UnreadError):
            sink.close()

    def test_and_once_if_it_never_is(self, start, reader, telemetry, tmp_path):
        worker = start(reader("exec sleep 600"))
        for _ in range(5):
            worker.put(make_alert())
        counts = telemetry.sinks["program"]
        (tmp_path / "gate").touch()
        until(lambda: counts.written == 2)

        assert (3, 2, 3) == (end(worker), counts.written, counts.dropped)

    def test_nor_is_it_forgotten_when_the_program_takes_longer_to_end_than_it_may(self, start, reader, telemetry):
        worker = start(reader("exec sleep 600"))
        for _ in range(5):
            worker.put(make_alert())
        until(lambda: not telemetry.queues["program"].depth())

        assert (5, 5) == (end(worker, after_s=0.05), telemetry.sinks["program"].dropped)


class TestEnd:
    def test_what_a_dead_sink_did_not_take_is_dropped_and_said(self, start, telemetry, tmp_path):
        (tmp_path / "log").symlink_to("/dev/full")
        worker = start(AlertLog(tmp_path / "log"))
        for _ in range(5):
            worker.put(make_alert())

        assert (5, 5) == (end(worker, after_s=0.05), telemetry.sinks["alert_log"].dropped)

    def test_a_sink_that_hangs_does_not_hold_up_the_end(self, start, telemetry, stuck):
        """What it has counts as dropped, and as nothing else when it hangs no longer."""
        reader, writer = stuck
        worker = start(Console(writer))
        worker.put(make_alert())
        worker.put(make_alert())
        counts = telemetry.sinks["console"]

        assert (2, 2) == (end(worker, after_s=0.05), counts.dropped)
        os.read(reader, 65536)
        until(lambda: not worker._thread.is_alive())
        assert (0, 2) == (counts.written, counts.dropped)

    def test_it_ends_a_long_wait(self, telemetry, tmp_path):
        path = tmp_path / "log"
        path.symlink_to("/dev/full")
        worker = SinkWorker(
            AlertLog(path), Backlog(10, lambda alert: alert), telemetry, first_retry_s=600, longest_retry_s=600
        )
        worker.start()
        worker.put(make_alert(rule="a"))
        until(lambda: telemetry.sinks["alert_log"].failed)
        path.unlink()
        end(worker)

        assert ["a"] == rules(path)


class TestHeir:
    """What a reload does with an output whose configuration has changed."""

    @staticmethod
    def replace(old: SinkWorker, new: SinkWorker, *meanwhile: str, after_s: float = PATIENCE_S) -> int:
        new.hold()
        for rule in meanwhile:
            new.put(make_alert(rule=rule))
        old.finish(time.monotonic() + after_s, new)
        return old.join()

    @pytest.fixture
    def full(self, tmp_path):
        """A log that takes nothing."""
        (tmp_path / "full").symlink_to("/dev/full")
        return AlertLog(tmp_path / "full")

    def test_it_writes_what_was_left_first(self, start, telemetry, full, tmp_path):
        old = start(full)
        for rule in "abc":
            old.put(make_alert(rule=rule))
        until(lambda: telemetry.sinks["alert_log"].failed)
        new = start(AlertLog(tmp_path / "log"))

        assert 0 == self.replace(old, new, "d", "e")
        new.put(make_alert(rule="f"))
        end(new)
        assert list("abcdef") == rules(tmp_path / "log")
        counts = telemetry.sinks["alert_log"]
        assert (6, 0, 0) == (counts.written, counts.dropped, counts.resent)

    def test_a_broken_output_is_not_tried_any_longer_for_it(self, telemetry, start, full, tmp_path):
        old = SinkWorker(
            full, Backlog(10, lambda alert: alert), telemetry, first_retry_s=PATIENCE_S, longest_retry_s=PATIENCE_S
        )
        old.start()
        old.put(make_alert(rule="a"))
        until(lambda: telemetry.sinks["alert_log"].failed)
        self.replace(old, start(AlertLog(tmp_path / "log")))

        assert telemetry.sinks["alert_log"].failed <= 2, "it has tried more than once at the end"

    def test_a_working_one_writes_what_it_has_before(self, start, tmp_path):
        old, new = start(AlertLog(tmp_path / "old")), start(AlertLog(tmp_path / "new"))
        old.put(make_alert(rule="a"))
        self.replace(old, new, "b")
        end(new)

        assert ["a"] == rules(tmp_path / "old")
        assert ["b"] == rules(tmp_path / "new")

    def test_what_comes_to_the_old_one_too_late_is_the_heirs(self, start, tmp_path):
        old, new = start(AlertLog(tmp_path / "old")), start(AlertLog(tmp_path / "new"))
        self.replace(old, new)
        old.put(make_alert(rule="a"))
        end(new)

        assert ["a"] == rules(tmp_path / "new")

    def test_what_the_old_one_hangs_in_is_written_again_and_counted(self, start, telemetry, stuck):
        _, writer = stuck
        old = start(Console(writer))
        old.put(make_alert(rule="a"))
        until(lambda: old._backlog.unsure)
        old.put(make_alert(rule="b"))
        reader, free = os.pipe()
        new = start(Console(free))
        self.replace(old, new, after_s=0.05)
        end(new)

        lines = os.read(reader, 65536).decode().splitlines()
        counts = telemetry.sinks["console"]
        assert 2 == len(lines)
        assert (2, 0, 1) == (counts.written, counts.dropped, counts.resent)

    def test_what_it_has_no_room_for_is_dropped_and_counted(self, start, telemetry, full, tmp_path):
        old = start(full)
        for rule in "abc":
            old.put(make_alert(rule=rule))
        until(lambda: telemetry.sinks["alert_log"].failed)
        (tmp_path / "also_full").symlink_to("/dev/full")
        self.replace(old, start(AlertLog(tmp_path / "also_full"), queue_alerts=2), "d", "e", "f")

        assert 4 == telemetry.sinks["alert_log"].dropped


class TestPauses:
    def test_they_grow_and_are_never_the_same(self, telemetry):
        attempts = []

        class Broken(OddSink):
            def write(self, alert: Alert) -> None:
                attempts.append(time.monotonic())
                raise SinkError("broken")

        backlog = Backlog(1, lambda alert: alert)
        worker = SinkWorker(Broken(), backlog, telemetry, first_retry_s=0.02, longest_retry_s=0.16)
        worker.start()
        worker.put(make_alert())
        until(lambda: len(attempts) >= 9)
        worker.finish(time.monotonic())
        worker.join()
        pauses = [later - earlier for earlier, later in itertools.pairwise(attempts)]

        assert all(
            pause >= expected / 2 for pause, expected in zip(pauses, (0.02, 0.04, 0.08, *[0.16] * 5), strict=False)
        )
        assert len({round(pause, 3) for pause in pauses[3:8]}) > 1

    def test_one_that_the_other_side_wants_is_kept(self, telemetry):
        """Whatever comes meanwhile; and not beyond the next failure that wants none."""
        attempts = []

        class Busy(OddSink):
            def write(self, alert: Alert) -> None:
                attempts.append(time.monotonic())
                raise BusyError(0.3, "busy") if len(attempts) == 1 else SinkError("broken")

        worker = SinkWorker(
            Busy(), Backlog(2, lambda alert: alert), telemetry, first_retry_s=0.001, longest_retry_s=0.001
        )
        worker.start()
        worker.put(make_alert())
        until(lambda: attempts)
        worker.put(make_alert())
        until(lambda: len(attempts) >= 8)
        worker.finish(time.monotonic())
        worker.join()

        assert attempts[1] - attempts[0] >= 0.3
        assert min(later - earlier for earlier, later in itertools.pairwise(attempts[1:])) < 0.3


class TestQueues:
    def test_that_of_an_output_that_ended_is_not_shown(self, start, telemetry):
        worker = start(OddSink())
        assert "odd" in telemetry.queues
        end(worker)

        assert "odd" not in telemetry.queues

    def test_but_that_of_the_one_in_its_place_is(self, start, telemetry):
        old = start(OddSink(), queue_alerts=3)
        start(OddSink(), queue_alerts=5)
        end(old)

        assert 5 == telemetry.queues["odd"].capacity
