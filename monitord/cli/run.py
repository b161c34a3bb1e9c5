"""`monitord run`: watch."""

import argparse
import gc
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from monitord.abi.arch import machine_abis
from monitord.config.address import parse_address
from monitord.config.default import INSTALLED, config_path
from monitord.config.schema import Scope
from monitord.config.scope import parse_scope
from monitord.model.problem import Problem, errors
from monitord.pipeline.assemble import Assembly
from monitord.pipeline.load import Overrides, load
from monitord.service.control import open_control
from monitord.service.daemon import serve
from monitord.service.last_run import LastRun, note_path
from monitord.service.log import start_logging
from monitord.service.notify import NotifyError, notifier
from monitord.service.privileges import PrivilegeError, drop
from monitord.service.signals import SignalQueue
from monitord.service.watch import FileWatch
from monitord.sinks.http import ListenError
from monitord.sources.bpf.errors import LoadError, PassingError
from monitord.sources.bpf.scope import ScopeError
from monitord.stages import SinkError
from monitord.tables.syscalls import SyscallTable
from monitord.tables.tracefs import CALLS, TRACEFS, extended, refusal
from monitord.telemetry import Telemetry

FAILED = 1
"""systemd starts the service again, within its limits."""

USER_MUST_FIX = 2
"""systemd does not."""

START_ERRORS = (SinkError, ListenError, LoadError, ScopeError, NotifyError, PrivilegeError, OSError)

_EXAMPLES = """\
what happens:
  Every system call in scope is counted in the kernel, and those that a rule asks for are judged. Alerts go to the
  outputs of the configuration (standard output by default), counts to http://127.0.0.1:9750/metrics.
  SIGTERM or Ctrl-C stops, SIGHUP reads configuration and rules again, SIGUSR1 reopens the alert log.

examples:
  monitord run                                       everything, with the shipped rules
  monitord run --scope pid:$$                        this shell and what it starts
  monitord run --scope unit:nginx --alert-log /var/log/monitord/nginx.jsonl
  monitord run --rules my-rules.yaml --metrics 127.0.0.1:0

exit codes:
  0 stopped by a signal, 1 failed while running, 2 something that you must fix first
"""

_log = logging.getLogger(__name__)


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "run",
        help="watch: count every system call, judge the interesting ones",
        description="Watch this host, or the part of it that --scope names, until a signal ends it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_source_options(parser)
    parser.add_argument(
        "--alert-log", type=Path, metavar="FILE", help="write alerts to this file, one JSON object a line"
    )
    parser.add_argument(
        "--metrics", type=_address, metavar="ADDR:PORT", help="where Prometheus scrapes; port 0 takes a free one"
    )
    parser.set_defaults(run=run)


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """Options that say what is watched, and for which rules."""
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        metavar="FILE",
        help=f"the configuration; default {INSTALLED}, or the shipped one when that is not there",
    )
    parser.add_argument(
        "--scope",
        type=_scope,
        metavar="SPEC",
        help="what to watch: all, cgroup:PATH, unit:NAME, pid:N (with descendants), uid:N or pidns:N",
    )
    parser.add_argument(
        "--rules",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="a rules file, or a directory of them, instead of the configured ones; may be given several times",
    )


def run(args: argparse.Namespace) -> int:
    """Run until a signal ends it."""
    with SignalQueue() as signals:
        return _run(args, signals)


def _run(args: argparse.Namespace, signals: SignalQueue) -> int:
    begin_s, begin_ns = time.monotonic(), time.time_ns()
    gc.disable()  # until `_relieve_collector`
    start_logging(sys.stderr)
    table = extended(SyscallTable.load(machine_abis()))
    overrides = Overrides(args.scope, args.rules, args.alert_log, args.metrics)
    path = config_path(args.config)
    config, rules, problems = load(path, overrides, table)
    for problem in problems:
        _log.log(logging.WARNING if problem.warning else logging.ERROR, "%s", problem)
    if errors(problems):
        return USER_MUST_FIX
    if signals.stop:
        _log.info("%s: stopping", signals.stop.name)
        return 0
    telemetry = Telemetry()
    try:
        notify = notifier()
        assembly = Assembly(path, overrides, config, rules, table, telemetry, drop)
    except START_ERRORS as error:
        return cannot_start(error)
    if assembly.server:
        assembly.server.start()
    status = assembly.status
    control = open_control(config.control, {"status": status.document}, status.sample)
    if control:
        control.start()

    last_run = LastRun(note_path(), assembly.totals)

    def ready() -> None:
        last_run.start()
        if missing := refusal():
            why = f"{TRACEFS / CALLS}: {missing.strerror}; see `monitord doctor`"
            _log.info("system calls newer than the shipped table have no names: %s", why)
        _log.info("%s, ready after %.1f s", assembly.summary, time.monotonic() - begin_s)

    watch = FileWatch(assembly.watched, begin_ns)

    def reload() -> Sequence[Problem]:
        watch.begin()
        try:
            return assembly.reload(lambda: signals.stop is not None)
        finally:
            watch.end()
            # Rules that are in force no more are full of cycles: each reload would leave 2 MB behind. 3 ms.
            gc.collect()

    _relieve_collector()
    try:
        return serve(assembly.pipeline, reload, watch.changed, ready, signals, notify, telemetry)
    except LoadError as error:  # the programs were loaded, and cannot be attached; or there is no thread
        return cannot_start(error)
    finally:
        if control:
            control.close()
        last_run.stopped()
        assembly.close()


def cannot_start(error: Exception) -> int:
    """
    Tell the log.

    :param error: one of `START_ERRORS`.
    :return: the exit code.
    """
    if isinstance(
        error, OSError
    ):  # no /proc, no memory, no descriptors: whoever raised it could not know what it means
        _log.error("cannot start: %s", error)
        return FAILED
    _log.error("%s", error)
    return FAILED if isinstance(error, PassingError) else USER_MUST_FIX


def _relieve_collector() -> None:
    """
    Leave what is there after the start to itself, and look for cycles less often.

    Nothing on the way of an event makes cycles; the collector took a sixth of the time of an alert.
    """
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    gc.enable()


def _scope(text: str) -> Scope:
    scope = parse_scope(text)
    if isinstance(scope, str):
        raise argparse.ArgumentTypeError(scope)
    return scope


def _address(text: str) -> tuple[str, int]:
    address = parse_address(text)
    if isinstance(address, str):
        raise argparse.ArgumentTypeError(address)
    return address
