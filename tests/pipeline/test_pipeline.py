import threading
import time
from collections import deque

import pytest

from monitord.abi.arch import Abi
from monitord.model.batch import RawBatch
from monitord.model.interest import Interest, Outcome
from monitord.model.loss import Stage
from monitord.pipeline import pipeline as module
from monitord.pipeline.pipeline import Pipeline
from monitord.sinks.alert_log import AlertLog
from monitord.sinks.backlog import Backlog
from monitord.sinks.worker import SinkWorker
from monitord.telemetry import Telemetry
from tests.support.alerts import make_alert
from tests.support.cells import event_cells
from tests.support.daemon import PATIENCE_S, until


def wants(nr):
    return Interest({(Abi.X86_64, nr): Outcome.ANY})


class FakeSource:
    """
    `monitord.stages.Source` with one ring that tests fill.

    :ivar installed: every interest, in order.
    """

    def __init__(self):
        self.ring = deque()
        self.installed = []
        self.quiet = False

    def start(self):
        pass

    def install(self, interest):
        self.installed.append(set(interest.calls))

    def drain(self, timeout_s):
        if not self.ring:
            time.sleep(min(timeout_s, 0.001))
            return []
        return [RawBatch(0, b"".join(self.ring.popleft() for _ in range(len(self.ring))))]

    def quiesce(self):
        self.quiet = True


class FakeEnricher:
    def interest(self):
        return wants(59)

    def seed(self):
        pass

    def observe(self, batch):
        pass

    def lost(self):
        pass

    def origins(self, batch):
        return [(("host", "x.service"), len(batch))] if len(batch) else []


class NamingDetector:
    """Makes an alert of every event: the detector's name and the event's number."""

    def __init__(self, name="x", nr=2):
        self._name = name
        self._nr = nr

    def interest(self):
        return wants(self._nr)

    def succeed(self, previous):
        self._name = f"{previous._name}-{self._name}"
        return previous.flush()

    def due(self, now_ns):
        return []

    def flush(self):
        return []

    def judge(self, batch, lost):
        return [make_alert(rule=f"{self._name}{seq}", lost_before=lost) for seq in batch.records["seq"].tolist()]


class HoldingDetector(NamingDetector):
    """Holds its alerts back until it is asked."""

    def __init__(self):
        super().__init__()
        self.held = []
        self.asked_ns = []

    def judge(self, batch, lost):
        self.held += super().judge(batch, lost)
        return []

    def due(self, now_ns):
        self.asked_ns.append(now_ns)
        return [self.held.pop(0)] if self.held and self.held[0].rule == "x1" else []

    def flush(self):
        return self.held


class FailingDetector(NamingDetector):
    """Fails on odd events, as a rule with a bug does."""

    def __init__(self, telemetry):
        super().__init__()
        self._telemetry = telemetry

    def judge(self, batch, lost):
        self._telemetry.lost[Stage.RULES] += int((batch.records["seq"] % 2).sum())
        return []


class HangingDetector(NamingDetector):
    def judge(self, batch, lost):
        threading.Event().wait(60)
        return []


class BrokenDetector(NamingDetector):
    def judge(self, batch, lost):
        raise ZeroDivisionError("a bug of ours")


@pytest.fixture
def source():
    return FakeSource()


@pytest.fixture
def telemetry():
    return Telemetry()


@pytest.fixture
def started(tmp_path, source, telemetry):
    """Starts pipelines with an alert log, and stops them."""
    running = []

    def start(detector, log="log"):
        pipeline = Pipeline(source, FakeEnricher(), detector, [sink_to(tmp_path / log, telemetry)], telemetry)
        running.append(pipeline)
        pipeline.start()
        return pipeline

    yield start
    for pipeline in running:
        if not pipeline.stopped:
            pipeline.stop(0.1)


def sink_to(path, telemetry):
    return SinkWorker(AlertLog(path), Backlog(4096, lambda alert: alert), telemetry)


def alerts_in(path):
    return [line.split('"rule":"')[1].split('"')[0] for line in path.read_text().splitlines()]


class TestStart:
    def test_asks_for_what_enricher_and_rules_want(self, source, started):
        started(NamingDetector(nr=2))

        assert [{(Abi.X86_64, 59), (Abi.X86_64, 2)}] == source.installed

    def test_every_event_gets_to_the_sinks_in_its_order(self, tmp_path, source, started):
        pipeline = started(NamingDetector())
        source.ring.extend(event_cells(2 * n) + event_cells(2 * n + 1) for n in range(1, 32))
        pipeline.stop(PATIENCE_S)

        assert [f"x{seq}" for seq in range(2, 64)] == alerts_in(tmp_path / "log")

    def test_alerts_say_how_much_was_lost_before(self, tmp_path, source, started):
        pipeline = started(NamingDetector())
        source.ring.extend([event_cells(1), event_cells(9)])
        pipeline.stop(PATIENCE_S)

        assert '"lost_before":7,' in (tmp_path / "log").read_text().splitlines()[1]


class TestStop:
    def test_stops_the_kernel_side_first(self, source, started):
        started(NamingDetector()).stop(PATIENCE_S)

        assert source.quiet

    def test_judges_what_waits_in_the_ring(self, tmp_path, source, started):
        pipeline = started(NamingDetector())
        source.ring.append(event_cells(7))
        pipeline.stop(PATIENCE_S)

        assert ["x7"] == alerts_in(tmp_path / "log")

    def test_a_worker_that_hangs_does_not_keep_it(self, source, started):
        pipeline = started(HangingDetector())
        source.ring.append(event_cells(7))
        pipeline.stop(0.5)

        assert pipeline.stopped


class TestAlertsThatAreHeldBack:
    def test_are_asked_for_by_the_clock_of_the_events_though_none_comes(self, source, started):
        detector = HoldingDetector()
        started(detector)
        before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)

        until(lambda: len(detector.asked_ns) > 2)
        assert before < detector.asked_ns[2] < before + 10**10

    def test_go_out_when_they_are_due_and_all_others_at_the_end(self, tmp_path, source, started):
        pipeline = started(HoldingDetector())
        source.ring.append(event_cells(1) + event_cells(2))
        until(lambda: ["x1"] == alerts_in(tmp_path / "log"))
        pipeline.stop(PATIENCE_S)

        assert ["x1", "x2"] == alerts_in(tmp_path / "log")


class TestReplace:
    def test_the_kernel_delivers_for_both_until_the_new_one_judges(self, source, started):
        started(NamingDetector(nr=2)).replace(NamingDetector(nr=3))

        assert [
            {(Abi.X86_64, 59), (Abi.X86_64, 2)},
            {(Abi.X86_64, 59), (Abi.X86_64, 2), (Abi.X86_64, 3)},
            {(Abi.X86_64, 59), (Abi.X86_64, 3)},
        ] == source.installed

    def test_what_comes_then_is_judged_by_the_new_one_which_goes_on_where_the_old_one_was(
        self, tmp_path, source, started
    ):
        pipeline = started(NamingDetector("old"))
        pipeline.replace(NamingDetector("new"))
        source.ring.append(event_cells(7))
        pipeline.stop(PATIENCE_S)

        assert ["old-new7"] == alerts_in(tmp_path / "log")

    def test_new_sinks_get_what_comes_then_and_old_ones_what_came(self, tmp_path, source, telemetry, started):
        pipeline = started(NamingDetector(), "old")
        source.ring.append(event_cells(1))
        until(lambda: telemetry.judged == 1)
        new = sink_to(tmp_path / "new", telemetry)
        new.start()
        pipeline.replace_sinks([new], {}, lambda: False)
        source.ring.append(event_cells(2))
        pipeline.stop(PATIENCE_S)

        assert (["x1"], ["x2"]) == (alerts_in(tmp_path / "old"), alerts_in(tmp_path / "new"))


class TestCounts:
    def test_an_event_is_received_and_judged(self, source, telemetry, started):
        pipeline = started(NamingDetector())
        source.ring.append(event_cells(1) + event_cells(2) + event_cells(3))
        pipeline.stop(PATIENCE_S)

        assert (3, 3) == (telemetry.received, telemetry.judged)

    def test_what_the_rules_failed_on_is_lost_and_not_judged(self, source, telemetry, started):
        pipeline = started(FailingDetector(telemetry))
        source.ring.append(event_cells(1) + event_cells(2) + event_cells(3))
        pipeline.stop(PATIENCE_S)

        assert (3, 1, 2) == (telemetry.received, telemetry.judged, telemetry.lost[Stage.RULES])

    def test_what_does_not_fit_the_queue_is_lost_there(self, monkeypatch, source, telemetry, started):
        monkeypatch.setattr(module, "QUEUE_BYTES", 1)
        pipeline = started(HangingDetector())
        source.ring.append(event_cells(1))
        until(lambda: telemetry.received == 1)  # and the worker hangs
        source.ring.append(event_cells(2))
        until(lambda: telemetry.batches == 2)  # one drain always fits
        source.ring.append(event_cells(3) + event_cells(4) + event_cells(5))
        until(lambda: telemetry.lost[Stage.QUEUE] >= 3)
        pipeline.stop(0.2)

        assert 3 == telemetry.lost[Stage.QUEUE]


class TestFailure:
    def test_a_bug_in_the_worker_is_named(self, source, started):
        pipeline = started(BrokenDetector())
        source.ring.append(event_cells(1))

        assert "the worker failed: ZeroDivisionError('a bug of ours')" == until(lambda: pipeline.failed)
