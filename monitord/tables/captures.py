"""
Which syscall arguments point to something the kernel side copies: paths, strings, argv, addresses, structs.

Curated from the tables' argument types, for the file, exec and module families and the calls that name a peer. A test
holds that every path and string argument of those families is here or is left out on purpose.
"""

from collections.abc import Mapping
from types import MappingProxyType

from monitord.abi.arch import Abi
from monitord.abi.event import Capture
from monitord.dataclass import dataclass
from monitord.tables.syscalls import Syscall

AT_FDCWD = -100
"""The descriptor number that stands for the working directory."""


@dataclass(frozen=True, slots=True)
class ArgCapture:
    """
    One argument to copy.

    :ivar arg: index of the argument that holds the pointer.
    :ivar is_path: a path to resolve; other strings (a symlink's target, a module's parameters) are text.
    :ivar dirfd: index of the argument with the descriptor that the path is relative to; None for AT_FDCWD.
    :ivar size_bytes: of `Capture.BYTES`.
    :ivar filled_at_exit: the kernel writes it: there is nothing to read when the call begins.
    """

    arg: int
    capture: Capture
    is_path: bool = False
    dirfd: int | None = None
    size_bytes: int = 0
    filled_at_exit: bool = False

    def descriptor(self, args: tuple[int, ...]) -> int:
        """
        What a path is relative to: a descriptor, or AT_FDCWD.

        :param args: the registers of the call, unsigned.
        """
        if self.dirfd is None:
            return AT_FDCWD
        number = args[self.dirfd] & 0xFFFFFFFF
        return number - (1 << 32) if number >> 31 else number


Captures = tuple[ArgCapture, ...]
"""What one call has to copy, at most `monitord.abi.event.TEXTS`; first the path that `fd.name` is about."""

OPEN_HOW_BYTES = 24
"""struct open_how of openat2, first and so far only version: flags, mode, resolve, each u64."""


def captures_of(call: Syscall) -> Captures:
    """What to copy of a call; empty for most."""
    if call.abi in (Abi.I386, Abi.ARM) and call.name in _SPLIT:
        return _SPLIT[call.name]
    return _CAPTURES.get(call.name, ())


def _path(arg: int, dirfd: int | None = None) -> ArgCapture:
    return ArgCapture(arg, Capture.STR, is_path=True, dirfd=dirfd)


def _text(arg: int) -> ArgCapture:
    return ArgCapture(arg, Capture.STR)


_SPECIAL: dict[str, Captures] = {
    "openat2": (_path(1, dirfd=0), ArgCapture(2, Capture.BYTES, size_bytes=OPEN_HOW_BYTES)),
    # two paths
    "link": (_path(0), _path(1)),
    "linkat": (_path(1, dirfd=0), _path(3, dirfd=2)),
    "move_mount": (_path(1, dirfd=0), _path(3, dirfd=2)),
    "pivot_root": (_path(0), _path(1)),
    "rename": (_path(0), _path(1)),
    "renameat": (_path(1, dirfd=0), _path(3, dirfd=2)),
    "renameat2": (_path(1, dirfd=0), _path(3, dirfd=2)),
    # the target is stored as it is
    "symlink": (_path(1), _text(0)),
    "symlinkat": (_path(2, dirfd=1), _text(0)),
    # mount's source is a path for some file systems only
    "mount": (_path(1), _text(0), _text(2)),
    "fsopen": (_text(0),),
    "fsconfig": (_text(2), _text(3)),
    "quotactl": (_path(1),),
    "fanotify_mark": (_path(4, dirfd=3),),
    # extended attributes: the name, too
    "fgetxattr": (_text(1),),
    "fremovexattr": (_text(1),),
    "fsetxattr": (_text(1),),
    "getxattr": (_path(0), _text(1)),
    "getxattrat": (_path(1, dirfd=0), _text(3)),
    "lgetxattr": (_path(0), _text(1)),
    "lremovexattr": (_path(0), _text(1)),
    "lsetxattr": (_path(0), _text(1)),
    "removexattr": (_path(0), _text(1)),
    "removexattrat": (_path(1, dirfd=0), _text(3)),
    "setxattr": (_path(0), _text(1)),
    "setxattrat": (_path(1, dirfd=0), _text(3)),
    # programs and modules
    "execve": (_path(0), ArgCapture(1, Capture.ARGV)),
    "execveat": (_path(1, dirfd=0), ArgCapture(2, Capture.ARGV)),
    "delete_module": (_text(0),),
    "finit_module": (_text(1),),
    "init_module": (_text(2),),
    "memfd_create": (_text(0),),
    # keys
    "add_key": (_text(0), _text(1)),
    "request_key": (_text(0), _text(1), _text(2)),
    # peers
    "accept": (ArgCapture(1, Capture.SOCKADDR, filled_at_exit=True),),
    "accept4": (ArgCapture(1, Capture.SOCKADDR, filled_at_exit=True),),
    "bind": (ArgCapture(1, Capture.SOCKADDR),),
    "connect": (ArgCapture(1, Capture.SOCKADDR),),
    "sendto": (ArgCapture(4, Capture.SOCKADDR),),
    "recvfrom": (ArgCapture(4, Capture.SOCKADDR, filled_at_exit=True),),
    "sendmsg": (ArgCapture(1, Capture.MSGHDR),),
    "recvmsg": (ArgCapture(1, Capture.MSGHDR, filled_at_exit=True),),
    # of several messages, the first one's
    "sendmmsg": (ArgCapture(1, Capture.MSGHDR),),
    "recvmmsg": (ArgCapture(1, Capture.MSGHDR, filled_at_exit=True),),
    "recvmmsg_time64": (ArgCapture(1, Capture.MSGHDR, filled_at_exit=True),),
}

_PATH_FIRST = (
    "access acct chdir chmod chown chown32 chroot creat lchown lchown32 listxattr llistxattr lstat lstat64 mkdir mknod"
    " oldlstat oldstat open readlink rmdir stat stat64 statfs statfs64 swapoff swapon truncate truncate64 umount"
    " umount2 unlink uselib utime utimes"
)

_PATH_SECOND = (
    "faccessat faccessat2 fchmodat fchmodat2 fchownat file_getattr file_setattr fspick fstatat64 futimesat listxattrat"
    " mkdirat mknodat mount_setattr name_to_handle_at newfstatat open_tree open_tree_attr openat readlinkat statx"
    " unlinkat utimensat utimensat_time64"
)
"""Behind the descriptor that the path is relative to."""

_CAPTURES: Mapping[str, Captures] = MappingProxyType(
    dict.fromkeys(_PATH_FIRST.split(), (_path(0),))
    | dict.fromkeys(_PATH_SECOND.split(), (_path(1, dirfd=0),))
    | {"inotify_add_watch": (_path(1),)}
    | _SPECIAL
)

_SPLIT: Mapping[str, Captures] = MappingProxyType({"fanotify_mark": (_path(5, dirfd=4),)})
"""Where a 64-bit value takes two of a 32-bit ABI's registers before the path."""
