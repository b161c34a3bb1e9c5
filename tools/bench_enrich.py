"""
What enrichment costs per delivered event, with the shipped rules, or with those of the files and directories given:
`python3 -m tools.bench_enrich [RULES...]` in the root of the repository, as root.

A script that forks, executes, opens, connects and moves files runs under the real kernel side. Its events go through
decoder, enricher and rules while it runs, as in the daemon, and all that the enricher does is timed: learning from
batches, counting by origin, and each answer that judging asks for. What an alert asks for is left out: that is per
alert. Afterwards the same records go the same way once more as fast as they can, as on a machine that is busy.
Then each answer is timed by itself.
"""

import contextlib
import gc
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, cast

from monitord.cli.run import _relieve_collector
from monitord.config.schema import BpfConfig, Scope, ScopeKind
from monitord.decode.decoder import Decoder
from monitord.detect.detector import RuleDetector
from monitord.enrich.context import ProcContext
from monitord.model.batch import EventBatch
from monitord.model.event import Event
from monitord.model.process import Context
from monitord.pipeline.handover import Drain, Handover
from monitord.pipeline.pipeline import QUEUE_BYTES, TURN_S
from monitord.rules.ruleset import RuleSet, load
from monitord.shipped import shipped
from monitord.sources.bpf.source import BpfSource
from monitord.telemetry import Telemetry
from tests.enrich.events import event_of, running
from tests.support.live import TABLE

TURNS = 150
"""Of the script: some 4 s."""

SCRIPT = r"""
read -r go
cd "$1"
for turn in $(seq "$2"); do
    cat /etc/hostname > "out$turn"
    (cd /usr/bin; ls . | head -n 1; grep -c root ../../etc/passwd) > /dev/null
    exec 3<> "/dev/tcp/127.0.0.1/$3"; echo hello >&3; read -r answer <&3; exec 3>&-
    mv "out$turn" kept; chmod 600 kept; ln -sf kept link; cat link | tr a-z A-Z | sort > sorted
    env A=b nice sh -c 'test -e sorted && rm -f sorted; id -u > /dev/null'
done
echo done
read -r end
"""

ROUNDS = 7

WAITING = 1000
"""Events of a batch, at least, when there is no pause between batches: 50,000 in a second."""

ANSWERS = (
    *("process", "ancestor", "path", "placement", "leader", "environment", "cgroups", "inspection"),
    *("user_name", "user_home", "user_shell", "group_name", "wall_ns", "syscall"),
)


class Timed:
    """
    A context whose answers are timed, without what it takes to read the clock.

    :ivar ns: by answer.
    :ivar asked: how often each was asked for.
    :ivar paused: while an alert is made.
    """

    def __init__(self, context: ProcContext, clock: Callable[[], int]) -> None:
        self._clock = clock
        self.ns: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.paused = False
        for name in ("observe", "origins", *ANSWERS):
            setattr(self, name, self._timed(name, getattr(context, name)))

    def _timed(self, name: str, answer: Callable[..., Any]) -> Callable[..., Any]:
        clock = self._clock

        def timed(*args: object) -> object:
            if self.paused:
                return answer(*args)
            before_ns = clock()
            given = answer(*args)
            after_ns = clock()
            self.ns[name] += after_ns - before_ns - (clock() - after_ns)
            self.asked[name] += 1
            return given

        return timed


@dataclass
class Cost:
    """
    What the events of one run cost.

    :ivar ns: of the enricher, by what was done.
    :ivar rules_ns: of the rules that asked.
    """

    events: int = 0
    calls: int = 0
    alerts: int = 0
    rules_ns: int = 0
    ns: Mapping[str, int] = field(default_factory=dict)
    asked: Mapping[str, int] = field(default_factory=dict)

    @property
    def us_per_event(self) -> float:
        """All that the enricher does."""
        return sum(self.ns.values()) / 1000 / self.events

    @property
    def rules_us_per_event(self) -> float:
        """Of all events, those that no rule is asked about included."""
        return self.rules_ns / 1000 / self.events


class Stage:
    """
    Enricher and rules, timed each.

    :param clock: nanoseconds.
    """

    def __init__(self, rules: RuleSet, root: int, clock: Callable[[], int]) -> None:
        self._clock = clock
        self.context = ProcContext(TABLE, root=root)
        self._timed = Timed(self.context, clock)
        self.detector = RuleDetector(rules, TABLE, cast(Context, self._timed), Telemetry(), "host")
        self._cost = Cost()
        make = self.detector._maker.alert

        def unmeasured(*args: Any, **kwargs: Any) -> Any:
            self._timed.paused = True
            try:
                return make(*args, **kwargs)
            finally:
                self._timed.paused = False

        self.detector._maker.alert = unmeasured  # type: ignore[method-assign]

    def judge(self, batch: EventBatch) -> None:
        """As `Pipeline` does."""
        self._timed.observe(batch)  # type: ignore[attr-defined]
        self._timed.origins(batch)  # type: ignore[attr-defined]
        begin_ns, answers_ns = self._clock(), self._timed.ns.total()
        calls = batch.calls
        self._cost.alerts += len(self.detector.judge(calls, 0))
        self._cost.rules_ns += self._clock() - begin_ns - (self._timed.ns.total() - answers_ns)
        self._cost.events += len(batch)
        self._cost.calls += len(calls)

    def cost(self) -> Cost:
        """So far."""
        return replace(self._cost, ns=dict(self._timed.ns), asked=dict(self._timed.asked))


@contextlib.contextmanager
def echo() -> Iterator[int]:
    """A server on loopback that sends back what it is sent; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):  # closed at the end
                while True:
                    peer, _ = server.accept()
                    with peer:
                        peer.sendall(peer.recv(100))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextlib.contextmanager
def relieved() -> Iterator[None]:
    """The collector of cycles as the daemon has it."""
    before = gc.get_threshold()
    _relieve_collector()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


@contextlib.contextmanager
def apart() -> Iterator[Callable[[], None]]:
    """This thread on one CPU, and whoever calls what is given on the others."""
    cpus = os.sched_getaffinity(0)
    others = cpus - {min(cpus)} or cpus
    os.sched_setaffinity(0, {min(cpus)})
    try:
        yield lambda: os.sched_setaffinity(0, others)
    finally:
        os.sched_setaffinity(0, cpus)


def waiting(drains: Iterable[tuple[Drain, int]], size: int) -> Iterator[Drain]:
    """
    Drains as the worker gets them that has fallen behind.

    :param drains: with the number of events in each.
    :param size: events that wait, at least, but for the last.
    """
    queue = Handover(1 << 30)
    events_waiting = 0
    for drain, events in drains:
        queue.put(drain)
        events_waiting += events
        if events_waiting >= size:
            yield queue.get(0) or ()
            events_waiting = 0
    yield queue.get(0) or ()


def read(source: BpfSource, queue: Handover, done: IO[bytes]) -> None:
    """As the reader of `Pipeline` does, until there is something to read of `done`."""
    while not select.select([done], [], [], 0)[0]:
        if drain := source.drain(TURN_S):
            queue.put(drain)
    queue.put(source.drain(0))
    queue.close()


def measure(rules: RuleSet, turns: int = TURNS, rounds: int = ROUNDS) -> tuple[Cost, Cost]:
    """What the events of the script cost while it runs, and what they cost as fast as they can."""
    with TemporaryDirectory(prefix="monitord-bench-") as work, echo() as port, apart() as move, relieved():
        argv = ["bash", "-c", SCRIPT, "bench", work, str(turns), str(port)]
        script = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=move)  # noqa: PLW1509 (no thread holds a lock that it takes)
        assert script.stdin
        assert script.stdout
        config = BpfConfig(latency=False, ring_pages=1024)
        source = BpfSource(TABLE, Scope(ScopeKind.PID, str(script.pid)), config)
        stage, decoder = Stage(rules, script.pid, time.thread_time_ns), Decoder()
        drains: list[tuple[Drain, int]] = []
        try:
            source.install(stage.detector.interest() | stage.context.interest())
            source.start()
            stage.context.seed()
            script.stdin.write(b"go\n")
            script.stdin.flush()
            queue = Handover(QUEUE_BYTES)
            reader = threading.Thread(target=read, args=(source, queue, script.stdout))
            reader.start()
            while (drain := queue.get(TURN_S)) is not None:
                batch = decoder.decode(drain)
                drains.append((drain, len(batch)))
                stage.judge(batch)
            reader.join()
            if decoder.missed:
                raise SystemExit(f"{decoder.missed} events were lost")
            source.close()
            again = []
            for _ in range(rounds):
                # The clock of the thread's CPU takes longer to read than most answers, and leaves the caches colder.
                faster, decoder = Stage(rules, script.pid, time.perf_counter_ns), Decoder()
                faster.context.seed()
                for drain in waiting(drains, WAITING):
                    faster.judge(decoder.decode(drain))
                again.append(faster.cost())
        finally:
            script.kill()
            script.communicate()
    return stage.cost(), sorted(again, key=lambda cost: cost.us_per_event)[rounds // 2]


ASKED: Mapping[str, Callable[[ProcContext, Event], object]] = {
    "process": lambda context, event: context.process(event),
    "parent": lambda context, event: context.ancestor(event, 1),
    "third ancestor": lambda context, event: context.ancestor(event, 3),
    "container and unit": lambda context, event: context.placement(event),
    "path, relative to the working directory": lambda context, event: context.path(event, -100, "a/../b"),
    "path, relative to a descriptor": lambda context, event: context.path(event, 0, "b"),
    "environment": lambda context, event: context.environment(event, 0),
    "leader of the session": lambda context, event: context.leader(event, event.pid),
    "name of the user": lambda context, event: context.user_name(event.uid),
}
"""Answers by themselves."""


def single(events: int = 500) -> dict[str, tuple[float, float]]:
    """Microseconds for each of `ASKED`, once for each event: of a process that lives, and of ones that have gone."""
    gc.collect()  # else it falls into the first answer
    now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    found = {}
    with running(["cat"]) as cat:
        living = [event_of(pid=cat.pid, ts_ns=now_ns) for _ in range(events)]
        of_one = {"start_ns": now_ns - 10**9, "ts_ns": now_ns, "comm": b"gone", "ppid": cat.pid}
        gone = [event_of(pid=2**22 - 1 - number, **of_one) for number in range(events)]
        for name, ask in ASKED.items():
            of_both = []
            for asked in (living, gone):
                context = ProcContext(TABLE, root=os.getpid())
                context.seed()
                before_ns = time.thread_time_ns()
                for event in asked:
                    ask(context, event)
                of_both.append((time.thread_time_ns() - before_ns) / events / 1000)
            found[name] = (of_both[0], of_both[1])
        assert cat.stdin
        cat.stdin.close()
    return found


def enrich_rows(paths: Sequence[Path]) -> dict[str, str]:
    """For `make bench`: what the events of the script cost with each of these rules, and each answer by itself."""
    rows = {}
    for path in paths:
        live, again = measure(load((path,), TABLE)[0])
        us = {name: ns / 1000 / again.events for name, ns in again.ns.items()}
        table, origins = us.pop("observe"), us.pop("origins")
        name = path.name if path.is_file() else "the shipped rules"
        rows[f"enrichment of {again.events:,} events of a shell script, {name}, without a pause"] = (
            f"{again.us_per_event:.2f} µs per event: process table {table:.2f}, counting by origin {origins:.2f}, "
            f"answers {sum(us.values()):.2f}; the rules that ask {again.rules_us_per_event:.2f}"
        )
        rows[f"... {name}, while the script runs, in batches of {live.events // live.asked['observe']}"] = (
            f"{live.us_per_event:.2f} µs per event; the rules that ask {live.rules_us_per_event:.2f}"
        )
    for name, (lives, gone) in single().items():
        rows[f"one answer, {name}"] = f"{lives:.1f} µs; of a process that has gone unseen, {gone:.1f} µs"
    return rows


def show(title: str, cost: Cost) -> None:
    """Print what it was spent on."""
    print(f"{title}: {cost.us_per_event:.2f} us per event, the rules that ask {cost.rules_us_per_event:.2f}")
    for name, ns in sorted(cost.ns.items(), key=lambda one: -one[1]):
        asked = cost.asked[name]
        print(f"{name:>12} {ns / 1000 / cost.events:6.2f} us per event; {asked:7,} times {ns / 1000 / asked:8.1f} us")


def main() -> int:
    """Print the tables."""
    paths = tuple(map(Path, sys.argv[1:])) or (shipped("config") / "rules",)
    live, again = measure(load(paths, TABLE)[0])
    print(f"{live.events:,} events delivered, {live.calls:,} of them calls, {live.alerts:,} alerts")
    show("while the script runs", live)
    show("as fast as they can", again)
    for name, (lives, gone) in single().items():
        print(f"{name}: {lives:.1f} us; of a process that has gone unseen {gone:.1f} us")
    return 0


if __name__ == "__main__":
    sys.exit(main())
