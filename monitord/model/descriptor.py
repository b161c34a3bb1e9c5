"""What is behind a descriptor, read in the kernel when the call was made: a file, a socket, a program's file."""

import socket
import stat
import struct
from ipaddress import IPv4Address, IPv6Address

from monitord.abi.event import FILE, PROGRAM, SOCKET, InodeBit, SocketBit, TextFlag
from monitord.dataclass import dataclass
from monitord.model.text import path_of_names, text_of
from monitord.model.value import Missing, Value

# include/uapi/linux/magic.h
_ANON_INODE_FS = 0x09041934
_PIPE_FS = 0x50495045
_PID_FS = 0x50494446

_FMODE_CREATED = 1 << 20  # include/linux/fs.h: this open has created the file

_ANONYMOUS = {
    "[eventfd]": ("e", "event"),
    "[signalfd]": ("s", "signalfd"),
    "[eventpoll]": ("l", "eventpoll"),
    "inotify": ("i", "inotify"),
    "[timerfd]": ("t", "timer"),
    "[io_uring]": ("r", "io_uring"),
    "[pidfd]": ("P", "pidfd"),
    "[userfaultfd]": ("u", "userfaultfd"),
}
"""Anonymous inodes by the name that the kernel gives them -> Falco's character and type."""

_UNKNOWN = ("o", "other")

_FAMILIES = {
    socket.AF_INET: ("4", "ipv4"),
    socket.AF_INET6: ("6", "ipv6"),
    socket.AF_UNIX: ("u", "unix"),
    socket.AF_NETLINK: ("n", "netlink"),
}


@dataclass(slots=True, unsafe_hash=True)
class OpenFile:
    """
    A file as the kernel has it open.

    :ivar type_char: Falco's character for what it is; devices are files, as there.
    :ivar path: in the mount namespace of the caller, whatever names and links led to it; as /proc shows it where it
        is in no directory (``pipe:[4711]``, ``anon_inode:[eventfd]``, ``/memfd:NAME (deleted)``).
    :ivar flags: O_*, as fcntl(F_GETFL) has them.
    :ivar mode: S_IF* and permissions.
    :ivar created: whether the open has created it.
    :ivar deleted: whether it has no name any more.
    :ivar upper_layer: as in `ProgramFile`.
    """

    type_char: str
    type_name: str
    path: Value
    flags: int
    mode: int
    dev: int
    ino: int
    created: bool
    deleted: bool
    upper_layer: bool
    lower_layer: bool


@dataclass(slots=True, unsafe_hash=True)
class Socket:
    """
    A socket when the call returned, or when it was made if that closes it.

    :ivar family: AF_*.
    :ivar type: SOCK_*.
    :ivar state: of the kernel's sk_state; `connected` says what of it matters.
    :ivar local: IP address, for unix sockets the name (``@`` in front of an abstract one); NOT_APPLICABLE without.
    :ivar local_port: NOT_APPLICABLE where there are no ports.
    :ivar changed: whether the call has changed an address; None when it is not known what they were.
    """

    type_char: str
    type_name: str
    family: int
    type: int
    protocol: int
    state: int
    ino: int
    flags: int
    local: Value
    local_port: int | Missing
    remote: Value
    remote_port: int | Missing
    changed: bool | None

    @property
    def is_ip(self) -> bool:
        """Whether it has IP addresses."""
        return self.family in (socket.AF_INET, socket.AF_INET6)

    @property
    def connected(self) -> bool:
        """Whether it has a peer, or had one that has closed its side."""
        return self.state not in _UNCONNECTED


_UNCONNECTED = frozenset((0, 2, 3, 7, 10, 12))
"""SYN_SENT, SYN_RECV, CLOSE, LISTEN, NEW_SYN_RECV (include/net/tcp_states.h); all families use these numbers."""

_MAPPED = bytes(10) + b"\xff\xff"
"""What an IPv4 address begins with in a socket of IPv6."""


@dataclass(slots=True, unsafe_hash=True)
class ProgramFile:
    """
    The file that a process executes.

    :ivar writable: whether its permissions let the thread write to it.
    :ivar upper_layer: whether it is in the upper layer of an overlay; `lower_layer` likewise, false without an overlay.
    """

    dev: int
    ino: int
    uid: int
    gid: int
    mode: int
    ctime_ns: int
    mtime_ns: int
    writable: bool
    upper_layer: bool
    lower_layer: bool


def read_file(data: bytes, flags: TextFlag) -> OpenFile | Missing:
    """
    What a `Capture.FILE` says.

    :param flags: how its path was read.
    """
    if len(data) < FILE.itemsize:
        return Missing.FAULT
    ino, magic, dev, o_flags, f_mode, nlink, mode, bits = _FILE.unpack_from(data)
    names = data[FILE.itemsize :]
    kind, path = _kind_and_path(mode, magic, ino, names, flags)
    return OpenFile(*kind, path, o_flags, mode, dev, ino, bool(f_mode & _FMODE_CREATED), nlink == 0, *_layers(bits))


_FILE = struct.Struct("<QIIIIIHH")
_SOCKET = struct.Struct("<QIHHHBBHH16s16s")
_PROGRAM = struct.Struct("<QqqIIIIHHI")
assert (_FILE.size, _SOCKET.size, _PROGRAM.size) == (FILE.itemsize, SOCKET.itemsize, PROGRAM.itemsize)


def _kind_and_path(mode: int, magic: int, ino: int, names: bytes, flags: TextFlag) -> tuple[tuple[str, str], Value]:
    name = text_of(names.removesuffix(b"\0"))
    if magic == _ANON_INODE_FS:
        kind = ("b", "bpf") if name.startswith("bpf") else _ANONYMOUS.get(name, _UNKNOWN)
        return kind, f"anon_inode:{name}"
    if magic == _PID_FS:
        return ("P", "pidfd"), "anon_inode:[pidfd]"
    if magic == _PIPE_FS:
        return ("p", "pipe"), f"pipe:[{ino}]"
    path = path_of_names(names, flags)
    if stat.S_ISDIR(mode):
        return ("d", "directory"), path
    if stat.S_ISFIFO(mode):
        return ("p", "pipe"), path
    if flags & TextFlag.FAULT and name.startswith("memfd:"):
        return ("m", "memfd"), path
    return ("f", "file"), path


def read_socket(data: bytes) -> Socket | Missing:
    """What a `Capture.SOCKET` says."""
    if len(data) < SOCKET.itemsize:
        return Missing.FAULT
    ino, o_flags, family, kind, protocol, state, bits, port, peer_port, own, peer = _SOCKET.unpack_from(data)
    kind_of = _FAMILIES.get(family, _UNKNOWN)
    local: Value = Missing.NOT_APPLICABLE
    remote: Value = Missing.NOT_APPLICABLE
    ports: tuple[int | Missing, int | Missing] = (Missing.NOT_APPLICABLE, Missing.NOT_APPLICABLE)
    if family == socket.AF_UNIX:
        names = data[SOCKET.itemsize :]
        local, remote = _unix_name(names[:port]), _unix_name(names[port : port + peer_port])
    elif family == socket.AF_INET:
        local, remote, ports = str(IPv4Address(own[:4])), str(IPv4Address(peer[:4])), (port, peer_port)
    elif family == socket.AF_INET6 and own.startswith(_MAPPED):
        # A socket for both, and the peer is one of IPv4: so are the rules for it, as in Falco.
        kind_of = _FAMILIES[socket.AF_INET]
        local, remote, ports = str(IPv4Address(own[12:])), str(IPv4Address(peer[12:])), (port, peer_port)
    elif family == socket.AF_INET6:
        local, remote, ports = str(IPv6Address(own)), str(IPv6Address(peer)), (port, peer_port)
    return Socket(
        *kind_of,
        family=family,
        type=kind,
        protocol=protocol,
        state=state,
        ino=ino,
        flags=o_flags,
        local=local,
        local_port=ports[0],
        remote=remote,
        remote_port=ports[1],
        changed=bool(bits & SocketBit.CHANGED) if bits & SocketBit.COMPARED else None,
    )


def _unix_name(name: bytes) -> Value:
    if not name:
        return Missing.NOT_APPLICABLE
    if name.startswith(b"\0"):
        return "@" + text_of(name[1:])
    return text_of(name.partition(b"\0")[0])


def read_program(data: bytes) -> ProgramFile | Missing:
    """
    What a `PROGRAM` says.

    :return: NOT_APPLICABLE where there is none: it was not asked for, or the task executes no file.
    """
    if len(data) < PROGRAM.itemsize:
        return Missing.NOT_APPLICABLE
    ino, ctime_ns, mtime_ns, dev, uid, gid, _, mode, bits, _ = _PROGRAM.unpack_from(data)
    writable = bool(bits & InodeBit.WRITABLE)
    return ProgramFile(dev, ino, uid, gid, mode, ctime_ns, mtime_ns, writable, *_layers(bits))


def _layers(bits: int) -> tuple[bool, bool]:
    """Whether in the upper and in a lower layer of an overlay."""
    upper = bool(bits & InodeBit.UPPER)
    return upper, bool(bits & InodeBit.OVERLAY) and not upper
