"""
The local socket that `monitord status` asks.

A client sends one line of JSON, ``{"ask": "status"}``, and gets one line of JSON back. Who may ask is who may open the
socket: root, and its group.
"""

import contextlib
import grp
import json
import logging
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from monitord.config.schema import ControlConfig

ASK_BYTES = 4096

CLIENT_S = 2.0
"""For a client to send its line, and to take the answer. One is served at a time, and eight may wait."""

_SECOND_MS = 1000

_PAUSE_S = 0.1
"""Between two tries to accept a client without a descriptor for it."""

MODE = 0o660

_log = logging.getLogger(__name__)

Answer = Callable[[], Mapping[str, Any]]


class ControlServer:
    """
    Serves clients from a thread of its own, which nothing waits for.

    :param answers: what can be asked.
    :param every_second: called by that thread between clients.
    :raises OSError: the socket cannot be made.
    """

    def __init__(
        self, path: Path, group: str | None, answers: Mapping[str, Answer], every_second: Callable[[], None]
    ) -> None:
        self._path = path
        self._answers = answers
        self._every_second = every_second
        self._ended = threading.Event()
        self._socket = _listening(path, group)
        self._inode = path.stat().st_ino
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop, and take the socket away if it is still ours."""
        self._ended.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes poll()
        if self._thread.is_alive():
            self._thread.join(CLIENT_S)
        self._socket.close()
        with contextlib.suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()

    def _serve(self) -> None:
        # Not settimeout(): of a socket that was shut down accept() asks again and again then, until the time is over.
        self._socket.setblocking(False)
        waiting = select.poll()
        waiting.register(self._socket, select.POLLIN)
        failed = False
        while not self._ended.is_set():
            client = None
            try:
                if waiting.poll(_SECOND_MS):
                    client, _ = self._socket.accept()
                    failed = False
            except BlockingIOError:
                pass  # `close` woke us
            except OSError as err:
                if self._ended.is_set():
                    return
                if not failed:  # for want of descriptors, most likely
                    _log.warning("monitord status waits: %s", err.strerror)
                failed = True
                self._ended.wait(_PAUSE_S)
            try:
                self._every_second()
                if client is not None:
                    self._answer(client)
            except OSError:
                pass  # a client that went away, or is too slow, is nobody's trouble
            except Exception:  # noqa: BLE001 - the outer edge of the thread
                _log.exception("a request on the control socket failed")
            finally:
                if client is not None:
                    client.close()

    def _answer(self, client: socket.socket) -> None:
        end_s = time.monotonic() + CLIENT_S
        line = b""
        while not line.endswith(b"\n") and len(line) <= ASK_BYTES:
            client.settimeout(max(1e-3, end_s - time.monotonic()))
            part = client.recv(ASK_BYTES + 1 - len(line))
            if not part:
                return
            line += part
        client.settimeout(CLIENT_S)
        client.sendall(json.dumps(self._reply(line)).encode() + b"\n")

    def _reply(self, line: bytes) -> Mapping[str, Any]:
        known = ", ".join(self._answers)
        try:
            answer = self._answers[json.loads(line if len(line) <= ASK_BYTES else b"")["ask"]]
        except (ValueError, KeyError, TypeError, RecursionError):
            return {"error": f'not a request; send {{"ask": WORD}} and a newline, WORD one of: {known}'}
        return answer()


def open_control(
    config: ControlConfig, answers: Mapping[str, Answer], every_second: Callable[[], None]
) -> ControlServer | None:
    """The server, not started; None when none is wanted, or when it cannot be made, which the log then says."""
    if config.socket is None:
        return None
    try:
        return ControlServer(config.socket, config.group, answers, every_second)
    except OSError as err:
        why = err.strerror or str(err)
        _log.warning("%s: %s; monitord status will not be answered; see control.socket", config.socket, why.lower())
        return None


def _listening(path: Path, group: str | None) -> socket.socket:
    """A listening socket at this path, for its owner and its group, never for others, not even for a moment."""
    if path.exists() and not path.is_socket():
        raise OSError("something else is there, and stays")
    if _answered(path):
        raise OSError("another monitord answers there")
    if not path.parent.exists():
        path.parent.mkdir(mode=0o755)
    # Made under another name and moved: a socket that a killed daemon left there is replaced in one step.
    made = path.with_name(f".{path.name}.{os.getpid()}")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.unlink(missing_ok=True)
        before = os.umask(0o777)
        try:
            listener.bind(str(made))
        finally:
            os.umask(before)
        if group is not None:
            _give_to(made, group)
        made.chmod(MODE)
        listener.listen(8)
        made.rename(path)
    except OSError:
        listener.close()
        with contextlib.suppress(OSError):
            made.unlink(missing_ok=True)
        raise
    return listener


def _answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(1)
        try:
            client.connect(str(path))
        except OSError as err:
            return isinstance(err, (BlockingIOError, TimeoutError))  # somebody listens, and is busy
    return True


def _give_to(path: Path, group: str) -> None:
    try:
        gid = grp.getgrnam(group).gr_gid
    except KeyError:
        _log.warning("there is no group %s, control.group: only the owner of %s can ask", group, path.parent)
        return
    try:
        os.chown(path, -1, gid)
    except PermissionError:
        if gid not in os.getgroups():
            _log.warning("cannot give %s to the group %s, control.group: only its owner can ask", path.parent, group)
