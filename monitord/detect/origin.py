"""Which part of an event record the value of a field follows from."""

from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType

from monitord.abi.event import Capture
from monitord.dataclass import dataclass
from monitord.detect.carried import OfProgram, OfTask
from monitord.detect.part import (
    Comm,
    Descriptor,
    Ends,
    Executed,
    Foreign,
    Number,
    ParentComm,
    Part,
    Register,
    Result,
    Texts,
)
from monitord.detect.plain import plain_argv, plain_executable, plain_path
from monitord.model.event import Captured, Event, ProcessKey
from monitord.model.process import Process
from monitord.model.text import text_of
from monitord.model.value import Missing, Value
from monitord.rules import opens
from monitord.rules.argument import EXECS, OF_PROGRAM, RESULT, RETURNED, argument_index
from monitord.rules.ast import FieldRef
from monitord.rules.fields.process import args, cmdline, exe, exeline
from monitord.tables.arguments import id_kind
from monitord.tables.captures import captures_of
from monitord.tables.descriptors import descriptor_of
from monitord.tables.syscalls import Syscall

_CREATING = 0o20000100
"""O_CREAT, and the bit of O_TMPFILE that is not O_DIRECTORY (include/uapi/asm-generic/fcntl.h)."""


Decides = Callable[[Event], bool]
"""Whether a part alone decides the value for an event; this follows from the part, too."""

Tells = Callable[[Hashable], Value | None]
"""The value for a key of a part, found without making the event readable; None when that takes more."""


@dataclass(frozen=True, slots=True)
class Origin:
    """
    :ivar part: None for a field that has one value for all events of a call.
    :ivar decides: None for always.
    :ivar tells: None for never.
    :ivar momentary: the value follows from the part now, and may be another one in the next batch.
    """

    part: Part | None
    decides: Decides | None = None
    tells: Tells | None = None
    momentary: bool = False


def origin_of(field: FieldRef, syscall: Syscall) -> Origin | None:
    """The origin of a field's value for the events of one call; None when it is no part of the record."""
    if field.name in _OF_ANY_CALL:
        return _OF_ANY_CALL[field.name]
    if field.name in _OF_PATH:
        return _of_path(field.name, syscall)
    if field.name in _OF_SOCKET:
        return _of_socket(field.name, syscall)
    if field.name in _OF_KERNEL:
        return _OF_KERNEL[field.name]
    if field.name in _OF_FILE:
        return Origin(Descriptor()) if descriptor_of(syscall) else Origin(None)
    if field.name in _OF_EXECUTABLE and syscall.name in EXECS:
        return _OF_EXECUTABLE[field.name]
    if field.name in _OF_PROGRAM and syscall.name in EXECS:
        return _of_program(_OF_PROGRAM[field.name], field.arg)
    if field.name == "proc.aname" and field.arg == "0":
        return Origin(Comm())
    if field.name in _OF_OPEN:
        return _of_open(field.name, syscall)
    if field.name == "evt.arg" and field.arg is not None:
        return _of_argument(field.arg, syscall)
    return None


_OF_ANY_CALL: Mapping[str, Origin] = MappingProxyType(
    {
        "evt.type": Origin(None),
        "syscall.type": Origin(None),
        "evt.category": Origin(None),
        "evt.source": Origin(None),
        "evt.count": Origin(None),
        "evt.is_io": Origin(None),
        "evt.is_io_read": Origin(None),
        "evt.is_io_write": Origin(None),
        "evt.io_dir": Origin(None),
        "evt.nr": Origin(None),
        "evt.abi": Origin(None),
        "evt.dir": Origin(None),
        "evt.is_foreign_abi": Origin(Foreign()),
        "evt.res": Origin(Result()),
        "evt.failed": Origin(Result()),
        "proc.name": Origin(Comm()),
        "proc.pname": Origin(ParentComm()),
        "fd.nameraw": Origin(Texts()),
        "user.name": Origin(Number("uid"), momentary=True),
        "group.name": Origin(Number("gid"), momentary=True),
    }
)

_OF_KERNEL: Mapping[str, Origin] = MappingProxyType(
    {
        "proc.is_exe_writable": Origin(OfProgram()),
        "proc.is_exe_upper_layer": Origin(OfProgram()),
        "proc.is_exe_lower_layer": Origin(OfProgram()),
        "proc.tty": Origin(OfTask("tty")),
        "proc.vpid": Origin(OfTask("vpid")),
        "user.loginuid": Origin(OfTask("loginuid")),
        "thread.cap_effective": Origin(OfTask("cap_effective")),
        "thread.cap_permitted": Origin(OfTask("cap_permitted")),
    }
)

_OF_FILE = frozenset(
    ("fd.realpath", "fd.ino", "fd.dev", "fd.dev.major", "fd.dev.minor", "fd.is_upper_layer", "fd.is_lower_layer")
)
"""Fields of what is behind the descriptor alone."""

_OF_SOCKET = frozenset(
    (
        *("fd.sockfamily", "fd.l4proto", "fd.connected", "fd.name_changed", "fd.is_server"),
        *(f"fd.{side}{what}" for side in ("", "s", "c", "l", "r") for what in ("ip", "port", "net", "proto")),
    )
)

_OPENING = {"connect": ("fd.s", "fd.r"), "accept": ("fd.c", "fd.r"), "accept4": ("fd.c", "fd.r")}
"""Calls that say which side is the server -> fields of the other side begin so."""

_WITHOUT_PORT = frozenset(("fd.sockfamily", "fd.l4proto", "fd.connected", "fd.name_changed"))
_WITHOUT_PORT_IF_OPENING = frozenset(
    ("fd.is_server", "fd.ip", "fd.net", *(f"fd.{side}{what}" for side in "scl" for what in ("ip", "net")))
)


def _of_socket(name: str, syscall: Syscall) -> Origin | None:
    """Which part of the socket a field follows from; which side is the server can hang on the ports."""
    if name == "fd.l4proto" and syscall.name == "socket":
        return None  # where the socket did not come along, the arguments tell
    if descriptor_of(syscall) is None:
        return Origin(Texts()) if _gives_address(syscall) else Origin(None)
    remote = name.startswith(_OPENING.get(syscall.name, "fd.r"))
    if remote or name in _WITHOUT_PORT or (syscall.name in _OPENING and name in _WITHOUT_PORT_IF_OPENING):
        return Origin(Ends(own_port=False))
    return Origin(Ends(own_port=True))


def _gives_address(syscall: Syscall) -> bool:
    return any(one.capture in (Capture.SOCKADDR, Capture.MSGHDR) for one in captures_of(syscall))


# What is made of the path, as `monitord.rules.fields.descriptor` does.
_OF_PATH: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "fd.name": lambda path: path,
        "fd.directory": lambda path: path.rpartition("/")[0] or "/",
        "fd.filename": lambda path: path.rpartition("/")[2],
    }
)


def _of_path(name: str, syscall: Syscall) -> Origin:
    part = _OF_PATH[name]
    arg = next((one.arg for one in captures_of(syscall) if one.is_path), None)
    if arg is None:
        return Origin(Ends(own_port=True)) if descriptor_of(syscall) else Origin(Texts())

    def decides(event: Event) -> bool:
        captured = event.captured(arg)
        return captured is None or _is_settled(captured, event)

    def tells(key: Hashable) -> Value | None:
        assert isinstance(key, bytes)
        path = plain_path(key, arg)
        return None if path is None else part(path)

    return Origin(Texts(), decides, tells)


def _is_settled(path: Captured, event: Event) -> bool:
    """Where a relative path starts, only the process can tell, unless the kernel side did."""
    if path.data.startswith(b"/") or path.missing is not None:
        return True
    return not isinstance(event.directory(path.arg), Missing)


def _executable_came_along(event: Event) -> bool:
    return isinstance(event.executable, str)


def _tells_executable(key: Hashable) -> Value | None:
    assert isinstance(key, bytes)
    return plain_executable(key)


def _tells_memfd(key: Hashable) -> Value | None:
    """What is plain is a file: its path begins with a slash."""
    assert isinstance(key, bytes)
    path = plain_executable(key)
    return None if path is None else False


_OF_EXECUTABLE: Mapping[str, Origin] = MappingProxyType(
    {
        "proc.exepath": Origin(Texts(), _executable_came_along, _tells_executable),
        "proc.is_exe_from_memfd": Origin(Texts(), _executable_came_along, _tells_memfd),
    }
)


_OF_PROGRAM: Mapping[str, Callable[[Process, str | None], Value]] = MappingProxyType(
    {
        "proc.exe": lambda process, _arg: exe(process),
        "proc.args": args,
        "proc.cmdline": lambda process, _arg: cmdline(process),
        "proc.exeline": lambda process, _arg: exeline(process),
    }
)


def _of_program(part: Callable[[Process, str | None], Value], arg: str | None) -> Origin:
    """What follows from the arguments that a successful exec was given."""

    def tells(key: Hashable) -> Value | None:
        if not isinstance(key, tuple):
            return None
        comm, texts = key
        argv = plain_argv(texts)
        return None if argv is None else part(Process(_NOBODY, text_of(comm), argv=argv), arg)

    return Origin(Executed(), _runs_what_it_was_given, tells)


_NOBODY = ProcessKey(0, 0)


def _runs_what_it_was_given(event: Event) -> bool:
    return (
        event.returned
        and event.ret == 0
        and any(text.capture is Capture.ARGV and text.missing is None for text in event.texts)
    )


def _creates_nothing(name: str) -> Callable[[Event], bool]:
    """Only an open call that may create a file looks at more than its flags."""

    def decides(event: Event) -> bool:
        flags = opens.open_flags(event, name)
        return isinstance(flags, Missing) or not flags & _CREATING

    return decides


_OF_OPEN = frozenset(
    (
        "evt.is_open_read",
        "evt.is_open_write",
        "evt.is_open_exec",
        "evt.is_open_create",
        "fd.type",
        "fd.typechar",
    )
)


def _of_open(name: str, syscall: Syscall) -> Origin | None:
    if syscall.name not in opens.OPEN_CALLS:
        if not name.startswith("fd."):
            return Origin(None)
        return Origin(Ends(own_port=False)) if descriptor_of(syscall) else Origin(Texts())
    flags = _index(syscall, "flags")
    if syscall.name == "creat":
        return None if name in ("evt.is_open_exec", "evt.is_open_create") else Origin(None)
    part = Texts() if flags is None else Register(flags)
    if name in ("evt.is_open_exec", "evt.is_open_create"):
        return Origin(part, _creates_nothing(syscall.name))
    return Origin(part)


def _index(syscall: Syscall, name: str) -> int | None:
    names = [arg.name for arg in syscall.args]
    return names.index(name) if name in names else None


def _of_no_register(name: str, syscall: Syscall) -> Origin | None:
    if syscall.name == "openat2" and name in ("flags", "mode", "resolve"):
        return Origin(Texts())
    told = (syscall.name in EXECS and name in OF_PROGRAM) or (syscall.name in opens.OPEN_CALLS and name == RETURNED)
    return None if told or name == RESULT else Origin(None)


def _of_argument(name: str, syscall: Syscall) -> Origin | None:
    index = argument_index(syscall, name)
    if index is None:
        return _of_no_register(name, syscall)
    capturing = next((one for one in captures_of(syscall) if one.arg == index), None)
    if capturing is None:
        return Origin(Register(index), momentary=id_kind(syscall, index) is not None)

    def decides(event: Event) -> bool:
        captured = event.captured(index)
        if captured is None or captured.capture is Capture.BYTES:  # the register is shown
            return False
        return not capturing.is_path or _is_settled(captured, event)

    return Origin(Texts(), decides)
