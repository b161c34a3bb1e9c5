"""Events, a context and rules files for tests of rules."""

from dataclasses import dataclass, field

from monitord.abi.arch import Abi
from monitord.abi.event import Capture, Flag, TextFlag
from monitord.model.event import Captured, Event, ProcessKey
from monitord.model.placement import Placement
from monitord.model.process import Process
from monitord.model.value import Missing
from monitord.tables.syscalls import SyscallTable

TABLE = SyscallTable.load((Abi.X86_64, Abi.I386, Abi.X32))


def make_event(call="getppid", *, abi=Abi.X86_64, texts=(), **changes):
    """
    A call by name, or by number, that returned 0.

    :param texts: (argument, bytes) for strings, or `Captured` values.
    """
    values = {
        "cpu": 1,
        "seq": 23,
        "ts_ns": 5_000_000_000,
        "duration_ns": 700,
        "abi": abi,
        "nr": call if isinstance(call, int) else TABLE.named(abi, call).nr,
        "flags": Flag(0),
        "args": (0,) * 6,
        "ret": 0,
        "pid": 101,
        "tid": 103,
        "ppid": 97,
        "start_ns": 3_000_000_000,
        "uid": 1000,
        "gid": 1009,
        "cgroup_id": 7,
        "comm": "cat",
        "parent_comm": "bash",
        "texts": tuple(text if isinstance(text, Captured) else make_text(*text) for text in texts),
    }
    args = tuple(changes.pop("args", ()))
    values |= changes
    values["args"] = args + (0,) * (6 - len(args))
    return Event(**values)


def make_text(arg, data, capture=Capture.STR, flags=0):
    """What was captured of an argument."""
    return Captured(arg, capture, TextFlag(flags), data)


def make_process(comm, **values):
    """A process of which only some things are known."""
    return Process(ProcessKey(101, 3_000_000_000), comm, **values)


@dataclass
class FakeContext:
    """`monitord.model.process.Context` that knows what it is told."""

    line: list = field(default_factory=list)
    cwd: str = "/home/ann"
    where: object = Placement()
    environments: dict = field(default_factory=dict)
    container: object = Missing.UNKNOWN
    users: dict = field(default_factory=lambda: {0: "root", 1000: "ann"})
    groups: dict = field(default_factory=lambda: {1009: "staff"})

    def syscall(self, event):
        return TABLE.find(event.abi, event.nr)

    def process(self, event):
        return self.line[0] if self.line else make_process(event.comm)

    def ancestor(self, event, generation):
        return self.line[generation] if generation < len(self.line) else Missing.NOT_APPLICABLE

    def path(self, event, dirfd, text):
        return text if text.startswith("/") else f"{self.cwd if dirfd == -100 else f'/fd{dirfd}'}/{text}"

    def placement(self, event):
        return self.where

    def leader(self, event, pid):
        return next((process for process in self.line if process.key.pid == pid), Missing.LATE)

    def environment(self, event, generation):
        return self.environments.get(generation, Missing.LATE)

    def cgroups(self, event):
        return {"": "/v2", "cpu": "/v1"}

    def inspection(self, event):
        return self.container

    def user_home(self, uid):
        return f"/home/{self.users[uid]}" if uid in self.users else Missing.UNKNOWN

    def user_shell(self, uid):
        return "/bin/sh" if uid in self.users else Missing.UNKNOWN

    def user_name(self, uid):
        return self.users.get(uid, Missing.UNKNOWN)

    def group_name(self, gid):
        return self.groups.get(gid, Missing.UNKNOWN)

    def wall_ns(self, boot_ns):
        return 1_700_000_000_000_000_000 + boot_ns
