"""`monitord record`: keep the events that rules ask for, to judge them later or elsewhere."""

import argparse
import logging
import platform
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

from monitord import __version__
from monitord.abi.arch import machine_abis
from monitord.cli.run import FAILED, START_ERRORS, USER_MUST_FIX, add_source_options, cannot_start
from monitord.config.default import config_path
from monitord.config.outputs import OutputsConfig
from monitord.config.schema import Config
from monitord.model.amount import amount
from monitord.model.problem import errors
from monitord.pipeline.load import Overrides, load
from monitord.pipeline.recorder import RecordingAssembly
from monitord.recording.capture import CaptureError
from monitord.recording.writer import CaptureWriter
from monitord.service.daemon import STOP_DEADLINE_S
from monitord.service.log import start_logging
from monitord.service.privileges import drop
from monitord.service.signals import STOP, SignalQueue
from monitord.sinks.format import iso_time
from monitord.sources.bpf.errors import LoadError
from monitord.tables.syscalls import SyscallTable
from monitord.tables.tracefs import extended
from monitord.telemetry import Telemetry

STDOUT = Path("/dev/stdout")

TURN_S = 0.1
"""How long the loop sleeps without a signal: -n and --seconds are met that well."""

_DESCRIPTION = """\
Record the events that the rules ask for: what the daemon would judge, with all that is known of each process at the
time. The capture is JSON Lines; 'monitord explain --event' and 'monitord test' read it on any machine. Secrets
are masked as in alerts. Nothing is judged, and no alert is made."""

_EPILOG = """\
examples:
  monitord record -o nginx.jsonl --scope unit:nginx --seconds 60
  monitord record -o shell.jsonl --scope pid:$$ --rules my-rules.yaml
  monitord record -o - -n 1000 | gzip > some.jsonl.gz
  monitord explain --event nginx.jsonl:17          which rules match that event
  monitord test tests/ --baseline nginx.jsonl      what my rules would have said of it

SIGINT (Ctrl-C) and SIGTERM stop it; the last line of the capture has the totals, with what was lost.
exit code: 0 done; 1 failed while recording; 2 something that you must fix first
"""

_log = logging.getLogger(__name__)


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "record",
        help="keep the events that rules ask for, in a file",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", required=True, help="the capture to write, or -")
    parser.add_argument("--force", action="store_true", help="replace FILE if it is there")
    parser.add_argument("-n", type=_count, metavar="COUNT", dest="count", help="stop after so many events")
    parser.add_argument("--seconds", type=_seconds, metavar="S", help="stop after so many seconds")
    add_source_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Record until a signal, a number or a time ends it."""
    start_logging(sys.stderr)
    if args.output == Path("-"):
        args.output, args.force = STDOUT, True
    table = extended(SyscallTable.load(machine_abis()))
    overrides = Overrides(args.scope, args.rules)
    path = config_path(args.config)
    config, rules, problems = load(path, overrides, table)
    for problem in problems:
        _log.log(logging.WARNING if problem.warning else logging.ERROR, "%s", problem)
    if errors(problems):
        return USER_MUST_FIX
    config = replace(
        config,
        outputs=OutputsConfig(console=False, journald=False),
        metrics=replace(config.metrics, enabled=False),
    )
    with SignalQueue() as signals:
        try:
            writer = CaptureWriter(args.output, args.force)
        except CaptureError as error:
            _log.error("%s", error)
            return USER_MUST_FIX
        try:
            assembly = RecordingAssembly(path, overrides, config, rules, table, Telemetry(), drop, writer, args.count)
        except START_ERRORS as error:
            writer.abandon()
            return cannot_start(error)
        try:
            writer.begin(_head(config))
            return _record(assembly, writer, args, signals)
        except CaptureError as error:
            _log.error("%s", error)
            return FAILED
        except LoadError as error:  # the programs were loaded, and cannot be attached; or there is no thread
            return cannot_start(error)
        finally:
            assembly.close()


def _record(assembly: RecordingAssembly, writer: CaptureWriter, args: argparse.Namespace, signals: SignalQueue) -> int:
    pipeline, recorder = assembly.pipeline, assembly.recorder
    pipeline.start()
    _log.info("recording to %s: %s", args.output, assembly.summary)
    end_s = None if args.seconds is None else time.monotonic() + args.seconds
    try:
        while pipeline.failed is None and not recorder.done.is_set():
            left_s = TURN_S if end_s is None else min(TURN_S, end_s - time.monotonic())
            if left_s <= 0 or STOP.intersection(signals.wait(left_s)):
                break
    finally:
        signals.release_stop()
        pipeline.stop(STOP_DEADLINE_S)
    try:
        writer.finish(assembly.end())
    except CaptureError as error:
        recorder.failure = recorder.failure or error
    if recorder.failure is not None or pipeline.failed is not None:
        _log.error("%s", recorder.failure or pipeline.failed)
        return FAILED
    _log.info("%s in %s", amount(writer.events, "event"), args.output)
    return 0


def _head(config: Config) -> dict[str, object]:
    return {
        "monitord": __version__,
        "hostname": socket.gethostname(),
        "kernel": platform.release(),
        "abis": [abi.label for abi in machine_abis()],
        "started": iso_time(time.time_ns()),
        "scope": str(config.scope),
        "rules": [str(path) for path in config.rules.paths],
    }


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return number
