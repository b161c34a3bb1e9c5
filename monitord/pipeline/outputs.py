"""From the section ``outputs:`` to the workers that write."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from monitord.config.outputs import AlertmanagerConfig, OutputsConfig, WebhookConfig
from monitord.model.alert import Alert
from monitord.sinks.alert_log import AlertLog
from monitord.sinks.alertmanager import Alertmanager
from monitord.sinks.backlog import Backlog, SpoolBacklog
from monitord.sinks.console import Console
from monitord.sinks.encode import ENCODERS
from monitord.sinks.journald import Journald, available, is_journal
from monitord.sinks.program import Program
from monitord.sinks.syslog import Syslog
from monitord.sinks.webhook import Webhook
from monitord.sinks.worker import SinkWorker
from monitord.stages import Sink
from monitord.telemetry import Telemetry

STDOUT = 1

LOCAL_RETRY_S, NETWORK_RETRY_S = 5.0, 30.0
"""The longest pause before a broken output is tried again."""

Worker = SinkWorker[Any]

Key = tuple[str, Hashable, int]
"""An output's name, its configuration, and the size of its queue: a worker is of use as long as they stay."""


class Outputs:
    """Opens outputs, and on a reload those alone that have changed."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._open: dict[Key, Worker] = {}

    def open(self, config: OutputsConfig) -> Sequence[Worker]:
        """
        The outputs that are switched on.

        :return: open and not started.
        :raises SinkError: one cannot be opened.
        """
        return self._take(config, lambda _worker: None)

    def change(self, config: OutputsConfig) -> tuple[Sequence[Worker], Mapping[Worker, Worker]]:
        """
        The outputs that are switched on. Those of the call before whose configuration is the same are the same workers.

        :return: all are started; and which of them are in the place of which of the call before.
        :raises SinkError: one cannot be opened or started; then the call before still holds.
        """
        before = self._open
        workers = self._take(config, Worker.start)
        return workers, _heirs(before, self._open)

    def _take(self, config: OutputsConfig, start: Callable[[Worker], None]) -> Sequence[Worker]:
        workers: dict[Key, Worker] = {}
        try:
            for key, make in self._wanted(config):
                workers[key] = self._open.get(key) or make()
            for key, worker in workers.items():
                if key not in self._open:
                    start(worker)
        except BaseException:
            for key, worker in workers.items():
                if key not in self._open:
                    worker.discard()
            for worker in self._open.values():
                worker.show()  # its queues: one that was discarded may have had its name
            raise
        self._open = workers
        return list(workers.values())

    def _wanted(self, config: OutputsConfig) -> Iterator[tuple[Key, Callable[[], Worker]]]:
        """How to open each output that is switched on, by what it depends on."""
        queue = config.queue_alerts
        journald = config.journald and available()
        # As a service, standard output goes to the journal, too: an alert would be there twice.
        console = config.console and not (journald and is_journal(STDOUT))
        if config.alert_log:
            log = config.alert_log
            yield ("alert_log", log, queue), lambda: self._plain(AlertLog(log.path, ENCODERS[log.format]), queue)
        if journald:
            yield ("journald", None, queue), lambda: self._plain(Journald(), queue)
        if console:
            yield ("console", None, queue), lambda: self._plain(Console(STDOUT), queue)
        if config.syslog:
            syslog = config.syslog
            yield ("syslog", syslog, queue), lambda: self._plain(Syslog(syslog), queue)
        if config.webhook:
            webhook = config.webhook
            yield ("webhook", webhook, queue), lambda: self._webhook(webhook, queue)
        if config.alertmanager:
            manager = config.alertmanager
            for number, url in enumerate(manager.urls):
                key = f"alertmanager {number}", replace(manager, urls=(url,)), queue
                yield key, partial(self._alertmanager, manager, number, queue)
        if config.program:
            program = config.program
            yield ("program", program, queue), lambda: self._plain(Program(program), queue)

    def _plain(self, sink: Sink[Alert], queue: int, longest_retry_s: float = LOCAL_RETRY_S) -> Worker:
        return SinkWorker(sink, Backlog(queue, _unchanged), self._telemetry, longest_retry_s=longest_retry_s)

    def _alertmanager(self, config: AlertmanagerConfig, number: int, queue: int) -> Worker:
        return self._plain(Alertmanager(config, number), queue, NETWORK_RETRY_S)

    def _webhook(self, config: WebhookConfig, queue: int) -> Worker:
        sink, encode = Webhook(config), ENCODERS[config.format]
        backlog = Backlog(queue, encode)
        if config.spool:
            backlog = SpoolBacklog(queue, encode, config.spool, config.spool_mib << 20, sink.name)
        return SinkWorker(sink, backlog, self._telemetry, longest_retry_s=NETWORK_RETRY_S)


def _heirs(before: Mapping[Key, Worker], now: Mapping[Key, Worker]) -> Mapping[Worker, Worker]:
    """
    Who gets what is left by whom: one that writes to the same place, or else the one that has its name.

    An Alertmanager that moves up in the list, because another goes, must not get what that one has not taken: it has
    taken that itself.
    """
    gone = {key: worker for key, worker in before.items() if key not in now}
    new = {key: worker for key, worker in now.items() if key not in before}
    heirs = {}
    for same in (_place, _name):
        for key, worker in tuple(new.items()):
            if found := next((old for old in gone if same(old) == same(key)), None):
                heirs[gone.pop(found)] = worker
                del new[key]
    return heirs


def _place(key: Key) -> Hashable:
    name, config, _ = key
    return config.urls if isinstance(config, AlertmanagerConfig) else (name, config)


def _name(key: Key) -> Hashable:
    return key[0]


def _unchanged(alert: Alert) -> Alert:
    return alert
