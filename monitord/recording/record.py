"""
One event and its context as a JSON object: what alerts carry, captures hold and tests are written in.

The keys are those of `monitord.model.event.Event`, and those of the context: ``call``, ``wall_ns``, ``paths``,
``placement``, ``users``, ``groups`` and ``process``, which has those of `monitord.model.process.Process`, with its
``parent`` in it, and so on.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from monitord.abi.arch import Abi
from monitord.model.event import Event, ProcessKey
from monitord.model.inspection import Inspection
from monitord.model.placement import Placement
from monitord.model.process import Context, Process
from monitord.model.value import Missing, Value
from monitord.recording.codec import Path, RecordError, decoded, encoded, nearest, shown
from monitord.recording.limits import ARGS, check
from monitord.recording.snapshot import MAX_GENERATIONS, Snapshot, snapshot_of
from monitord.tables.syscalls import Arg, Group, Syscall, SyscallTable

EVENT_KEYS = tuple(field.name for field in fields(Event))
PROCESS_KEYS = (*ProcessKey._fields, *(field.name for field in fields(Process) if field.name != "key"), "parent")
KEYS = (
    *("call", "signature", *EVENT_KEYS, "wall_ns", "paths", "placement", "users", "groups"),
    *("environments", "cgroups", "leaders", "container", "homes", "shells", "process"),
)
"""Every key that an object can have, in order."""

_ASKED = {
    "environments": "environments",
    "cgroups": "control",
    "leaders": "leaders",
    "container": "container",
    "homes": "homes",
    "shells": "shells",
}
"""What is there if it was asked for, by its name in `Snapshot`."""

_SIGNATURE = re.compile(r"(?P<type>.+?) ?(?P<name>\w+)")


def to_object(event: Event, context: Context) -> dict[str, Any]:
    """
    An event, with all that its context knows of it.

    :return: holds what `json` can write, as valid UTF-8.
    """
    known = snapshot_of(event, context)
    made: dict[str, Any] = {"call": None if known.call is None else known.call.name}
    if known.call is not None and known.call != shipped_table(event.abi).find(event.abi, event.nr):
        made["signature"] = [f"{arg.type} {arg.name}" for arg in known.call.args]
    made |= encoded(event)
    made["args"] = [hex(register) for register in event.args]
    made["wall_ns"] = known.wall_ns(event.ts_ns)
    if known.paths:
        made["paths"] = {argument_name(known.call, arg): encoded(path) for arg, path in known.paths.items()}
    if known.where != Placement():
        made["placement"] = encoded(known.where)
    made["users"] = encoded(known.users)
    made["groups"] = encoded(known.groups)
    for key, of in _ASKED.items():
        if (value := getattr(known, of)) not in ({}, Missing.UNKNOWN):
            made[key] = encoded(value)
    parent: Any = encoded(known.beyond)
    for process in reversed(known.line):
        parent = {**_process_object(process), "parent": parent}
    made["process"] = parent
    return made


def from_object(plain: Any) -> tuple[Event, Snapshot]:
    """
    The event and the context that `to_object` made an object of.

    :raises RecordError: it made no such object.
    """
    if not isinstance(plain, Mapping):
        raise RecordError((), f"expected keys with values, found {shown(plain)}")
    for key in plain:
        if key not in KEYS:
            raise RecordError((key,), f"there is no key '{key}'{nearest(key, KEYS)}", of_key=True)
    event: Event = decoded(Event, {key: value for key, value in plain.items() if key in EVENT_KEYS})
    check(event)
    call = _call(plain, event)
    line, beyond = _line(_required(plain, "process"), ("process",))
    return event, Snapshot(
        call=call,
        line=tuple(line),
        beyond=beyond,
        paths=_paths(plain.get("paths", {}), call),
        where=decoded(Placement | Missing, plain.get("placement", {}), ("placement",)),
        users=decoded(Mapping[int, Value], plain.get("users", {}), ("users",)),
        groups=decoded(Mapping[int, Value], plain.get("groups", {}), ("groups",)),
        epoch_ns=decoded(int, _required(plain, "wall_ns"), ("wall_ns",)) - event.ts_ns,
        environments=decoded(Mapping[int, tuple[str, ...] | Missing], plain.get("environments", {}), ("environments",)),
        control=decoded(Mapping[str, str] | Missing, plain.get("cgroups", {"missing": "unknown"}), ("cgroups",)),
        leaders=decoded(Mapping[int, Process | Missing], plain.get("leaders", {}), ("leaders",)),
        container=decoded(Inspection | Missing, plain.get("container", {"missing": "unknown"}), ("container",)),
        homes=decoded(Mapping[int, Value], plain.get("homes", {}), ("homes",)),
        shells=decoded(Mapping[int, Value], plain.get("shells", {}), ("shells",)),
    )


@functools.cache
def shipped_table(abi: Abi) -> SyscallTable:
    """The shipped table of one ABI: the running kernel's own calls are not in it, so that records mean one thing."""
    return SyscallTable.load((abi,))


def argument_name(call: Syscall | None, arg: int) -> str:
    """The name of an argument, or its index where the table has no name."""
    return call.args[arg].name if call is not None and arg < len(call.args) else str(arg)


def _required(plain: Mapping[str, Any], key: str) -> Any:
    if key not in plain:
        raise RecordError((), f"the key '{key}' is missing")
    return plain[key]


@functools.lru_cache(1024)
def _process_object(process: Process) -> Mapping[str, Any]:
    """Ancestors are the same in one alert after the other."""
    members = encoded(process)
    return {**members.pop("key"), **members}


def _call(plain: Mapping[str, Any], event: Event) -> Syscall | None:
    """The call as the machine of the event knew it: its kernel may have had one that the table has not."""
    name = decoded(str | None, _required(plain, "call"), ("call",))
    known = shipped_table(event.abi).find(event.abi, event.nr)
    if name is None:
        return None
    if known is not None and known.name == name and "signature" not in plain:
        return known
    signature = decoded(tuple[str, ...], plain.get("signature", []), ("signature",))
    args = []
    for at, text in enumerate(signature):
        match = _SIGNATURE.fullmatch(text)
        if match is None:
            raise RecordError(("signature", at), f"expected a C type and a name, found {text!r}")
        args.append(Arg(match["name"], match["type"]))
    return Syscall(event.abi, event.nr, name, f"sys_{name}", tuple(args), known.group if known else Group.SYSTEM)


def _paths(plain: Any, call: Syscall | None) -> Mapping[int, Value]:
    names = [] if call is None else [arg.name for arg in call.args]
    paths = {}
    for name, path in decoded(Mapping[str, Value], plain, ("paths",)).items():
        if name not in names and not (name.isdecimal() and int(name) < ARGS):
            message = f"the call has no argument '{name}'{nearest(name, names)}"
            raise RecordError(("paths", name), message, of_key=True)
        paths[names.index(name) if name in names else int(name)] = path
    return paths


def _line(plain: Any, path: Path) -> tuple[list[Process], Missing]:
    line: list[Process] = []
    while not (line and isinstance(plain, Mapping) and "missing" in plain):
        if not isinstance(plain, Mapping):
            raise RecordError(path, f"expected the keys of a process, found {shown(plain)}")
        if len(line) == MAX_GENERATIONS:
            raise RecordError(path, f"there are more than {MAX_GENERATIONS} generations")
        for name in plain:
            if name not in PROCESS_KEYS:
                message = f"a process has no '{name}'{nearest(name, PROCESS_KEYS)}"
                raise RecordError((*path, name), message, of_key=True)
        key_of = {name: plain[name] for name in ProcessKey._fields if name in plain}
        others = {name: value for name, value in plain.items() if name not in key_of and name != "parent"}
        key: ProcessKey = decoded(ProcessKey, key_of, path)
        line.append(decoded(Process, {**others, "key": encoded(key)}, path))
        plain, path = plain.get("parent", encoded(Missing.NOT_APPLICABLE)), (*path, "parent")
    return line, decoded(Missing, plain["missing"], (*path, "missing"))
