"""From a configuration to running stages, and from a new configuration to changed ones."""

import logging
import mmap
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from monitord.abi.arch import NR_UNKNOWN, Abi
from monitord.config.schema import Config, MetricsConfig, RuleMatching, ScopeKind
from monitord.detect.detector import RuleDetector
from monitord.enrich.context import ProcContext
from monitord.model.amount import amount
from monitord.model.problem import Problem, errors
from monitord.pipeline.load import Overrides, load
from monitord.pipeline.outputs import Outputs
from monitord.pipeline.pipeline import Pipeline
from monitord.pipeline.status import Status
from monitord.privacy.masks import Masks
from monitord.privacy.usual import USUAL
from monitord.rules.changes import changes
from monitord.rules.rule import RuleSet
from monitord.sinks.http import MetricsServer
from monitord.sinks.metrics.collector import renderer
from monitord.sinks.metrics.readings import Readings
from monitord.sources.bpf.source import BpfSource
from monitord.stages import Detector, SinkError
from monitord.tables.constants import errno_name
from monitord.tables.syscalls import SyscallTable
from monitord.telemetry import FileState, ProgramStats, Telemetry

_log = logging.getLogger(__name__)

_FIXED = ("scope", "bpf", "metrics", "containers", "control")
"""Sections that are compiled into the kernel side or bound to a socket: a change takes a restart."""


class Assembly:
    """
    The daemon's parts, made from a configuration: first what takes privileges.

    :param path: of the configuration, for reloads.
    :param drop: gives up what a running daemon does not need, before outputs execute programs of the operator's.
    :raises SinkError: an output cannot be opened.
    :raises ListenError: the metrics address cannot be used.
    :raises LoadError: the kernel side cannot be loaded.
    :raises ScopeError: the scope names nothing.
    """

    def __init__(
        self,
        path: Path,
        overrides: Overrides,
        config: Config,
        rules: RuleSet,
        table: SyscallTable,
        telemetry: Telemetry,
        drop: Callable[[], None],
    ) -> None:
        self._path = path
        self._overrides = overrides
        self._config = config
        self._rules = rules
        self._table = table
        self._telemetry = telemetry
        self._hostname = socket.gethostname()
        self._context = ProcContext(
            table,
            root=config.scope.number if config.scope.kind is ScopeKind.PID else None,
            sockets=config.containers.sockets,
        )
        telemetry.show_origins(config.metrics.origins)
        telemetry.processes = lambda: self._context.size
        telemetry.processes_evicted = lambda: self._context.evicted
        telemetry.cgroups_evicted = lambda: self._context.cgroups_evicted
        telemetry.container_lookups = lambda: self._context.lookups
        self._outputs = Outputs(telemetry)
        with ExitStack() as opened:
            self.server = _listen(config.metrics, telemetry, table, lambda: self._source)
            if self.server:
                opened.callback(self.server.close)
            self._source = BpfSource(table, config.scope, config.bpf)
            opened.callback(self._source.close)
            self._source.ignore(config.ignore)
            drop()
            workers = self._outputs.open(config.outputs)
            opened.pop_all()
        self.pipeline = Pipeline(self._source, self._context, self._detector(rules, config), workers, telemetry)
        telemetry.reloaded(True, time.time())
        ring_bytes = config.bpf.ring_pages * mmap.PAGESIZE
        self.status = Status(telemetry, self._source, str(config.scope), path, ring_bytes, rules)
        where = f", metrics on {self.server.url}" if self.server else ""
        enabled = sum(rule.enabled for rule in rules.rules)
        self.summary = f"watching {config.scope} with {amount(enabled, 'rule')}{where}"

    def reload(self, hurried: Callable[[], bool]) -> Sequence[Problem]:
        """
        Read configuration and rules again and put them in place while events flow.

        :param hurried: as of `Pipeline.replace_sinks`.
        :return: what is to be said of them; when errors are among it, nothing has changed.
        """
        config, rules, problems = load(self._path, self._overrides, self._table)
        changed = None
        if not errors(problems) and config.outputs != self._config.outputs:
            try:
                changed = self._outputs.change(config.outputs)
            except SinkError as error:
                problems.append(Problem(str(self._path), 0, 0, "C020", str(error)))
        if errors(problems):
            return problems
        problems += [
            Problem(str(self._path), 0, 0, "C021", f"{name} has changed: this takes effect at the next restart", True)
            for name in _FIXED
            if getattr(config, name) != getattr(self._config, name)
        ]
        self._source.ignore(config.ignore)
        self.pipeline.replace(self._detector(rules, config))
        _log.info("rules: %s", changes(self._rules, rules))
        self._rules = rules
        if changed is not None:
            self.pipeline.replace_sinks(*changed, hurried)
        self._config = config
        self.status.rules = rules
        return problems

    def watched(self) -> Sequence[Path]:
        """The files and directories whose change is a reload; none unless ``rules.watch`` says so."""
        return (self._path, *self._config.rules.paths) if self._config.rules.watch else ()

    def close(self) -> None:
        """Free what the pipeline does not: the server, the runtimes' thread, the kernel side once nobody reads it."""
        if self.server:
            self.server.close()
        if self.pipeline.stopped:
            self._context.close()
            _log.info("stopped: %s", self.totals())
            self._source.close()

    def totals(self) -> str:
        """What came of every event, for those who add up: after a clean stop, admitted is judged and lost."""
        telemetry = self._telemetry
        lost = sum(self._source.losses().values()) + sum(telemetry.lost.values())
        written = ", ".join(f"{name} {sink.written}" for name, sink in telemetry.sinks.items())
        dropped = ", ".join(f"{name} {sink.dropped}" for name, sink in telemetry.sinks.items() if sink.dropped)
        return (
            f"{amount(self._source.seen(), 'event')} admitted, {telemetry.judged} judged, {lost} lost; "
            f"{amount(telemetry.alerts, 'alert')}, written: {written or 'none'}; dropped: {dropped or 'none'}"
        )

    def _detector(self, rules: RuleSet, config: Config) -> Detector:
        self._telemetry.register_rules({rule.name: rule.priority for rule in rules.rules if rule.enabled})
        self._telemetry.rule_files = {FileState.LOADED: rules.files, FileState.LEFT_OUT: len(rules.left_out)}
        return RuleDetector(
            rules,
            self._table,
            self._context,
            self._telemetry,
            self._hostname,
            match_all=config.rules.rule_matching is RuleMatching.ALL,
            masks=masks_of(config),
        )


def masks_of(config: Config) -> Masks:
    """What is not shown of events, as configured."""
    return Masks((*config.privacy.mask, *(USUAL if config.privacy.mask_usual else ())))


def _listen(
    config: MetricsConfig, telemetry: Telemetry, table: SyscallTable, source: Callable[[], BpfSource]
) -> MetricsServer | None:
    if not config.enabled:
        return None

    def programs() -> Mapping[str, ProgramStats]:
        return {name: ProgramStats(*runs) for name, runs in source().program_runs().items()}

    def name(abi: Abi, nr: int) -> str:
        call = None if nr == NR_UNKNOWN else table.find(abi, nr)
        return call.name if call else "unknown"

    readings = Readings(
        counts=lambda: source().counts(),
        admitted=lambda: source().seen(),
        losses=lambda: source().losses(),
        ignored=lambda: source().ignored(),
        degraded=lambda: source().degraded(),
        programs=programs,
        syscall_name=name,
        errno_name=errno_name,
    )
    return MetricsServer(config.address, config.port, renderer(telemetry, readings))
