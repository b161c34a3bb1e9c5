"""The watchdog is fed by progress, not by time."""

import itertools
import os
import time

import pytest

from monitord.model.heartbeat import Heartbeat
from monitord.service.watchdog import Watchdog, watchdog_period_s
from tests.support.daemon import PATIENCE_S, until
from tests.support.threads import no_threads

PERIOD_S = 10.0


class Service:
    """A reader and a worker under a watchdog of 10 seconds, on a clock of the test's own."""

    def __init__(self, period_s=PERIOD_S):
        self.now_s = 100.0
        self.told = []
        self.reader, self.worker = (Heartbeat(name, self.clock) for name in ("reader", "worker"))
        self.watchdog = Watchdog([self.reader, self.worker], self.told.append, period_s, self.clock)

    def clock(self):
        return self.now_s

    def run(self, seconds, *alive):
        for _ in range(seconds):
            for heart in alive:
                heart.beat()
            self.watchdog.turn()
            self.now_s += 1


class TestWatchdog:
    def test_is_fed_at_once(self):
        service = Service()
        service.watchdog.turn()

        assert ["WATCHDOG=1"] == service.told

    def test_is_fed_twice_per_period_while_both_threads_turn(self):
        service = Service()
        service.run(20, service.reader, service.worker)

        assert ["WATCHDOG=1"] * 4 == service.told

    @pytest.mark.parametrize("alive", ["reader", "worker"])
    def test_starves_when_one_thread_hangs(self, alive):
        service = Service()
        service.run(5)
        service.told.clear()
        service.run(20, getattr(service, alive))

        assert [] == service.told

    def test_hanging_thread_is_named_once(self, caplog):
        service = Service()
        service.run(20, service.reader)

        assert ["no progress for 5 s: worker; the watchdog is not fed"] == caplog.messages

    def test_is_fed_again_after_a_pause(self, caplog):
        service = Service()
        service.run(7, service.reader)
        service.told.clear()
        service.run(1, service.reader, service.worker)

        assert ["WATCHDOG=1"] == service.told
        assert "progress again: worker" == caplog.messages[-1]

    def test_nobody_watching_is_told_nothing(self):
        service = Service(period_s=None)
        service.run(20, service.reader, service.worker)

        assert [] == service.told


class TestTurning:
    """On the real clock, a period of 0.8 s."""

    def told_in(self, seconds, limit_s, *, alive=True):
        told = []
        heart = Heartbeat("reader", lambda: 0.0) if alive else Heartbeat("reader", iter((0.0, *[99.0] * 999)).__next__)
        with Watchdog([heart], told.append, 0.8).turning(limit_s):
            time.sleep(seconds)
        return told

    def test_feeds_twice_per_period_while_something_takes_long(self):
        read_s, fed_s = [], []

        def clock():
            read_s.append(time.monotonic())
            return read_s[-1]

        def pauses():
            return [after - before for before, after in itertools.pairwise(fed_s)]

        watchdog = Watchdog([Heartbeat("reader", lambda: 0.0)], lambda state: fed_s.append(read_s[-1]), 0.8, clock)
        with watchdog.turning(PATIENCE_S):
            until(lambda: sum(pause < 0.8 for pause in pauses()) >= 3)

        assert min(pauses()) >= 0.4

    def test_without_a_thread_for_it_the_long_thing_is_done_unfed(self, caplog):
        with no_threads():
            assert [] == self.told_in(0.1, 60)

        (message,) = caplog.messages
        assert message.startswith("can't start new thread: the watchdog is not fed")

    def test_starves_after_the_limit(self):
        assert ["WATCHDOG=1"] == self.told_in(1.0, 0.35)

    def test_starves_when_a_thread_hangs(self):
        assert [] == self.told_in(0.5, 60, alive=False)


class TestPeriod:
    @pytest.mark.parametrize(
        ("period_s", "environ"),
        [
            (30.0, {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}),
            (0.5, {"WATCHDOG_USEC": "500000"}),
            (None, {}),
            (None, {"WATCHDOG_USEC": "0"}),
            (None, {"WATCHDOG_USEC": "soon"}),
            (None, {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}),  # meant for a parent
        ],
    )
    def test_period_is_what_the_environment_says(self, period_s, environ):
        assert period_s == watchdog_period_s(environ)
