"""What is compiled into the programs."""

from dataclasses import dataclass

from monitord.config.schema import ScopeKind


@dataclass(frozen=True, slots=True)
class Settings:
    """
    What is compiled in.

    :ivar scope: kind, and the number that stands for it in the kernel: cgroup id, uid, pid namespace inode;
        for `ScopeKind.PID` the number of possible pids.
    :ivar self_tgid: the daemon, which is never watched.
    """

    scope: ScopeKind
    scope_number: int
    latency: bool
    self_tgid: int
