"""What the kernel side is made for: what is compiled into the programs, and what is put in when they are loaded."""

from collections.abc import Mapping

from monitord.config.schema import ScopeKind
from monitord.dataclass import dataclass

SELF_TGID = "SELF_TGID"
SCOPE_NUMBER = "SCOPE_NUMBER"

MAGIC: Mapping[str, int] = {SELF_TGID: 0x6D6F6E69746F7201, SCOPE_NUMBER: 0x6D6F6E69746F7202}
"""
Constant -> what is compiled in its place. Every start has another pid and may have another cgroup: the program would be
compiled anew for each. No other 64-bit constant of the programs begins with the bytes of "monitor".
"""


@dataclass(frozen=True, slots=True)
class Settings:
    """
    What a start asks for.

    :ivar scope: kind, and the number that stands for it in the kernel: cgroup id, uid, pid namespace inode;
        for `ScopeKind.PID` the number of possible pids.
    :ivar self_tgid: the daemon, which is never watched.
    """

    scope: ScopeKind
    scope_number: int
    latency: bool
    self_tgid: int

    @property
    def scope_define(self) -> str:
        """How the scope is compiled in; empty for everything."""
        match self.scope:
            case ScopeKind.ALL:
                return ""
            case ScopeKind.UNIT:
                return "-DSCOPE_CGROUP"
            case ScopeKind.PID:  # the size of a map
                return f"-DSCOPE_PID={self.scope_number}"
            case _:
                return f"-DSCOPE_{self.scope.name}"

    @property
    def constants(self) -> Mapping[str, int]:
        """What the programs have to be given when they are loaded."""
        constants = {SELF_TGID: self.self_tgid}
        if self.scope not in (ScopeKind.ALL, ScopeKind.PID):
            constants[SCOPE_NUMBER] = self.scope_number
        return constants
