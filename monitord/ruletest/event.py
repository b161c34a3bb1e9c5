"""Events as people write them: what matters, by name; all else is what an ordinary event has."""

import zlib
from collections.abc import Mapping
from typing import Any

from monitord.abi.arch import Abi
from monitord.model.event import Event
from monitord.recording.codec import Path, RecordError, nearest, number_of, shown
from monitord.recording.record import KEYS, PROCESS_KEYS, from_object, shipped_table
from monitord.recording.snapshot import Snapshot
from monitord.rules.opens import OPEN_CALLS
from monitord.rules.reader import Place, Yaml
from monitord.ruletest.plain import plain_of
from monitord.ruletest.registers import registers_of
from monitord.tables.constants import values_by_name
from monitord.tables.syscalls import Syscall

START_NS = 1_000_000_000_000
EPOCH_NS = 1_767_225_600_000_000_000
"""CLOCK_BOOTTIME of events without ``at``, and the wall clock at CLOCK_BOOTTIME 0: 2026-01-01 UTC."""

MOST = 100_000
"""Times that an event can be repeated."""

NOBODY = 1000
"""Whose the events are that do not say."""

WRITTEN_KEYS = frozenset((*KEYS, "at", "repeat", "every", "user", "group", "foreign"))
_ALIASES = {"name": "comm", "exe": "exepath"}
_COMM_BYTES = 15
_PROCESS_PATHS: Mapping[Path, Path] = {("comm",): ("process", "comm"), ("parent_comm",): ("process", "parent", "comm")}
"""What an event has of its process, by where it is written."""


class WrittenError(Exception):
    """An event that cannot be; where, and why."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place


def written_events(value: Yaml, number: int) -> list[tuple[Event, Snapshot]]:
    """
    An event that is written in a test, recorded ones included, as often as it says.

    :param number: of the event in its test, from 1.
    :raises WrittenError: it cannot be.
    """
    plain = plain_of(value)
    try:
        written = plain.value
        times = _repeat(written) if isinstance(written, dict) else 1
        if times == 1:
            return [from_object(_completed(written, number))]
        events = []
        for time in range(times):
            one = {key: _counted(part, time + 1) for key, part in written.items()}
            events.append(from_object(_completed(one, number + time, time)))
        return events
    except RecordError as err:
        found = _PROCESS_PATHS.get(err.path, err.path) if err.path not in plain.places else err.path
        path = tuple(_written_key(key) if at and found[0] == "process" else key for at, key in enumerate(found))
        path = found if found in plain.places else path
        where = "" if path in plain.places or not err.where else f"{err.where}: "
        raise WrittenError(plain.key_place(path) if err.of_key else plain.place(path), f"{where}{err}") from err


def _written_key(key: str | int) -> str | int:
    return next((alias for alias, known in _ALIASES.items() if known == key), key)


def _repeat(written: Mapping[str, Any]) -> int:
    times = number_of(written.get("repeat", 1))
    if times is None or not 0 < times <= MOST:
        raise RecordError(("repeat",), f"expected how often it happens, 1 to {MOST}, found {shown(written['repeat'])}")
    return times


def _counted(part: Any, time: int) -> Any:
    """A part of an event that is repeated, with ``%n`` being the number of the time."""
    if isinstance(part, str):
        return part.replace("%n", str(time))
    if isinstance(part, list):
        return [_counted(item, time) for item in part]
    return {key: _counted(item, time) for key, item in part.items()} if isinstance(part, dict) else part


def _completed(written: Any, number: int, time: int = 0) -> dict[str, Any]:
    """
    The object of a record.

    :param time: how often the event was there before.
    """
    if not isinstance(written, dict):
        raise RecordError((), f"an event is a map such as {{call: openat, args: {{...}}}}, here is {shown(written)}")
    for key in written:
        if key not in WRITTEN_KEYS:
            raise RecordError((key,), f"there is no key '{key}'{nearest(key, WRITTEN_KEYS)}", of_key=True)
    call = _call(written)
    made: dict[str, Any] = {key: value for key, value in written.items() if key in KEYS}
    args = written.get("args", {})
    if isinstance(args, Mapping):
        made["args"], texts = registers_of(call, args, ("args",))
        made.setdefault("texts", texts)
    made["ret"] = _result(written, call)
    if str(written.get("foreign", "false")) == "true":
        made["flags"] = [*written.get("flags", []), "foreign"]
    made |= {key: value for key, value in _defaults(written, call, number, time).items() if made.get(key) is None}
    line = _line(written, call, args if isinstance(args, Mapping) else {}, made)
    made["process"] = line
    made.setdefault("comm", line["comm"])
    parent = line["parent"]
    made.setdefault("parent_comm", parent.get("comm", "") if isinstance(parent.get("comm"), str) else "")
    made["ppid"] = written.get("ppid", line["ppid"] if not isinstance(line["ppid"], Mapping) else 0)
    if isinstance(made["comm"], Mapping) and "missing" in made["comm"]:
        raise RecordError(("process", "comm"), "the name of the process itself is always known")
    return made


def _call(written: Mapping[str, Any]) -> Syscall:
    labels = [abi.label for abi in Abi]
    label = written.get("abi", Abi.X86_64.label)
    if label not in labels:
        raise RecordError(("abi",), f"{shown(label)} is no ABI{nearest(str(label), labels)}")
    table = shipped_table(Abi[str(label).upper()])
    name = written.get("call")
    if not isinstance(name, str):
        raise RecordError((), "an event needs the name of its call: 'call: openat'")
    call = table.named(Abi[str(label).upper()], name)
    if call is None:
        raise RecordError(("call",), f"{label} has no call '{name}'{nearest(name, table.names())}")
    return call


def _result(written: Mapping[str, Any], call: Syscall) -> int:
    """``3``, ``-2``, ``-ENOENT``, ``ENOENT``."""
    value = written.get("ret")
    if value is None:
        return 3 if call.name in OPEN_CALLS or call.name == "socket" else 0
    number = number_of(value)
    name = str(value).removeprefix("-")
    if number is None and name.startswith("E") and name in values_by_name(call.abi):
        number = -values_by_name(call.abi)[name]
    if number is None:
        raise RecordError(("ret",), f"expected a number or an error such as -ENOENT, found {shown(value)}")
    return number


def _defaults(written: Mapping[str, Any], call: Syscall, number: int, time: int) -> dict[str, Any]:
    """What an event has that says nothing of it."""
    ts_ns = START_NS + number * 1_000 + _after_ns(written, "at") + time * _after_ns(written, "every")
    uid, users = _identity(written, "user", "uid", "users")
    gid, groups = _identity(written, "group", "gid", "groups")
    return {
        "call": call.name,
        "abi": call.abi.label,
        "nr": call.nr,
        "flags": [],
        "texts": [],
        "cpu": 0,
        "seq": number,
        "ts_ns": ts_ns,
        "duration_ns": 1_000,
        "wall_ns": EPOCH_NS + ts_ns,
        "pid": _own_pid(written),
        "tid": _own_pid(written),
        "start_ns": START_NS // 2,
        "cgroup_id": 1,
        "uid": uid,
        "users": users,
        "gid": gid,
        "groups": groups,
    }


def _after_ns(written: Mapping[str, Any], key: str) -> int:
    """``1.5s``; nothing when it is not said."""
    value = written.get(key)
    if value is None:
        return 0
    try:
        seconds = float(str(value).removesuffix("s"))
    except ValueError:
        seconds = -1
    if not 0 <= seconds < 10**8:
        raise RecordError((key,), f"expected seconds, such as 1.5s, found {shown(value)}")
    return round(seconds * 10**9)


def _identity(written: Mapping[str, Any], name_key: str, id_key: str, names_key: str) -> tuple[Any, Any]:
    """A number and the names, from what is written of them."""
    name, number = written.get(name_key), written.get(id_key)
    if name is not None and not isinstance(name, (str, Mapping)):
        raise RecordError((name_key,), f"expected a name, found {shown(name)}")
    if number is None:
        number = 0 if name == "root" else NOBODY
        if isinstance(name, str) and name != "root":
            number = NOBODY + zlib.crc32(name.encode("utf-8", "surrogateescape")) % 50_000
    if name is None:
        name = "root" if str(number) == "0" else "somebody"
    return number, written.get(names_key, {str(number): name})


def _own_pid(written: Mapping[str, Any]) -> Any:
    process = written.get("process")
    return process.get("pid", 1000) if isinstance(process, Mapping) else 1000


def _line(
    written: Mapping[str, Any], call: Syscall, args: Mapping[str, Any], made: Mapping[str, Any]
) -> dict[str, Any]:
    """The process, with its ancestors in it."""
    process = written.get("process", {})
    own: dict[str, Any] = {"pid": made["pid"], "start_ns": made["start_ns"]}
    if call.name in ("execve", "execveat") and made["ret"] == 0:
        program = next((args[key] for key in ("filename", "pathname", "path") if isinstance(args.get(key), str)), None)
        argv = args.get("argv")
        if program is not None:
            own |= {"comm": program.rpartition("/")[2][:_COMM_BYTES], "exepath": program}
        if argv is not None:
            own["argv"] = argv.split() if isinstance(argv, str) else argv
    return _process(process, ("process",), own)


def _process(written: Any, path: Path, known: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(written, Mapping):
        raise RecordError(path, f"expected the keys of a process, such as {{name: cat}}, found {shown(written)}")
    made: dict[str, Any] = dict(known)
    for key, value in written.items():
        if key not in PROCESS_KEYS and key not in _ALIASES:
            message = f"a process has no '{key}'{nearest(key, (*_ALIASES, *PROCESS_KEYS))}"
            raise RecordError((*path, key), message, of_key=True)
        made[_ALIASES.get(str(key), str(key))] = value
    depth = len(path)
    comm = made.setdefault("comm", "program" if depth == 1 else "bash")
    name = comm if isinstance(comm, str) else "program"
    made.setdefault("pid", 1000 - depth)
    made.setdefault("start_ns", START_NS // 2 - depth)
    argv = made.get("argv", [name])
    made["argv"] = argv.split() if isinstance(argv, str) else argv
    made.setdefault("exepath", f"/usr/bin/{name}")
    made.setdefault("cwd", "/")
    parent = made.get("parent", {} if depth == 1 else None)
    if parent is None or (isinstance(parent, Mapping) and "missing" in parent):
        made["parent"] = parent or {"missing": "not_applicable"}
    else:
        made["parent"] = _process(parent, (*path, "parent"), {})
    made.setdefault("ppid", made["parent"].get("pid", 0))
    return made
