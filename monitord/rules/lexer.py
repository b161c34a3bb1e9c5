"""The words of a condition. What a text means depends on where it stands, so the parser says what it expects."""

import re
from re import Pattern

BLANKS = re.compile(r"[ \t\n\r\v\f]*")
AND = re.compile(r"and(?=[\s(])")
OR = re.compile(r"or(?=[\s(])")
NOT = re.compile(r"not(?=[\s(])")
FIELD = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*(?:\.[a-zA-Z][a-zA-Z0-9_]*)+", re.ASCII)
IDENTIFIER = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*", re.ASCII)
TRANSFORMER = re.compile(r"(tolower|toupper|b64|basename|len|join|concat|getopt)\(")
BARE_ARGUMENT = re.compile(r"[^\]\[\"'\s]+")
BARE = re.compile(r"[^()\"'\s=,]+")
NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|[+-]?[0-9]+\.?[0-9]*(?:[eE][+-][0-9]+)?")
VAL = re.compile(r"val\(")
# A plain value is never followed by a parenthesis, so one that is must be a modifier.
MODIFIER = re.compile(r"(oneof|anyof|allof)(?=\s*\()")
NUMBER_OPERATOR = re.compile(r"<=|>=|<|>")
TEXT_OPERATOR = re.compile(
    r"==|=|!=|(?:glob|iglob|contains|icontains|bcontains|startswith|bstartswith|endswith|regex)(?=\s)"
)
LIST_OPERATOR = re.compile(r"(?:intersects|in|pmatch)(?![a-zA-Z0-9_])")
COMPARED = re.compile(r"=|!=|[<>]|(?:in|contains|startswith|endswith|glob|pmatch|exists)\b")
EXISTS = re.compile(r"exists(?![a-zA-Z0-9_])")

_QUOTED_PIECE = {quote: re.compile(rf"[^\\{quote}]+") for quote in "\"'"}
_SHOWN = re.compile(r"[^\s()]{1,30}|[()]")
_HEX_PAIR = re.compile(r"[0-9a-fA-F]{2}")
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "\\": "\\", "/": "/"}


class ConditionError(ValueError):
    """
    The condition does not read.

    :ivar at: offset in the text where it stopped making sense.
    """

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


class Scanner:
    """A place in a text, moved on by the words that are taken."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def skip_blanks(self) -> None:
        """Move to the next character that is not a blank."""
        match = BLANKS.match(self.text, self.at)
        assert match is not None
        self.at = match.end()

    def take(self, word: Pattern[str]) -> str | None:
        """Skip blanks, then take the word if it stands here; its first group, or all of it."""
        self.skip_blanks()
        match = word.match(self.text, self.at)
        if match is None:
            return None
        self.at = match.end()
        return match[match.lastindex or 0]

    def take_char(self, char: str) -> bool:
        """Skip blanks, then take one character if it stands here."""
        self.skip_blanks()
        if self.text.startswith(char, self.at):
            self.at += len(char)
            return True
        return False

    def peek(self) -> str:
        """The next word, shortened, for a message."""
        self.skip_blanks()
        match = _SHOWN.match(self.text, self.at)
        return f"'{match[0]}'" if match else "the end"

    def expect_char(self, char: str, why: str) -> None:
        """
        Take one character.

        :raises ConditionError: something else stands here.
        """
        if not self.take_char(char):
            raise ConditionError(f"expected '{char}' {why}, found {self.peek()}", self.at)

    def take_quoted(self) -> str | None:
        """
        Skip blanks, then take a quoted text if one stands here.

        Escapes are ``\\b \\f \\n \\r \\t \\\\ \\/ \\xHH``, the quote itself, and ``\\`` before a blank for a backslash.

        :raises ConditionError: an unknown escape, a NUL, or no closing quote.
        """
        self.skip_blanks()
        begin = self.at
        quote = self.text[begin : begin + 1]
        if quote not in _QUOTED_PIECE:
            return None
        piece = _QUOTED_PIECE[quote]
        pieces: list[bytes] = []
        self.at += 1
        while True:
            match = piece.match(self.text, self.at)
            if match:
                pieces.append(match[0].encode("utf-8", "surrogateescape"))
                self.at = match.end()
            letter = self.text[self.at : self.at + 1]
            if not letter:
                raise ConditionError(f"this {quote} is not closed", begin)
            self.at += 1
            if letter == quote:
                break
            pieces.append(self._escape(quote))
        value = b"".join(pieces)
        if b"\0" in value:
            raise ConditionError("a text cannot hold a NUL character", begin)
        return value.decode("utf-8", "surrogateescape")

    def _escape(self, quote: str) -> bytes:
        """What stands behind a backslash in quotes, the backslash being taken."""
        at = self.at - 1
        letter = self.text[self.at : self.at + 1]
        if letter == "x" and (match := _HEX_PAIR.match(self.text, self.at + 1)):
            self.at = match.end()
            return bytes.fromhex(match[0])
        if letter == " ":
            return b"\\"  # the blank itself is left to be read as text
        if letter == quote or letter in _ESCAPES:
            self.at += 1
            return _ESCAPES.get(letter, letter).encode()
        raise ConditionError(f"unknown escape '\\{letter}'; write '\\\\' for a backslash", at)
