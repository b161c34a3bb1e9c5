"""`monitord status`: ask the running daemon how it is."""

import argparse
import json
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from monitord import __version__
from monitord.config.default import config_path
from monitord.config.load import load
from monitord.config.schema import ControlConfig

_DESCRIPTION = """\
Ask the running daemon over its local socket: version, uptime, scope, rules, rates, losses by stage, queues, outputs,
rings, memory. The socket is for root and for the group that control.group names.
"""
_EPILOG = """\
examples:
  monitord status
  monitord status --json | jq '.lost'
  monitord status --socket /run/monitord/control.sock

exit code: 0 it answered; 1 it did not; 2 a wrong option, or you may not ask
"""

TIMEOUT_S = 10.0
"""For the whole answer."""

ANSWER_BYTES = 1 << 22

_ODD = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What comes of an answer that has another shape than the daemon's."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "status",
        help="ask the running daemon: rates, losses, queues, outputs, memory",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = ControlConfig().socket
    parser.add_argument(
        "--socket",
        metavar="PATH",
        type=Path,
        help=f"the daemon's socket (default: control.socket of the installed configuration, or {default})",
    )
    parser.add_argument("--json", action="store_true", help="print the daemon's answer, one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Ask, print, and return the exit code."""
    path = args.socket or load(config_path(None))[0].control.socket
    if path is None:
        sys.stderr.write("monitord status: control.socket is null: the daemon has no socket; give --socket PATH\n")
        return 2
    line = ""
    try:
        line = asked(path)
        document = dict(json.loads(line))
        told = "" if "error" in document else "".join(f"{row}\n" for row in shown(document))
    except PermissionError:
        sys.stderr.write(f"monitord status: {path}: you may not ask; be root, or in the group of the socket\n")
        return 2
    except OSError as err:
        why = "no answer in time" if isinstance(err, TimeoutError) else (err.strerror or str(err))
        sys.stderr.write(f"monitord status: {path}: {why.lower()}; does the daemon run? --socket names another place\n")
        return 1
    except _ODD:
        sys.stderr.write(f"monitord status: {path}: {_stranger(line)}\n")
        return 1
    if "error" in document:
        sys.stderr.write(f"monitord status: {path}: {document['error']}\n")
        return 1
    sys.stdout.write(line if args.json else told)
    return 0


def _stranger(line: str) -> str:
    """Who may have given this answer."""
    try:
        version = json.loads(line)["version"]
    except _ODD:
        version = __version__
    if version == __version__:
        return "what answers there is not monitord"
    return f"monitord {version!s:.40} answers there, and this is {__version__}; restart the daemon"


def asked(path: Path) -> str:
    """
    The daemon's answer, one line.

    :raises OSError: it does not answer, or not in time.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(TIMEOUT_S)
        end_s = time.monotonic() + TIMEOUT_S
        client.connect(str(path))
        client.sendall(b'{"ask": "status"}\n')
        answer = b""
        while not answer.endswith(b"\n") and len(answer) <= ANSWER_BYTES:
            client.settimeout(max(1e-3, end_s - time.monotonic()))
            part = client.recv(65536)
            if not part:
                break
            answer += part
    return answer.decode("utf-8", "replace")


def shown(status: Mapping[str, Any]) -> Iterator[str]:
    """The answer for a person."""
    rules, reload, events, alerts = status["rules"], status["reload"], status["events"], status["alerts"]
    rings = status["rings"]
    off = rules["loaded"] - rules["enabled"]
    refused = "" if reload["successful"] else "; the last reload was refused"
    full = 100 * rings["fullest_bytes"] / rings["capacity_bytes"]
    yield f"monitord {status['version']}, pid {status['pid']}, up {duration(status['uptime_s'])}"
    yield ""
    yield from _pairs(
        ("scope", status["scope"]),
        ("configuration", f"{status['config']}, loaded {reload['last_success']}{refused}"),
        ("rules", f"{rules['enabled']} in force" + (f", {off} disabled" if off else "")),
        ("kernel", f"{status['kernel']} {status['machine']}"),
        ("memory", f"{status['memory']['resident_bytes'] / 2**20:.1f} MiB resident"),
        ("events", f"{events['per_second']:g}/s; {events['admitted']} admitted, {events['judged']} judged"),
        ("alerts", f"{alerts['per_second']:g}/s; {alerts['made']} made"),
        ("lost", _counts(status["lost"]) or "nothing"),
        ("degraded", _counts(status["degraded"]) or "nothing"),
        ("rings", f"{rings['count']} of {rings['capacity_bytes'] >> 10} KiB, the fullest {full:.1f} % full"),
        ("threads", ", ".join(f"{name} {age_s:.2f} s ago" for name, age_s in status["threads"].items())),
    )
    yield ""
    yield from _table(
        ("QUEUE", "WAITING", "ROOM FOR"),
        [(name, queue["depth"], queue["capacity"]) for name, queue in status["queues"].items()],
    )
    yield ""
    yield from _table(
        ("OUTPUT", "WRITTEN", "FAILED", "DROPPED", "RESENT"),
        [
            (name, output["written"], output["failed"], output["dropped"], output["resent"])
            for name, output in status["outputs"].items()
        ],
    )


def duration(seconds: float) -> str:
    """``3 d 4 h``: the two largest units that are not nothing."""
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    parts, rest = [], int(seconds)
    for name, size in units:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def _pairs(*pairs: tuple[str, str]) -> Iterator[str]:
    width = max(len(name) for name, _ in pairs)
    return (f"{name:<{width}}  {value}" for name, value in pairs)


def _table(head: tuple[str, ...], rows: list[tuple[object, ...]]) -> Iterator[str]:
    lines = [head, *(tuple(map(str, row)) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        numbers = (f"{cell:>{width}}" for cell, width in zip(line[1:], widths[1:], strict=True))
        yield "  ".join([f"{line[0]:<{widths[0]}}", *numbers])
