"""Which descriptor a call is about: an argument, or what it returns."""

from monitord.abi.event import NO_ARGUMENT
from monitord.dataclass import dataclass
from monitord.tables.canonical import canonical
from monitord.tables.syscalls import Syscall

_RETURNING = (
    "open openat openat2 open_by_handle_at creat socket accept accept4 dup dup2 dup3 eventfd eventfd2 epoll_create"
    " epoll_create1 fanotify_init fsmount fsopen fspick inotify_init inotify_init1 io_uring_setup"
    " landlock_create_ruleset memfd_create memfd_secret mq_open open_tree perf_event_open pidfd_getfd pidfd_open"
    " signalfd signalfd4 timerfd_create userfaultfd"
)
RETURNING_CALLS = frozenset(_RETURNING.split())
"""Calls whose descriptor is the one they return, by canonical name."""

_CONNECTING_CALLS = frozenset(("bind", "connect", "sendmmsg", "sendmsg", "sendto"))
"""
Calls that can give a socket an address. None of them has a buffer that the kernel fills in: what is read when the call
begins stands where the texts of the end would go.
"""

_CLOSING_CALLS = frozenset(("close",))
"""Calls after which the descriptor is another, or none."""

_EXECS = ("execve", "execveat")

_NAME = "fd"


@dataclass(frozen=True, slots=True)
class Descriptor:
    """
    :ivar arg: index of the argument; None for what the call returns.
    :ivar closes: whether it has to be looked at before the call.
    :ivar connects: whether the call can change a socket's addresses.
    """

    arg: int | None
    closes: bool = False
    connects: bool = False


def descriptor_of(syscall: Syscall) -> Descriptor | None:
    """The descriptor that a call is about, if any."""
    name = canonical(syscall.name)
    if name in _EXECS:  # by then the descriptor may be closed
        return None
    if name in RETURNING_CALLS:
        return Descriptor(None)
    for index, arg in enumerate(syscall.args):
        if arg.name == _NAME:
            return Descriptor(index, name in _CLOSING_CALLS, name in _CONNECTING_CALLS)
    return None


def captured_at(syscall: Syscall | None) -> int | None:
    """Where a record has the descriptor that its call is about: at an argument, or `NO_ARGUMENT` for a returned one."""
    about = None if syscall is None else descriptor_of(syscall)
    if about is None:
        return None
    return NO_ARGUMENT if about.arg is None else about.arg
