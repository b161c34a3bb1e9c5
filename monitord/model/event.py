"""An event, made readable."""

import struct
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from monitord.abi.arch import Abi
from monitord.abi.event import DESCRIPTOR_TEXT, EVENT, NO_ARGUMENT, TASK, TEXT, TEXTS, Capture, Flag, TextFlag
from monitord.dataclass import dataclass
from monitord.model.descriptor import OpenFile, ProgramFile, Socket, read_file, read_program, read_socket
from monitord.model.task import TaskState, read_task
from monitord.model.text import executable_of_link, path_of_names, text_of
from monitord.model.value import Missing, Value

_OF_CALLER = frozenset((Capture.STR, Capture.ARGV, Capture.SOCKADDR, Capture.BYTES))
"""What is copied from the caller's memory; all else is the kernel's own."""

# Enumerations take half a microsecond for each member that they make of a number, and for each operation on two.
_text_flag, _capture = cache(TextFlag), cache(Capture)
_TEXT = struct.Struct("<HBB")  # a row of `TEXT`
_TEXT_AT, _DATA_AT = ((EVENT.fields or {})[name][1] for name in ("text", "data"))
_TEXT_END = _TEXT_AT + TEXT.itemsize * TEXTS
_NOT_RETURNED, _NO_START = int(Flag.UNFINISHED | Flag.NO_RETURN), int(Flag.NO_START)
_ENVIRONMENT = int(Capture.ENVIRONMENT)
_ENVIRONMENT_AT = _TEXT_AT + TEXT.itemsize * DESCRIPTOR_TEXT
_NULL, _FAULT = int(TextFlag.NULL), int(TextFlag.FAULT)


class ProcessKey(NamedTuple):
    """A process: its pid alone can be given again."""

    pid: int
    start_ns: int


# What is made for each event that is judged is not frozen: it would take ten times as long to make. Nobody changes it.
@dataclass(slots=True, unsafe_hash=True)
class Captured:
    """One string or blob that the kernel side copied from the caller."""

    arg: int
    capture: Capture
    flags: TextFlag
    data: bytes
    lost: bool = False  # a continuation cell did not arrive

    @property
    def missing(self) -> Missing | None:
        """Why there is nothing in `data`, or None when there is."""
        flags = int(self.flags)
        if flags & _NULL:
            return Missing.NOT_APPLICABLE
        if flags & _FAULT:
            return Missing.FAULT
        return Missing.LOST if self.lost else None

    @property
    def text(self) -> Value:
        """The data as text, or why it is missing."""
        return self.missing or text_of(self.data)


def texts_of(cell: bytes, more: bytes = b"") -> tuple[Captured, ...]:
    """
    The strings of one record, read faster than numpy does.

    :param cell: the head cell.
    :param more: the string data behind it, of all cells that arrived.
    :return: without the environment, which is for who asks alone: what is in an event is written with it.
    """
    data = cell[_DATA_AT:] + more
    texts = []
    at = 0
    for size, source, flags in _TEXT.iter_unpack(cell[_TEXT_AT:_TEXT_END]):
        if source >> 4 == _ENVIRONMENT:
            at += size
        elif source:
            whole = data[at : at + size]
            lost = len(whole) < size
            texts.append(Captured(source & 15, _capture(source >> 4), _text_flag(flags), b"" if lost else whole, lost))
            at += size
    return tuple(texts)


def environment_in(cell: bytes, more: bytes = b"") -> bytes | None:
    """
    What the program of a successful exec was given: NAME=value, each with its NUL.

    :param cell: the head cell.
    :param more: the string data behind it, of all cells that arrived.
    :return: None where it did not come along: nobody asked for it, it was too long, or a cell was lost.
    """
    size, source, flags = _TEXT.unpack_from(cell, _ENVIRONMENT_AT)
    if source >> 4 != _ENVIRONMENT or flags:
        return None
    at = sum(before for before, _, _ in _TEXT.iter_unpack(cell[_TEXT_AT:_ENVIRONMENT_AT]))
    data = (cell[_DATA_AT:] + more)[at : at + size]
    return data if len(data) == size else None


def directory_in(texts: Sequence[Captured], arg: int = NO_ARGUMENT) -> Value:
    """What `Event.directory` is, and by default `Event.moved_to`."""
    for text in texts:
        if text.arg == arg and text.capture is Capture.DIRECTORY:
            return text.missing or path_of_names(text.data, text.flags)
    return Missing.NOT_APPLICABLE


def executable_in(texts: Sequence[Captured]) -> Value:
    """What `Event.executable` is."""
    return _file_in(texts, NO_ARGUMENT, Capture.EXE)


def _file_in(texts: Sequence[Captured], arg: int, capture: Capture) -> Value:
    for text in texts:
        if text.arg == arg and text.capture is capture:
            path = Missing.LOST if text.lost else path_of_names(text.data, text.flags)
            nowhere = isinstance(path, str) and int(text.flags) & _FAULT
            return executable_of_link(str(path)) if nowhere else path
    return Missing.NOT_APPLICABLE


@dataclass(slots=True, unsafe_hash=True)
class Event:
    """
    One system call, made readable. Built only for what matched, for sinks and for people.

    `ret` and `duration_ns` mean nothing where `flags` says so; ask `returned` and `timed`.
    """

    cpu: int
    seq: int
    ts_ns: int  # CLOCK_BOOTTIME, at return
    duration_ns: int
    abi: Abi
    nr: int
    flags: Flag
    args: tuple[int, ...]  # six raw registers, unsigned
    ret: int
    pid: int
    tid: int
    ppid: int
    start_ns: int
    uid: int  # effective, and so the group
    gid: int
    cgroup_id: int
    comm: str
    parent_comm: str
    texts: tuple[Captured, ...]

    @property
    def key(self) -> ProcessKey:
        """The process that made the call."""
        return ProcessKey(self.pid, self.start_ns)

    @property
    def returned(self) -> bool:
        """Whether `ret` means something."""
        return not int(self.flags) & _NOT_RETURNED

    @property
    def timed(self) -> bool:
        """Whether `duration_ns` means something."""
        return self.returned and not int(self.flags) & _NO_START

    @property
    def failed(self) -> bool:
        """Whether the call returned an error."""
        return self.returned and -4095 <= self.ret < 0

    def captured(self, arg: int) -> Captured | None:
        """What was copied for a syscall argument, if anything."""
        for text in self.texts:
            if text.arg == arg and text.capture in _OF_CALLER:
                return text
        return None

    def directory(self, arg: int) -> Value:
        """
        The directory that a relative path argument starts from, absolute, as it was when the call was made.

        :return: NOT_APPLICABLE when the path is absolute, or nothing was copied.
        """
        return directory_in(self.texts, arg)

    def behind(self, arg: int) -> Value:
        """
        The file that an empty path argument stands for (AT_EMPTY_PATH), absolute, as it was when the call was made.

        :return: ``memfd:NAME`` for a memory file; NOT_APPLICABLE for a pipe and the like, and when nothing was copied.
        """
        path = _file_in(self.texts, arg, Capture.DIRECTORY)
        in_no_directory = any(
            text.arg == arg and text.capture is Capture.DIRECTORY and int(text.flags) & _FAULT for text in self.texts
        )
        return Missing.NOT_APPLICABLE if in_no_directory and not str(path).startswith("memfd:") else path

    @property
    def moved_to(self) -> Value:
        """
        The working directory that chdir and its like have made, absolute, whatever links led to it.

        :return: NOT_APPLICABLE where it is not the process's: threads can have their own.
        """
        return self.directory(NO_ARGUMENT)

    @property
    def executable(self) -> Value:
        """
        The file that a successful exec runs, absolute, whatever names and links led to it.

        :return: ``memfd:NAME`` for a memory file, as in Falco; NOT_APPLICABLE for other calls.
        """
        return executable_in(self.texts)

    def file(self, arg: int = NO_ARGUMENT) -> OpenFile | Missing:
        """
        The file behind a descriptor.

        :param arg: index of the argument that holds it; by default the descriptor that the call returned.
        :return: NOT_APPLICABLE where it is a socket, or nothing was asked for; FAULT where it is not open.
        """
        text = self._of_kernel(arg, Capture.FILE)
        return text if isinstance(text, Missing) else read_file(text.data, text.flags)

    def socket(self, arg: int = NO_ARGUMENT) -> Socket | Missing:
        """The socket behind a descriptor; as `file`."""
        text = self._of_kernel(arg, Capture.SOCKET)
        return text if isinstance(text, Missing) else read_socket(text.data)

    @property
    def program(self) -> ProgramFile | Missing:
        """The inode that the process executes; NOT_APPLICABLE where nothing was asked for."""
        text = self._of_kernel(NO_ARGUMENT, Capture.TASK)
        return text if isinstance(text, Missing) else read_program(text.data[TASK.itemsize :])

    @property
    def task(self) -> TaskState | Missing:
        """More of the thread; NOT_APPLICABLE where nothing was asked for."""
        text = self._of_kernel(NO_ARGUMENT, Capture.TASK)
        return text if isinstance(text, Missing) else read_task(text.data)

    def _of_kernel(self, arg: int, capture: Capture) -> Captured | Missing:
        for text in self.texts:
            if text.arg == arg and text.capture is capture:
                return Missing.LOST if text.lost else text
        return Missing.NOT_APPLICABLE
