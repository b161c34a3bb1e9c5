"""Event times become times of the wall clock."""

import time

from monitord.enrich.clock import STEP_NS, WallClock


class Clocks:
    def __init__(self):
        self.wall_ns = 1_700_000_000_000_000_000
        self.boot_ns = 5_000_000_000
        self.clock = WallClock(lambda: self.wall_ns, lambda: self.boot_ns)


class TestWallClock:
    def test_boot_time_becomes_wall_time(self):
        clocks = Clocks()

        assert clocks.wall_ns - 3 == clocks.clock.wall(clocks.boot_ns - 3)

    def test_step_of_the_wall_clock_is_followed(self):
        clocks = Clocks()
        clocks.wall_ns -= 3_600_000_000_000

        assert clocks.wall_ns == clocks.clock.wall(clocks.boot_ns)

    def test_log_tells_of_a_step_once(self, caplog):
        clocks = Clocks()
        clocks.wall_ns += 90_500_000_000
        clocks.clock.wall(clocks.boot_ns)
        clocks.clock.wall(clocks.boot_ns)

        (said,) = caplog.messages
        assert said.startswith("the clock of this machine was set forward by 90.5 s: ")

    def test_one_event_keeps_its_time_while_the_clocks_are_read_unevenly(self):
        clocks = Clocks()
        first = clocks.clock.wall(7)
        clocks.wall_ns += STEP_NS // 2

        assert first == clocks.clock.wall(7)

    def test_thread_stopped_between_the_reads_is_no_step(self):
        """The offset looks wrong by half the time between the reads, at most."""
        boot_ns = iter([0, 0, 100, 100 + 10 * STEP_NS])
        clock = WallClock(lambda: 1_000, lambda: next(boot_ns))

        assert 1_007 == clock.wall(7)

    def test_real_clocks_agree_with_time(self):
        now = WallClock().wall(time.clock_gettime_ns(time.CLOCK_BOOTTIME))

        assert abs(time.time_ns() - now) < 60_000_000_000
