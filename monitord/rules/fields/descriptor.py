"""``fd.*`` and ``fs.path.*``: the file that a call is about."""

from collections.abc import Callable

from monitord.model.descriptor import OpenFile
from monitord.model.event import Event
from monitord.model.interest import Along
from monitord.model.process import Context
from monitord.model.value import Missing, Value
from monitord.rules.field import Extract, Field, FieldType
from monitord.rules.fields import sources
from monitord.rules.fields.sides import address_of, socket_of
from monitord.rules.fields.socket import socket_name
from monitord.rules.opens import OPEN_CALLS, is_directory
from monitord.rules.path import first_path, path_argument, raw_path
from monitord.tables.descriptors import captured_at, descriptor_of

MAX_DESCRIPTOR = (1 << 31) - 1

_NO_KIND = "the descriptor is not open, and the call says nothing of it"
_NOT_OPEN = "the descriptor is not open, or of another kind"


def _number(event: Event, context: Context, _arg: str | None) -> Value:
    syscall = context.syscall(event)
    if syscall is None:
        return Missing.UNKNOWN
    about = descriptor_of(syscall)
    if about is None:
        return Missing.NOT_APPLICABLE
    if about.arg is not None:
        value = event.args[about.arg] & 0xFFFFFFFF
        return value - (1 << 32) if value >> 31 else value
    if not event.returned:
        return Missing.UNFINISHED
    return -1 if event.failed else min(max(event.ret, 0), MAX_DESCRIPTOR)


def file_of(event: Event, context: Context) -> OpenFile | Missing:
    """The file that the call is about, as the kernel has it open."""
    at = captured_at(context.syscall(event))
    return Missing.NOT_APPLICABLE if at is None else event.file(at)


def _name(event: Event, context: Context, _arg: str | None) -> Value:
    path = first_path(event, context)
    if path is not None:
        return path_argument(event, context, path)
    file = file_of(event, context)
    return socket_name(event, context) if isinstance(file, Missing) else file.path


def _real_path(event: Event, context: Context, _arg: str | None) -> Value:
    file = file_of(event, context)
    return file if isinstance(file, Missing) else file.path


def _raw_name(event: Event, context: Context, _arg: str | None) -> Value:
    path = first_path(event, context)
    return Missing.NOT_APPLICABLE if path is None else raw_path(event, path)


def _of_path(part: Callable[[str], str]) -> Extract:
    def extract(event: Event, context: Context, _arg: str | None) -> Value:
        path = first_path(event, context)
        name = _real_path(event, context, None) if path is None else path_argument(event, context, path)
        return name if isinstance(name, Missing) else part(str(name))

    return extract


def directory_of(path: str) -> str:
    """All but the last component."""
    return path.rpartition("/")[0] or "/"


def filename_of(path: str) -> str:
    """The last component."""
    return path.rpartition("/")[2]


def _kind(event: Event, context: Context) -> tuple[str, str] | Missing:
    """Falco's fd.typechar and fd.type: from an open call itself, so that one that fails has them, too."""
    syscall = context.syscall(event)
    if syscall is not None and syscall.name in OPEN_CALLS:
        return ("d", "directory") if is_directory(event, syscall.name) else ("f", "file")
    file = file_of(event, context)
    if not isinstance(file, Missing):
        return file.type_char, file.type_name
    own = socket_of(event, context)
    if not isinstance(own, Missing):
        return own.type_char, own.type_name
    address = address_of(event)
    return address if isinstance(address, Missing) else (address.type_char, address.type_name)


def _of_kind(part: int) -> Extract:
    def extract(event: Event, context: Context, _arg: str | None) -> Value:
        kind = _kind(event, context)
        return kind if isinstance(kind, Missing) else kind[part]

    return extract


def _of_file(name: str, type_: FieldType, meaning: str, part: Callable[[OpenFile], Value]) -> Field:
    def extract(event: Event, context: Context, _arg: str | None) -> Value:
        file = file_of(event, context)
        return file if isinstance(file, Missing) else part(file)

    return Field(name, type_, meaning, sources.KERNEL, _NOT_OPEN, extract, along=Along.DESCRIPTOR)


def _unique(event: Event, context: Context, _arg: str | None) -> Value:
    number = _number(event, context, None)
    return number if isinstance(number, Missing) else f"{event.pid}{number}"


def _inode(event: Event, context: Context, _arg: str | None) -> Value:
    file = file_of(event, context)
    if not isinstance(file, Missing):
        return file.ino
    own = socket_of(event, context)
    return own if isinstance(own, Missing) else own.ino


def _in_container(name: str, meaning: str, of: Extract) -> Field:
    def extract(event: Event, context: Context, _arg: str | None) -> Value:
        where = context.placement(event)
        value = of(event, context, None)
        if isinstance(where, Missing) or isinstance(value, Missing):
            return where if isinstance(where, Missing) else value
        return f"{where.container_id}:{value}"

    return Field(
        name, FieldType.TEXT, meaning, sources.KERNEL, sources.NO_PATH, extract, along=Along.DESCRIPTOR, by_path=True
    )


DESCRIPTOR_FIELDS = (
    Field(
        "fd.num",
        FieldType.NUMBER,
        "the descriptor: what an open call returned (-1 if it failed), or the argument fd",
        sources.CALL,
        "the call has no descriptor",
        _number,
    ),
    Field(
        "fd.name",
        FieldType.TEXT,
        "absolute path of the call's first path argument; else of the file behind the descriptor, "
        "as /proc shows it; client:port->server:port of a socket",
        sources.DESCRIPTOR,
        sources.NO_PATH,
        _name,
        along=Along.DESCRIPTOR,
        by_path=True,
    ),
    Field(
        "fd.realpath",
        FieldType.TEXT,
        "path of the file that an open call opened or that is behind the descriptor, whatever links led to it",
        sources.KERNEL,
        _NOT_OPEN,
        _real_path,
        along=Along.DESCRIPTOR,
    ),
    Field(
        "fd.nameraw",
        FieldType.TEXT,
        "that path as the caller wrote it, without repeated slashes",
        sources.CALL,
        sources.NO_PATH,
        _raw_name,
    ),
    Field(
        "fd.directory",
        FieldType.TEXT,
        "that path without its last component",
        sources.DESCRIPTOR,
        sources.NO_PATH,
        _of_path(directory_of),
        along=Along.DESCRIPTOR,
        by_path=True,
    ),
    Field(
        "fd.filename",
        FieldType.TEXT,
        "the last component of that path",
        sources.DESCRIPTOR,
        sources.NO_PATH,
        _of_path(filename_of),
        along=Along.DESCRIPTOR,
        by_path=True,
    ),
    Field(
        "fd.typechar",
        FieldType.TEXT,
        "f file, d directory, 4 IPv4, 6 IPv6, u unix socket, n netlink, p pipe, e event, s signalfd, l eventpoll, "
        "i inotify, t timer, b bpf, r io_uring, m memfd, P pidfd, o other",
        sources.DESCRIPTOR,
        _NO_KIND,
        _of_kind(0),
        along=Along.DESCRIPTOR,
        by_path=True,
    ),
    Field(
        "fd.type",
        FieldType.TEXT,
        "file, directory, ipv4, ipv6, unix, netlink, pipe, event, signalfd, eventpoll, inotify, timer, bpf, io_uring, "
        "memfd, pidfd, other",
        sources.DESCRIPTOR,
        _NO_KIND,
        _of_kind(1),
        along=Along.DESCRIPTOR,
        by_path=True,
    ),
    Field(
        "fd.types",
        FieldType.LIST,
        "fd.type of each descriptor that the call is about",
        sources.KERNEL,
        _NOT_OPEN,
    ),
    Field(
        "fd.uid",
        FieldType.TEXT,
        "process id and descriptor: unique on the host",
        sources.CALL,
        "the call has no descriptor",
        _unique,
    ),
    _of_file("fd.dev", FieldType.NUMBER, "device number of the file", lambda file: file.dev),
    _of_file("fd.dev.major", FieldType.NUMBER, "major device number of the file", lambda file: file.dev >> 20),
    _of_file("fd.dev.minor", FieldType.NUMBER, "minor device number of the file", lambda file: file.dev & 0xF_FFFF),
    Field(
        "fd.ino",
        FieldType.NUMBER,
        "inode number of the file or socket",
        sources.KERNEL,
        _NOT_OPEN,
        _inode,
        along=Along.DESCRIPTOR,
    ),
    _of_file(
        "fd.is_upper_layer",
        FieldType.BOOL,
        "the file is in the upper layer of an overlay",
        lambda file: file.upper_layer,
    ),
    _of_file(
        "fd.is_lower_layer",
        FieldType.BOOL,
        "the file is in a lower layer of an overlay",
        lambda file: file.lower_layer,
    ),
    _in_container("fd.containername", "container.id, a colon, and fd.name", _name),
    _in_container("fd.containerdirectory", "container.id, a colon, and fd.directory", _of_path(directory_of)),
)
