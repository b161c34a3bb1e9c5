"""Rules and a context for tests of the rule stage."""

import posixpath
from collections.abc import Mapping

from monitord.abi.arch import Abi
from monitord.abi.event import Capture
from monitord.model.event import Event
from monitord.model.inspection import Inspection
from monitord.model.interest import Interest
from monitord.model.path import argument_of
from monitord.model.placement import Placement
from monitord.model.priority import Priority
from monitord.model.process import Process
from monitord.model.text import argv_of
from monitord.model.value import Missing, Value
from monitord.rules.interest import interest_of
from monitord.rules.output import parse_output
from monitord.rules.parser import parse_condition
from monitord.rules.rule import Rule, RuleSet
from monitord.rules.typed import Typing
from monitord.tables.syscalls import Syscall, SyscallTable

ABIS = (Abi.X86_64, Abi.I386, Abi.X32)


def argv_of_exec(event: Event) -> tuple[str, ...] | None:
    """What a successful exec was given; None for other events, or when it was not read."""
    for text in event.texts:
        if text.capture is Capture.ARGV and text.missing is None and event.returned and event.ret == 0:
            return argv_of(text.data)
    return None


class FixedContext:
    """
    `monitord.model.process.Context` of a machine where nothing changes: even pids are in /etc, odd ones are gone.

    :ivar asked: events whose process, path or ancestors were asked for.
    """

    def __init__(self, table: SyscallTable) -> None:
        self._table = table
        self.asked: list[Event] = []

    def syscall(self, event: Event) -> Syscall | None:
        """The table's."""
        return self._table.find(event.abi, event.nr)

    def process(self, event: Event) -> Process:
        """With a command line and directory for even pids."""
        self.asked.append(event)
        exe = event.executable
        argv = argv_of_exec(event)
        if argv is not None:
            exepath = exe if isinstance(exe, str) else Missing.LATE
            return Process(event.key, event.comm, event.ppid, argv, exepath, "/etc")
        if event.pid % 2:
            exepath = exe if isinstance(exe, str) else Missing.LATE
            return Process(event.key, event.comm, event.ppid, exepath=exepath)
        exepath = exe if isinstance(exe, str) else f"/usr/bin/{event.comm}"
        return Process(event.key, event.comm, event.ppid, (event.comm, "-l"), exepath, "/etc")

    def ancestor(self, event: Event, generation: int) -> Process | Missing:
        """Two generations."""
        if generation == 0:
            return self.process(event)
        return self.process(event) if generation == 1 else Missing.NOT_APPLICABLE

    def path(self, event: Event, dirfd: int, text: str) -> Value:
        """Relative to what came with the event, or to /etc or /fd and a number."""
        if not text.startswith("/"):
            base = self._directory(event, dirfd, text)
            if isinstance(base, Missing):
                return base
            text = f"{base}/{text}"
        return "/" + posixpath.normpath(text).lstrip("/")

    def _directory(self, event: Event, dirfd: int, text: str) -> str | Missing:
        arg = argument_of(self.syscall(event), event, dirfd, text)
        if arg is not None and isinstance(directory := event.directory(arg), str):
            return directory
        self.asked.append(event)
        if event.pid % 2:
            return Missing.LATE
        return "/etc" if dirfd == -100 else f"/fd{dirfd}"

    def placement(self, event: Event) -> Placement | Missing:
        """A unit for each cgroup."""
        return Placement(unit=f"{event.cgroup_id}.service")

    def leader(self, event: Event, pid: int) -> Process | Missing:
        """Nobody leads."""
        return Missing.LATE

    def environment(self, event: Event, generation: int) -> Mapping[str, str] | Missing:
        """Nobody has one."""
        return Missing.LATE

    def cgroups(self, event: Event) -> Mapping[str, str] | Missing:
        """Nobody has one."""
        return Missing.LATE

    def inspection(self, event: Event) -> Inspection | Missing:
        """Nobody asks."""
        return Missing.UNKNOWN

    def user_home(self, uid: int) -> Value:
        """Nobody has one."""
        return Missing.UNKNOWN

    def user_shell(self, uid: int) -> Value:
        """Nobody has one."""
        return Missing.UNKNOWN

    def user_name(self, uid: int) -> Value:
        """Root has a name."""
        return "root" if uid == 0 else Missing.UNKNOWN

    def group_name(self, gid: int) -> Value:
        """So has its group."""
        return "root" if gid == 0 else Missing.UNKNOWN

    def wall_ns(self, boot_ns: int) -> int:
        """A fixed offset."""
        return boot_ns + 1_700_000_000_000_000_000


def rule_of(
    table: SyscallTable,
    name: str,
    condition: str,
    output: str = "%proc.name",
    enabled: bool = True,
    interest: Interest | None = None,
) -> Rule:
    """A rule of a condition in Falco's syntax."""
    node = parse_condition(condition)
    return Rule(
        name=name,
        desc=name,
        condition=node,
        output=parse_output(output),
        priority=Priority.WARNING,
        tags=("test",),
        source="syscall",
        off_by="" if enabled else "enabled",
        interest=interest_of(node, table) if interest is None else interest,
        typed=Typing(table.names()).is_typed(node),
    )


def rules_of(table: SyscallTable, **conditions: str) -> RuleSet:
    """A set of rules by name."""
    return RuleSet(tuple(rule_of(table, name, condition) for name, condition in conditions.items()))
