"""``evt.is_open_*`` and ``evt.is_io_*``: how the call uses a file."""

from collections.abc import Callable

from monitord.model.event import Event
from monitord.model.interest import Along
from monitord.model.process import Context
from monitord.model.value import Missing, Value
from monitord.rules import opens
from monitord.rules.field import Extract, Field, FieldType
from monitord.rules.fields import sources
from monitord.tables.canonical import canonical

_HOW = "openat2's struct was not readable"

_READING = "read readv pread64 preadv preadv2 recv recvfrom recvmsg recvmmsg mq_timedreceive"
_WRITING = "write writev pwrite64 pwritev pwritev2 send sendto sendmsg sendmmsg sendfile mq_timedsend"
READS, WRITES = frozenset(_READING.split(" ")), frozenset(_WRITING.split(" "))
"""Calls by which data comes and goes, by canonical name."""


def _open(way: Callable[[Event, str], Value]) -> Extract:
    def extract(event: Event, context: Context, _arg: str | None) -> Value:
        syscall = context.syscall(event)
        return False if syscall is None or syscall.name not in opens.OPEN_CALLS else way(event, syscall.name)

    return extract


def _is_one_of(calls: frozenset[str]) -> Extract:
    def extract(event: Event, context: Context, _arg: str | None) -> Value:
        syscall = context.syscall(event)
        return syscall is not None and canonical(syscall.name) in calls

    return extract


def _direction(event: Event, context: Context, _arg: str | None) -> Value:
    syscall = context.syscall(event)
    name = "" if syscall is None else canonical(syscall.name)
    if name in READS:
        return "read"
    return "write" if name in WRITES else Missing.NOT_APPLICABLE


def _length(event: Event, context: Context, _arg: str | None) -> Value:
    syscall = context.syscall(event)
    if syscall is None or canonical(syscall.name) not in READS | WRITES or event.failed:
        return Missing.NOT_APPLICABLE
    return event.ret if event.returned else Missing.UNFINISHED


ACCESS_FIELDS = (
    Field(
        "evt.is_open_read",
        FieldType.BOOL,
        "a file is opened for reading (open, openat, openat2, open_by_handle_at)",
        sources.CALL,
        _HOW,
        _open(opens.is_open_read),
    ),
    Field(
        "evt.is_open_write",
        FieldType.BOOL,
        "a file is opened for writing (the same calls)",
        sources.CALL,
        _HOW,
        _open(opens.is_open_write),
    ),
    Field(
        "evt.is_open_exec",
        FieldType.BOOL,
        "a file is created with a permission to execute (the same calls, and creat)",
        sources.CALL,
        _HOW,
        _open(opens.is_open_exec),
    ),
    Field(
        "evt.is_open_create",
        FieldType.BOOL,
        "a file was created by an open (the same calls, and creat)",
        sources.CALL,
        "openat2's struct was not readable",
        _open(opens.is_open_create),
        along=Along.DESCRIPTOR,
    ),
    Field(
        "evt.is_io",
        FieldType.BOOL,
        "data is read or written",
        sources.EVENT,
        sources.NEVER,
        _is_one_of(READS | WRITES),
    ),
    Field(
        "evt.is_io_read",
        FieldType.BOOL,
        "data is read or received",
        sources.EVENT,
        sources.NEVER,
        _is_one_of(READS),
    ),
    Field(
        "evt.is_io_write",
        FieldType.BOOL,
        "data is written or sent",
        sources.EVENT,
        sources.NEVER,
        _is_one_of(WRITES),
    ),
    Field(
        "evt.io_dir",
        FieldType.TEXT,
        "read or write",
        sources.EVENT,
        "the call neither reads nor writes data",
        _direction,
    ),
    Field(
        "evt.buffer",
        FieldType.BYTES,
        "the data that is read or written",
        sources.CALL,
        "data is not copied",
    ),
    Field(
        "evt.buflen",
        FieldType.NUMBER,
        "bytes (messages, of sendmmsg and recvmmsg) that were read or written",
        sources.RESULT,
        "the call failed, or neither reads nor writes data",
        _length,
    ),
)
