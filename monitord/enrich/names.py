"""User and group names, host view."""

import grp
import os
import pwd
import threading
import time
from collections.abc import Callable
from pathlib import Path

from monitord.model.value import Missing

MAX_AGE_S = 60.0
"""Names come from the name service (files, systemd, LDAP), and not all of it has a file whose change can be seen."""

LOOK_EVERY_S = 0.1
"""How often the file is looked at: each alert asks for some names, and a look takes longer than all else about them."""

NAMES_MAX = 65536
"""A program can run through all uids; what it makes us remember stays bounded."""

PATIENCE_S = 0.1
"""What a name is waited for, while the name service answers at all. From files it comes in 50 us."""

IDLE_S = 1.0
"""How long the thread that asks stays without a question."""


class Names:
    """
    The names behind numeric ids, remembered until the database file changes or `MAX_AGE_S` is over.

    A thread of its own asks: a name service that hangs keeps nobody waiting.

    :param lookup: the name of an id; KeyError when it has none.
    :param database: the file whose change makes the names stale.
    :param clock: seconds, monotonic.
    """

    def __init__(
        self, lookup: Callable[[int], str], database: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lookup = lookup
        self._database = database
        self._clock = clock
        self._names: dict[int, str | Missing] = {}
        self._version = (0, 0)
        self._fresh_until_s = 0.0
        self._look_s = 0.0
        self._changed = threading.Condition()  # what follows, and the names
        self._asked: dict[int, None] = {}
        self._asking = False
        self._hangs = False

    def name(self, number: int) -> str | Missing:
        """The name of an id; `Missing.UNKNOWN` when it has none, LATE while the answer is waited for."""
        now_s = self._clock()
        if now_s >= self._look_s or len(self._names) >= NAMES_MAX:
            self._look_s = now_s + LOOK_EVERY_S
            self._look(now_s)
        found = self._names.get(number)
        return self._ask(number) if found is None else found

    def _ask(self, number: int) -> str | Missing:
        with self._changed:
            if len(self._asked) < NAMES_MAX:
                self._asked[number] = None
            self._changed.notify_all()
            if not self._asking:
                try:
                    threading.Thread(target=self._answer_all, name="names", daemon=True).start()
                except RuntimeError:  # pthread_create(3): EAGAIN; the next question tries again
                    return Missing.LATE
                self._asking = True
            if not self._hangs:
                self._hangs = not self._changed.wait_for(lambda: number in self._names, PATIENCE_S)
            return self._names.get(number, Missing.LATE)

    def _answer_all(self) -> None:
        while True:
            with self._changed:
                if not self._changed.wait_for(lambda: self._asked, IDLE_S):
                    self._asking = False
                    return
                number = next(iter(self._asked))
            name = self._answer(number)
            with self._changed:
                self._names[number] = name
                del self._asked[number]
                self._hangs = False
                self._changed.notify_all()

    def _answer(self, number: int) -> str | Missing:
        try:
            return self._lookup(number)
        except (KeyError, OSError, OverflowError):
            return Missing.UNKNOWN

    def _look(self, now_s: float) -> None:
        """Forget the names that can be other ones now."""
        version = self._stamp()
        if version != self._version or now_s >= self._fresh_until_s or len(self._names) >= NAMES_MAX:
            with self._changed:
                self._names.clear()
            self._version, self._fresh_until_s = version, now_s + MAX_AGE_S

    def _stamp(self) -> tuple[int, int]:
        try:
            found = os.stat(self._database)
        except OSError:
            return 0, 0
        return found.st_ino, found.st_mtime_ns


def user_names() -> Names:
    """Names of users."""
    return Names(lambda uid: pwd.getpwuid(uid).pw_name, Path("/etc/passwd"))


def user_homes() -> Names:
    """Home directories of users."""
    return Names(lambda uid: pwd.getpwuid(uid).pw_dir, Path("/etc/passwd"))


def user_shells() -> Names:
    """Login shells of users."""
    return Names(lambda uid: pwd.getpwuid(uid).pw_shell, Path("/etc/passwd"))


def group_names() -> Names:
    """Names of groups."""
    return Names(lambda gid: grp.getgrgid(gid).gr_name, Path("/etc/group"))
