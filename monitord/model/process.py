"""What is known of the process behind an event, and who is asked for it."""

from collections.abc import Mapping
from typing import Protocol

from monitord.dataclass import dataclass
from monitord.model.event import Event, ProcessKey
from monitord.model.inspection import Inspection
from monitord.model.placement import Placement
from monitord.model.value import Missing, Value
from monitord.tables.syscalls import Syscall


@dataclass(slots=True, unsafe_hash=True)
class Process:
    """
    A process at the time of an event, as far as known.

    :ivar comm: the name of the thread group leader, 15 bytes at most.
    :ivar argv: all arguments, ``argv[0]`` first.
    :ivar exepath: the resolved path of the executable; what `Event.executable` says, where it does.
    :ivar cwd: without the trailing slash that `proc.cwd` shows.
    """

    key: ProcessKey
    comm: Value
    ppid: int | Missing = Missing.LATE
    argv: tuple[str, ...] | Missing = Missing.LATE
    exepath: Value = Missing.LATE
    cwd: Value = Missing.LATE


class Context(Protocol):
    """
    What enrichment offers to rules: answers about an event, worked out when asked.

    Every method is cheap when asked twice for one event, never raises, and says why when it does not know.
    """

    def syscall(self, event: Event) -> Syscall | None:
        """The table's entry for the call; None for a number outside it."""

    def process(self, event: Event) -> Process:
        """The process that made the call; after a successful exec, the new program."""

    def ancestor(self, event: Event, generation: int) -> Process | Missing:
        """The process (0), its parent (1), grandparent (2), ...; NOT_APPLICABLE beyond the first process."""

    def path(self, event: Event, dirfd: int, text: str) -> Value:
        """
        A path argument made absolute and lexically normalised (no symlinks followed), as Falco's `fd.name`.

        :param dirfd: the descriptor it is relative to, or AT_FDCWD (-100).
        :param text: the path as the caller passed it.
        """

    def placement(self, event: Event) -> Placement | Missing:
        """The container and the unit that the caller runs in; LATE when its cgroup was gone before it was asked for."""

    def leader(self, event: Event, pid: int) -> Process | Missing:
        """The process that had a pid, in the initial pid namespace; LATE when it had ended."""

    def environment(self, event: Event, generation: int) -> Mapping[str, str] | Missing:
        """What the program of the caller (0) or an ancestor was given; only alerts that ask for it keep it."""

    def cgroups(self, event: Event) -> Mapping[str, str] | Missing:
        """The paths of the caller's cgroups by controller, as they are now; an empty name is cgroup v2's."""

    def inspection(self, event: Event) -> Inspection | Missing:
        """What the runtime says of the caller's container; LATE while it has not answered."""

    def user_home(self, uid: int) -> Value:
        """The home directory of a user, host view."""

    def user_shell(self, uid: int) -> Value:
        """The login shell of a user, host view."""

    def user_name(self, uid: int) -> Value:
        """The name of a user, host view."""

    def group_name(self, gid: int) -> Value:
        """The name of a group, host view."""

    def wall_ns(self, boot_ns: int) -> int:
        """CLOCK_BOOTTIME to Unix epoch nanoseconds."""
