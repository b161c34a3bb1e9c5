"""A condition's text put together from several places of files, which still knows where each part stands."""

import bisect

from monitord.dataclass import dataclass
from monitord.rules.reader import Place, Scalar


@dataclass(frozen=True, slots=True)
class Piece:
    """
    From `at` on, the text comes from here.

    :ivar fixed: all of the piece stands for one place: what a list's name was replaced with.
    """

    at: int
    scalar: Scalar
    offset: int = 0
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """
    :ivar pieces: in the order of the text, the first at 0.
    """

    text: str
    pieces: tuple[Piece, ...]

    @staticmethod
    def of(scalar: Scalar) -> "Text":
        """The text of one YAML scalar."""
        return Text(scalar.text, (Piece(0, scalar),))

    @staticmethod
    def standing_for(text: str, scalar: Scalar) -> "Text":
        """A text of our own that was made because of a scalar."""
        return Text(text, (Piece(0, scalar, fixed=True),))

    def place(self, at: int) -> Place:
        """Where a character of the text stands."""
        piece = self.pieces[bisect.bisect_right(self.pieces, at, key=lambda piece: piece.at) - 1]
        return piece.scalar.place(piece.offset if piece.fixed else piece.offset + at - piece.at)

    def is_fixed(self, at: int) -> bool:
        """Whether a character stands in place of something else: a list's item in that of the list's name."""
        return self.pieces[bisect.bisect_right(self.pieces, at, key=lambda piece: piece.at) - 1].fixed

    def part(self, begin: int, end: int) -> "Text":
        """text[begin:end]"""
        first = bisect.bisect_right(self.pieces, begin, key=lambda piece: piece.at) - 1
        pieces: list[Piece] = []
        for piece in self.pieces[first:]:
            if piece.at >= end and pieces:
                break
            skipped = max(begin - piece.at, 0)
            offset = piece.offset if piece.fixed else piece.offset + skipped
            pieces.append(Piece(max(piece.at - begin, 0), piece.scalar, offset, piece.fixed))
        return Text(self.text[begin:end], tuple(pieces))


def joined(parts: list[Text]) -> Text:
    """The parts one after the other."""
    pieces: list[Piece] = []
    at = 0
    for part in parts:
        pieces.extend(Piece(at + piece.at, piece.scalar, piece.offset, piece.fixed) for piece in part.pieces)
        at += len(part.text)
    return Text("".join(part.text for part in parts), tuple(pieces))
