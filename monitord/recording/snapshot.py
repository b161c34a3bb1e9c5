"""All that a `Context` knows of one event, as a value."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import field, fields, replace
from typing import Any

from monitord.dataclass import dataclass
from monitord.model.event import Event
from monitord.model.inspection import Inspection
from monitord.model.path import argument_of, below
from monitord.model.placement import Placement
from monitord.model.process import Context, Process
from monitord.model.task import NO_LOGIN, TaskState
from monitord.model.value import Missing, Value
from monitord.tables.arguments import id_kind, number_of_argument
from monitord.tables.captures import AT_FDCWD, ArgCapture, captures_of
from monitord.tables.syscalls import Syscall

MAX_GENERATIONS = 64
"""Ancestors that are recorded; a longer line is a loop or an attack."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    `monitord.model.process.Context` for one event, and no other.

    :ivar call: the table's entry for the call.
    :ivar line: the process, its parent, grandparent, ...; the process at least.
    :ivar beyond: why there is nobody behind the last one in `line`.
    :ivar paths: by argument, what cannot be told from the event and the working directory alone.
    :ivar where: the container and the unit.
    :ivar epoch_ns: Unix epoch nanoseconds of CLOCK_BOOTTIME 0.
    :ivar environments: by generation, as NAME=value; those that were asked for, and so the following.
    :ivar control: paths of the cgroups by controller.
    :ivar leaders: by pid, of the session and the process group, unless they are in `line`.
    :ivar container: what the runtime says of the container.
    :ivar homes: home directories of users, by uid.
    :ivar shells: login shells of users, by uid.
    """

    call: Syscall | None
    line: tuple[Process, ...]
    beyond: Missing = Missing.NOT_APPLICABLE
    paths: Mapping[int, Value] = field(default_factory=dict)
    where: Placement | Missing = field(default_factory=Placement)
    users: Mapping[int, Value] = field(default_factory=dict)
    groups: Mapping[int, Value] = field(default_factory=dict)
    epoch_ns: int = 0
    environments: Mapping[int, tuple[str, ...] | Missing] = field(default_factory=dict)
    control: Mapping[str, str] | Missing = Missing.UNKNOWN
    leaders: Mapping[int, Process | Missing] = field(default_factory=dict)
    container: Inspection | Missing = Missing.UNKNOWN
    homes: Mapping[int, Value] = field(default_factory=dict)
    shells: Mapping[int, Value] = field(default_factory=dict)

    def syscall(self, _event: Event) -> Syscall | None:
        """The table's entry for the call; None for a number outside it."""
        return self.call

    def process(self, _event: Event) -> Process:
        """The process that made the call; after a successful exec, the new program."""
        return self.line[0]

    def ancestor(self, _event: Event, generation: int) -> Process | Missing:
        """The process (0), its parent (1), grandparent (2), ...; why there is none beyond the recorded ones."""
        return self.line[generation] if generation < len(self.line) else self.beyond

    def path(self, event: Event, dirfd: int, text: str) -> Value:
        """A path argument made absolute, as it was found when the event was recorded."""
        arg = argument_of(self.call, event, dirfd, text)
        return self._told(event, dirfd, text, arg) if arg is None or arg not in self.paths else self.paths[arg]

    def placement(self, _event: Event) -> Placement | Missing:
        """The container and the unit that the caller runs in."""
        return self.where

    def leader(self, _event: Event, pid: int) -> Process | Missing:
        """The process that had a pid, if it is a recorded one."""
        if pid in self.leaders:
            return self.leaders[pid]
        return next((process for process in self.line if process.key.pid == pid), Missing.LATE)

    def environment(self, _event: Event, generation: int) -> Mapping[str, str] | Missing:
        """The environment of the process or an ancestor, if it was asked for."""
        variables = self.environments.get(generation, Missing.UNKNOWN)
        if isinstance(variables, Missing):
            return variables
        return {name: value for name, _, value in (variable.partition("=") for variable in variables)}

    def cgroups(self, _event: Event) -> Mapping[str, str] | Missing:
        """The paths of the cgroups, if they were asked for."""
        return self.control

    def inspection(self, _event: Event) -> Inspection | Missing:
        """What the runtime said of the container, if it was asked."""
        return self.container

    def user_home(self, uid: int) -> Value:
        """The home directory of a user, if it was asked for."""
        return self.homes.get(uid, Missing.UNKNOWN)

    def user_shell(self, uid: int) -> Value:
        """The login shell of a user, if it was asked for."""
        return self.shells.get(uid, Missing.UNKNOWN)

    def user_name(self, uid: int) -> Value:
        """The name of a user, on the machine of the event."""
        return self.users.get(uid, Missing.UNKNOWN)

    def group_name(self, gid: int) -> Value:
        """The name of a group, on the machine of the event."""
        return self.groups.get(gid, Missing.UNKNOWN)

    def wall_ns(self, boot_ns: int) -> int:
        """CLOCK_BOOTTIME to Unix epoch nanoseconds."""
        return self.epoch_ns + boot_ns

    def _told(self, event: Event, dirfd: int, text: str, arg: int | None) -> Value:
        """What follows from the event and the working directory."""
        if text.startswith("/"):
            return below("/", text)
        if not text and isinstance(event.executable, str):
            return event.executable
        directory = Missing.NOT_APPLICABLE if arg is None else event.directory(arg)
        if isinstance(directory, str):
            return below(directory, text)
        return below(self.line[0].cwd, text) if dirfd == AT_FDCWD else Missing.LATE


def snapshot_of(event: Event, context: Context, asked: Collection[str] | None = None) -> Snapshot:
    """
    What a context knows of an event now. Of a snapshot, itself.

    :param asked: the fields that rules ask for: what it takes a look at /proc to know is kept for these alone, and for
        all if this is None.
    """
    if isinstance(context, Snapshot):
        return context
    line: list[Process] = []
    nobody: Missing = Missing.UNKNOWN
    for generation in range(MAX_GENERATIONS):
        process = context.ancestor(event, generation) if generation else context.process(event)
        if isinstance(process, Missing):
            nobody = process
            break
        line.append(process)
    call = context.syscall(event)
    bare = Snapshot(
        call=call,
        line=tuple(line),
        beyond=nobody,
        where=context.placement(event),
        users={uid: context.user_name(uid) for uid in ids_of("uid", call, event, event.task, *line)},
        groups={gid: context.group_name(gid) for gid in ids_of("gid", call, event, event.task, *line)},
        epoch_ns=context.wall_ns(event.ts_ns) - event.ts_ns,
    )
    paths = {}
    for one in path_arguments(bare.call):
        captured = event.captured(one.arg)
        if captured is not None and isinstance(captured.text, str):
            question = (event, one.descriptor(event.args), captured.text)
            answer = context.path(*question)
            if answer != bare.path(*question):
                paths[one.arg] = answer
    more = _asked_for(event, context, bare, asked)
    return replace(bare, paths=paths, **more) if paths or more else bare


def _asked_for(event: Event, context: Context, bare: Snapshot, asked: Collection[str] | None) -> dict[str, Any]:
    """What is kept of an event only if it is asked for."""
    more: dict[str, Any] = {}
    generations = range(len(bare.line)) if asked is None or "proc.aenv" in asked else range("proc.env" in asked)
    environments = {generation: _variables(context.environment(event, generation)) for generation in generations}
    if any(variables is not Missing.UNKNOWN for variables in environments.values()):
        more["environments"] = environments
    if asked is None or not _OF_CGROUPS.isdisjoint(asked):
        more["control"] = context.cgroups(event)
    if not isinstance(event.task, Missing) and (asked is None or any(name.startswith(_OF_LEADERS) for name in asked)):
        found = {pid: context.leader(event, pid) for pid in (event.task.sid, event.task.pgid)}
        more["leaders"] = {pid: leader for pid, leader in found.items() if leader != bare.leader(event, pid)}
    if asked is None or any(name.startswith(_OF_CONTAINER) for name in asked):
        more["container"] = context.inspection(event)
    for key, name, answer in (
        ("homes", "user.homedir", context.user_home),
        ("shells", "user.shell", context.user_shell),
    ):
        if asked is None or name in asked:
            more[key] = {event.uid: answer(event.uid)}
    return {name: value for name, value in more.items() if value != getattr(bare, name)}


_OF_CGROUPS = frozenset(("thread.cgroup", "thread.cgroups"))
_OF_LEADERS = ("proc.sid.", "proc.vpgid.", "proc.pgid.")
_OF_CONTAINER = ("container.", "k8s.")


def _variables(environment: Mapping[str, str] | Missing) -> tuple[str, ...] | Missing:
    if isinstance(environment, Missing):
        return environment
    return tuple(f"{name}={value}" for name, value in environment.items())


def path_arguments(call: Syscall | None) -> list[ArgCapture]:
    """Where a call's path arguments are."""
    return [one for one in captures_of(call) if one.is_path] if call is not None else []


def ids_of(kind: str, call: Syscall | None, event: Event, *others: TaskState | Process | Missing) -> Iterator[int]:
    """The user (``uid``) or group (``gid``) ids that an event is about, those in its arguments too, but not -1."""
    if call is not None:
        for index in range(len(call.args)):
            if id_kind(call, index) == kind:
                number = number_of_argument(call, index, event.args[index])
                if number != NO_LOGIN:
                    yield number
    for value in (event, *others):
        for name in () if isinstance(value, Missing) else _ID_FIELDS[type(value)][kind]:
            number = getattr(value, name)
            if isinstance(number, int) and number != NO_LOGIN:
                yield number


_ID_FIELDS: Mapping[type, Mapping[str, tuple[str, ...]]] = {
    of: {
        kind: tuple(one.name for one in fields(of) if one.name.endswith(kind) and "pgid" not in one.name)
        for kind in ("uid", "gid")
    }
    for of in (Event, TaskState, Process)
}
