"""`serve` in a process of its own, with a pipeline that tells what it is asked. Arguments: what shall go wrong."""

import sys
import time
from pathlib import Path

from monitord.model.heartbeat import Heartbeat
from monitord.model.problem import Problem
from monitord.service.daemon import serve
from monitord.service.log import start_logging
from monitord.service.notify import notifier
from monitord.service.signals import SignalQueue
from monitord.telemetry import Telemetry

telemetry = Telemetry()


def tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Pipeline:
    heartbeats = (Heartbeat("reader", lambda: 0.0), Heartbeat("worker", lambda: 0.0))
    failed = None

    def start(self) -> None:
        tell("start")
        if "broken" in sys.argv:
            self.failed = "the ring of CPU 1 is gone"

    def stop(self, deadline_s: float) -> None:
        tell(f"stop within {deadline_s:g} s")
        if "slow" in sys.argv:
            time.sleep(600)

    def reopen(self) -> None:
        tell("reopen")


def reload() -> list[Problem]:
    tell("reload")
    if "long" in sys.argv:
        time.sleep(3)
    wrong = Problem("rules.yaml", 3, 5, "R004", "unknown field")
    unused = Problem("rules.yaml", 7, 1, "R030", "macro is not used", warning=True)
    return [wrong, unused] if "wrong" in sys.argv else [unused]


def changed() -> list[Path]:
    """Once, if it is asked for."""
    if "changed" not in sys.argv:
        return []
    sys.argv.remove("changed")
    return [Path("a.yaml"), Path("b.yaml")]


if __name__ == "__main__":
    start_logging(sys.stderr)
    with SignalQueue() as signals:
        code = serve(Pipeline(), reload, changed, lambda: None, signals, notifier(), telemetry)
    tell(f"reload ok: {telemetry.reload_ok}")
    sys.exit(code)
