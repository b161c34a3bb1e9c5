"""All that a `Context` knows of one event, as a value."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace

from monitord.abi.event import Capture
from monitord.model.event import Event
from monitord.model.inspection import Inspection
from monitord.model.path import below
from monitord.model.placement import Placement
from monitord.model.process import Context, Process
from monitord.model.task import TaskState
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
    """

    call: Syscall | None
    line: tuple[Process, ...]
    beyond: Missing = Missing.NOT_APPLICABLE
    paths: Mapping[int, Value] = field(default_factory=dict)
    where: Placement | Missing = field(default_factory=Placement)
    users: Mapping[int, Value] = field(default_factory=dict)
    groups: Mapping[int, Value] = field(default_factory=dict)
    epoch_ns: int = 0

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
        for one in path_arguments(self.call):
            captured = event.captured(one.arg)
            if captured is None or captured.text != text or one.descriptor(event.args) != dirfd:
                continue
            if one.arg in self.paths:
                return self.paths[one.arg]
        return self._told(event, dirfd, text)

    def placement(self, _event: Event) -> Placement | Missing:
        """The container and the unit that the caller runs in."""
        return self.where

    def leader(self, _event: Event, pid: int) -> Process | Missing:
        """The process that had a pid, if it is a recorded one."""
        return next((process for process in self.line if process.key.pid == pid), Missing.LATE)

    def environment(self, _event: Event, _generation: int) -> Mapping[str, str] | Missing:
        """Never recorded."""
        return Missing.UNKNOWN

    def cgroups(self, _event: Event) -> Mapping[str, str] | Missing:
        """Never recorded, but for what `placement` tells."""
        return Missing.UNKNOWN

    def inspection(self, _event: Event) -> Inspection | Missing:
        """Never recorded."""
        return Missing.UNKNOWN

    def user_home(self, _uid: int) -> Value:
        """Never recorded."""
        return Missing.UNKNOWN

    def user_shell(self, _uid: int) -> Value:
        """Never recorded."""
        return Missing.UNKNOWN

    def user_name(self, uid: int) -> Value:
        """The name of a user, on the machine of the event."""
        return self.users.get(uid, Missing.UNKNOWN)

    def group_name(self, gid: int) -> Value:
        """The name of a group, on the machine of the event."""
        return self.groups.get(gid, Missing.UNKNOWN)

    def wall_ns(self, boot_ns: int) -> int:
        """CLOCK_BOOTTIME to Unix epoch nanoseconds."""
        return self.epoch_ns + boot_ns

    def _told(self, event: Event, dirfd: int, text: str) -> Value:
        """What follows from the event and the working directory."""
        if text.startswith("/"):
            return below("/", text)
        if not text and isinstance(event.executable, str):
            return event.executable
        for captured in event.texts:
            if captured.capture is Capture.STR and captured.text == text:
                directory = event.directory(captured.arg)
                if isinstance(directory, str):
                    return below(directory, text)
        return below(self.line[0].cwd, text) if dirfd == AT_FDCWD else Missing.LATE


def snapshot_of(event: Event, context: Context) -> Snapshot:
    """What a context knows of an event now. Of a snapshot, itself."""
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
            asked = (event, one.descriptor(event.args), captured.text)
            answer = context.path(*asked)
            if answer != bare.path(*asked):
                paths[one.arg] = answer
    return replace(bare, paths=paths) if paths else bare


def path_arguments(call: Syscall | None) -> list[ArgCapture]:
    """Where a call's path arguments are."""
    return [one for one in captures_of(call) if one.is_path] if call is not None else []


def ids_of(kind: str, call: Syscall | None, event: Event, *others: TaskState | Process | Missing) -> Iterator[int]:
    """The user (``uid``) or group (``gid``) ids that an event is about, those in its arguments included."""
    if call is not None:
        for index in range(len(call.args)):
            if id_kind(call, index) == kind:
                yield number_of_argument(call, index, event.args[index])
    for value in (event, *others):
        for name in () if isinstance(value, Missing) else _ID_FIELDS[type(value)][kind]:
            number = getattr(value, name)
            if isinstance(number, int):
                yield number


_ID_FIELDS: Mapping[type, Mapping[str, tuple[str, ...]]] = {
    of: {
        kind: tuple(one.name for one in fields(of) if one.name.endswith(kind) and "pgid" not in one.name)
        for kind in ("uid", "gid")
    }
    for of in (Event, TaskState, Process)
}
