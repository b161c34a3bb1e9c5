"""Working directories over time."""

from collections.abc import Sequence

from monitord.abi.event import NO_ARGUMENT, Capture
from monitord.model.event import Captured, directory_in
from monitord.model.path import below
from monitord.model.text import text_of
from monitord.model.value import Missing, Value

MOVES = 64
"""
Moves kept of a directory, some 150 bytes each: a program that walks a tree makes many before its events are judged. An
event from before all of them is told that it comes late.
"""

Moves = tuple[tuple[int, Value | None], ...]


class Directory:
    """
    The working directory of a process, or of several that share it (CLONE_FS).

    :ivar moves: (since_ns, path), the latest last; a path is None where only /proc can tell.
    """

    __slots__ = ("moves",)

    def __init__(self, moves: Moves = ()) -> None:
        self.moves = moves

    def inherited(self, ts_ns: int) -> "Directory":
        """That of a process which was made at a time."""
        moves = self.moves
        if not moves or moves[-1][0] <= ts_ns:
            return Directory(moves[-1:])
        return Directory(tuple(move for move in moves if move[0] <= ts_ns)[-1:])

    def unshared(self) -> "Directory":
        """That of a process which moves by itself from now on."""
        return Directory(self.moves)

    def followed(self, ts_ns: int, other: "Directory") -> "Directory":
        """This one until a time, and another from then on; what shares that one does not share this."""
        path = other.moves[-1][1] if other.moves else None
        return Directory((*self.moves[1 - MOVES :], (ts_ns, path)))

    def move(self, ts_ns: int, path: Value | None) -> None:
        """It is another from a time on; None where only /proc can tell."""
        self.moves = (*self.moves[1 - MOVES :], (ts_ns, path))

    def moved(self, ts_ns: int, texts: Sequence[Captured]) -> None:
        """
        What chdir and its like said, unless it is of another thread's directory.

        Where it is deeper than the kernel side reads, it follows from where it was and what chdir was given, as long as
        the names that were read agree: a link would make another path of it.
        """
        path = directory_in(texts)
        if path is Missing.NOT_APPLICABLE:
            return
        if isinstance(path, Missing):
            given = next((text.text for text in texts if text.capture is Capture.STR), Missing.NOT_APPLICABLE)
            read = next(text for text in texts if text.capture is Capture.DIRECTORY and text.arg == NO_ARGUMENT)
            before, _ = self.at(ts_ns)
            path = below(before or Missing.LATE, given) if isinstance(given, str) else given
            inner = text_of(b"".join(b"/" + name for name in reversed(read.data.split(b"\0")[:-1])))
            if not inner or isinstance(path, Missing) or not str(path).endswith(inner):
                path = Missing.LATE
        self.move(ts_ns, None if isinstance(path, Missing) else path)

    def learn(self, path: Value) -> None:
        """What /proc says now, where nothing is known."""
        since_ns = self.moves[-1][0] if self.moves else 0
        self.moves = (*self.moves[:-1], (since_ns, path))

    def forget(self) -> None:
        """Moves may have been missed."""
        self.moves = ()

    def at(self, ts_ns: int) -> tuple[Value | None, bool]:
        """
        Where it was at a time.

        :return: None when that is not known; and whether no later move is known, so that /proc may show it.
        """
        moves = self.moves
        if not moves:
            return None, True
        since_ns, path = moves[-1]
        if since_ns <= ts_ns:
            return path, True
        for since_ns, path in reversed(moves):
            if since_ns <= ts_ns:
                return path, False
        return None, False
