"""A webhook with its worker and its spool: what arrives, and how often, when the server, the disk or we die."""

import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter

import pytest

from monitord.config.outputs import WebhookConfig
from monitord.sinks.alert_log import AlertLog
from monitord.sinks.backlog import Backlog, SpoolBacklog
from monitord.sinks.format import json_line
from monitord.sinks.webhook import Webhook
from monitord.sinks.worker import SinkWorker
from monitord.telemetry import Telemetry
from tests.support.alerts import make_alert
from tests.support.daemon import PATIENCE_S, until
from tests.support.receiver import Receiver, receiving, status

MIB = 1 << 20
ONE_LINE = len(json_line(make_alert(rule="0")))


@pytest.fixture
def telemetry():
    return Telemetry()


@pytest.fixture
def counts(telemetry):
    return telemetry.register_sink("webhook")


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def start(telemetry, tmp_path):
    """Starts workers that try again quickly, and ends them."""
    workers = []

    def start(
        port: int, queue: int = 1000, spool: bool = True, limit: int = MIB, retry_s: float = 0.01, **config
    ) -> SinkWorker:
        backlog = Backlog(queue, json_line)
        if spool:
            backlog = SpoolBacklog(queue, json_line, tmp_path / "spool", limit, "webhook")
        webhook = Webhook(WebhookConfig(url=f"http://127.0.0.1:{port}/", **config))
        worker = SinkWorker(webhook, backlog, telemetry, first_retry_s=retry_s, longest_retry_s=5 * retry_s)
        worker.start()
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        end(worker, 0)


def end(worker: SinkWorker, after_s: float = PATIENCE_S) -> int:
    worker.finish(time.monotonic() + after_s)
    return worker.join()


def put(worker: SinkWorker, *rules: object) -> None:
    for rule in rules:
        worker.put(make_alert(rule=str(rule)))


def rules_of(receiver: Receiver) -> list[str]:
    return [json.loads(request.body)["rule"] for request in receiver.requests]


def dead_port() -> int:
    with receiving() as receiver:
        return receiver.port


@pytest.mark.parametrize("spool", [True, False])
class TestDelivery:
    def test_all_arrive_in_order_once_each(self, start, receiver, counts, spool):
        worker = start(receiver.port, spool=spool)
        put(worker, *range(500))
        end(worker)

        assert [str(number) for number in range(500)] == rules_of(receiver)
        assert (500, 0, 0, 0) == (counts.written, counts.failed, counts.dropped, counts.resent)

    def test_a_server_that_comes_back_gets_what_waited(self, start, counts, spool):
        port = dead_port()
        worker = start(port, spool=spool)
        put(worker, *range(5))
        until(lambda: counts.failed > 3)
        with receiving(port=port) as receiver:
            put(worker, 5)
            receiver.wait_for(6)

        assert [str(number) for number in range(6)] == rules_of(receiver)
        assert (0, 0) == (counts.dropped, counts.resent)

    def test_what_is_refused_is_given_up_and_the_next_one_goes(self, start, receiver, counts, spool, caplog):
        receiver.answer = lambda handler, number: status(400 if number in (1, 2) else 204)(handler, number)
        worker = start(receiver.port, spool=spool)
        put(worker, *"abcd")
        end(worker)

        assert list("abcd") == rules_of(receiver)
        assert (2, 2, 2) == (counts.written, counts.failed, counts.dropped)
        assert 1 == len(caplog.messages)

    def test_what_was_not_answered_is_sent_again_and_counted(self, start, receiver, counts, spool):
        given_up = threading.Event()

        def answer(handler, number):
            if number == 0:
                given_up.wait(PATIENCE_S)
            else:
                status(204)(handler, number)

        receiver.answer = answer
        worker = start(receiver.port, spool=spool, timeout_s=3)
        put(worker, "a", "b")
        receiver.wait_for(3)
        given_up.set()
        end(worker)

        assert ["a", "a", "b"] == rules_of(receiver)
        assert 1 == counts.resent
        assert 1 == len({request.headers["Idempotency-Key"] for request in receiver.requests[:2]})


class TestTrouble:
    def test_it_is_one_line_and_one_when_it_is_over(self, start, counts, caplog):
        caplog.set_level(logging.WARNING)
        port = dead_port()
        worker = start(port)
        put(worker, *range(5))
        until(lambda: counts.failed > 5)
        with receiving(port=port) as receiver:
            receiver.wait_for(5)
            end(worker)

        assert [
            f"webhook: http://127.0.0.1:{port}: connection refused; trying again until it works",
            "webhook: writing again",
        ] == caplog.messages

    def test_a_server_that_hangs_delays_no_other_output(self, start, receiver, counts, telemetry, tmp_path):
        receiver.answer = lambda handler, number: time.sleep(PATIENCE_S)
        hanging = start(receiver.port, timeout_s=PATIENCE_S)
        log = SinkWorker(AlertLog(tmp_path / "log"), Backlog(100, lambda alert: alert), telemetry)
        log.start()
        for _ in range(100):
            put(hanging, "a")
            put(log, "a")
        end(log)

        assert 100 == len((tmp_path / "log").read_text().splitlines())
        assert (0, 0) == (counts.written, counts.failed), "the server hangs no more"

    def test_a_full_spool_leaves_the_queue_and_then_drops(self, start, counts, telemetry):
        worker = start(dead_port(), queue=10, limit=8192)
        spool, sent = telemetry.queues["webhook_spool"], 0

        def full() -> bool:
            """Whether one more is dropped while some are on disk."""
            nonlocal sent
            on_disk, before = spool.depth(), counts.dropped
            worker.put(make_alert(rule=str(sent), output="x" * 1000))
            sent += 1
            return on_disk > 0 and counts.dropped > before

        until(full)

        assert 10 < sent - counts.dropped < 20

    def test_what_surely_did_not_arrive_from_memory_is_not_counted_as_sent_again(self, start, counts):
        worker = start(dead_port(), limit=ONE_LINE // 2)
        put(worker, "a")
        until(lambda: counts.failed >= 3)

        assert 0 == counts.resent

    def test_a_spool_that_cannot_be_made_is_named(self, start, tmp_path):
        (tmp_path / "spool").write_text("a file")
        with pytest.raises(Exception, match=r"cannot use .*/spool as spool: file exists; let uid 0 write there, or"):
            start(1)


class TestRestart:
    def test_a_stop_keeps_what_a_dead_server_did_not_take(self, start, counts, caplog):
        caplog.set_level(logging.WARNING)
        port = dead_port()
        worker = start(port, retry_s=600)
        put(worker, *range(5))
        until(lambda: counts.failed)
        worker.finish(time.monotonic() + 1e6)
        until(lambda: not worker._thread.is_alive())

        assert 0 == worker.join()
        assert 0 == counts.dropped
        assert counts.failed <= 2, "it has tried more than once at the end"
        assert "5 alerts kept in" in caplog.text
        with receiving(port=port) as receiver:
            start(port)
            receiver.wait_for(5)
        assert [str(number) for number in range(5)] == rules_of(receiver)

    def test_one_that_replaces_another_waits_for_its_spool(self, start, telemetry):
        """As at a reload: the new one is there before the old one ends."""
        port = dead_port()
        old = start(port)
        put(old, *range(5))
        until(lambda: telemetry.sinks["webhook"].failed)
        with receiving() as receiver:
            new = start(receiver.port)
            put(new, 5)
            end(old)
            put(new, 6)
            receiver.wait_for(7)
            end(new)

        assert {str(number) for number in range(7)} == set(rules_of(receiver))
        assert 7 == len(receiver.requests)

    def test_it_gets_what_the_disk_did_not_take(self, start, counts):
        old = start(dead_port(), limit=ONE_LINE // 2)
        put(old, *range(5))
        until(lambda: counts.failed)
        with receiving() as receiver:
            new = start(receiver.port)
            new.hold()
            put(new, 5)
            old.finish(time.monotonic() + PATIENCE_S, new)
            old.join()
            receiver.wait_for(6)
            end(new)

        assert [str(number) for number in range(6)] == rules_of(receiver)
        assert (6, 0, 0) == (counts.written, counts.dropped, counts.resent)

    def test_without_a_spool_they_are_dropped_and_counted(self, start, counts):
        worker = start(dead_port(), spool=False)
        put(worker, *range(5))
        until(lambda: counts.failed)

        assert (5, 5) == (end(worker, 0.05), counts.dropped)


CHILD = """
    import sys, threading
    from pathlib import Path
    from monitord.config.outputs import WebhookConfig
    from monitord.sinks.backlog import SpoolBacklog
    from monitord.sinks.format import json_line
    from monitord.sinks.webhook import Webhook
    from monitord.sinks.worker import SinkWorker
    from monitord.telemetry import Telemetry
    from tests.support.alerts import make_alert

    url, directory = sys.argv[1:3]
    telemetry = Telemetry()
    backlog = SpoolBacklog(10000, json_line, Path(directory), 1 << 24, "webhook")
    worker = SinkWorker(Webhook(WebhookConfig(url=url)), backlog, telemetry, first_retry_s=0.01, longest_retry_s=0.05)
    worker.start()
    print("started", flush=True)
    for line in sys.stdin:
        if line == "counts\\n":
            print(telemetry.sinks["webhook"].resent, len(backlog), flush=True)
            continue
        worker.put(make_alert(rule=line.strip()))
        while backlog.in_memory():
            pass
        print(line.strip(), telemetry.sinks["webhook"].resent, flush=True)  # it is on disk, or was sent
"""


class Child:
    """A process that delivers, told what by lines."""

    def __init__(self, port: int, directory) -> None:
        argv = [sys.executable, "-c", textwrap.dedent(CHILD), f"http://127.0.0.1:{port}/", str(directory)]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert "started\n" == self.process.stdout.readline()

    def ask(self, line: object) -> str:
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def resent(self) -> int:
        """How many were sent again, once nothing waits."""
        while True:
            resent, waiting = self.ask("counts").split()
            if waiting == "0":
                return int(resent)
            time.sleep(0.02)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class TestKill:
    def test_between_the_spool_and_the_server_nothing_is_lost_or_doubled(self, tmp_path):
        port = dead_port()
        child = Child(port, tmp_path)
        for number in range(5):
            child.ask(number)
        child.kill()
        with receiving(port=port) as receiver:
            child = Child(port, tmp_path)
            receiver.wait_for(5)
            resent = child.resent()
            child.kill()

        assert [str(number) for number in range(5)] == rules_of(receiver)
        assert resent <= 1  # killed between the mark and the refusal: then it may have been sent, for all it knew

    def test_before_the_answer_one_is_doubled_and_counted(self, tmp_path):
        asked = threading.Event()

        def silent(handler, number):
            asked.set()
            time.sleep(PATIENCE_S)

        with receiving() as receiver:
            receiver.answer = silent
            child = Child(receiver.port, tmp_path)
            for number in range(5):
                child.ask(number)
            assert asked.wait(PATIENCE_S)
            child.kill()
            receiver.answer = None
            child = Child(receiver.port, tmp_path)
            receiver.wait_for(6)
            resent = child.resent()
            child.kill()

        assert ["0", "0", "1", "2", "3", "4"] == rules_of(receiver)
        assert 1 == resent

    def test_again_and_again_at_any_moment(self, tmp_path):
        """Twelve lives: all that were on disk arrive, and all that arrive twice are counted."""
        on_disk, resent, silent = [], 0, 0
        with receiving() as receiver:
            for life in range(12):
                child = Child(receiver.port, tmp_path)
                killer = threading.Timer(0.017 * life, child.kill)
                counted = None
                for number in range(100000):
                    if number == 5:
                        killer.start()
                    try:
                        answer = child.ask(f"{life}-{number}").split()
                    except BrokenPipeError:
                        break
                    if len(answer) < 2:
                        break
                    on_disk.append(answer[0])
                    counted = int(answer[1])
                killer.join()
                resent += counted or 0
                silent += counted is None
            child = Child(receiver.port, tmp_path)
            resent += child.resent()
            child.kill()
        arrived = Counter(rules_of(receiver))

        assert len(on_disk) >= 12 * 5
        assert set() == set(on_disk) - set(arrived)
        assert sum(times - 1 for times in arrived.values()) <= resent + silent


@pytest.mark.parametrize("full_at_the_start", [True, False])
def test_a_full_disk_does_not_keep_alerts_from_a_server_that_works(tmp_path, full_at_the_start):
    """The spool is on a tmpfs of four pages, which is full: they go from memory; and to the disk when it has room."""
    script = f"""
        import time
        from pathlib import Path
        from monitord.config.outputs import WebhookConfig
        from monitord.sinks.backlog import SpoolBacklog
        from monitord.sinks.format import json_line
        from monitord.sinks.webhook import Webhook
        from monitord.sinks.worker import SinkWorker
        from monitord.telemetry import Telemetry
        from tests.support.alerts import make_alert
        from tests.support.daemon import until
        from tests.support.receiver import receiving, status
        disk, telemetry = Path({str(tmp_path)!r}), Telemetry()

        with receiving() as receiver:
            def open_backlog():
                return SpoolBacklog(10, json_line, disk / "spool", 1 << 20, "webhook")

            backlog = None if {full_at_the_start} else open_backlog()
            (disk / "filler").touch()
            with (disk / "filler").open("ab", buffering=0) as filler:
                try:
                    while True:
                        filler.write(bytes(512))
                except OSError:
                    pass
            if backlog is None:
                backlog = open_backlog()
            webhook = Webhook(WebhookConfig(url=f"http://127.0.0.1:{{receiver.port}}/"))
            worker = SinkWorker(webhook, backlog, telemetry, first_retry_s=0.01, longest_retry_s=0.02)
            worker.start()
            for number in range(30):
                worker.put(make_alert(rule=str(number), output="x" * 1000))
                until(lambda: backlog.in_memory() < 10)
            until(lambda: not len(backlog))
            print("direct", [str(n) for n in range(30)] == [r.body.split(b'"')[7].decode() for r in receiver.requests])
            receiver.answer = status(503)
            for number in range(20):
                worker.put(make_alert(rule=str(number), output="x" * 1000))
            until(lambda: telemetry.sinks["webhook"].failed)
            print("waiting", backlog.in_memory(), "dropped", telemetry.sinks["webhook"].dropped)
            (disk / "filler").unlink()
            until(lambda: backlog.in_memory() == 0)
            print("on disk", len(backlog))
            worker.finish(time.monotonic())
            print("lost", worker.join())
    """
    mount = f'mount -t tmpfs -o size=32k none {tmp_path} && exec {sys.executable} -c "$0"'
    command = ["unshare", "-m", "sh", "-c", mount, textwrap.dedent(script)]
    environ = {**os.environ, "PYTHONPATH": os.getcwd()}
    out = subprocess.run(command, capture_output=True, text=True, env=environ)

    assert ["direct True", "waiting 10 dropped 10", "on disk 10", "lost 0"] == out.stdout.splitlines(), out
