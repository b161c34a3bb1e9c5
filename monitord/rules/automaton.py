"""
A regular expression as an automaton, by Thompson's construction: states, and the characters that lead to the next ones.

Syntax: POSIX extended (egrep), as RE2 in POSIX mode, plus ``(?:...)`` and ``\\d \\w \\s``; ``.`` is not a newline.
"""

from dataclasses import field

from monitord.dataclass import dataclass

MAX_STATES = 5_000
"""States of one pattern; what a person writes has some dozens. `{m,n}` copies its operand up to n times."""

MAX_REPEAT = 1_000
MAX_DEPTH = 50

_LAST = 0x10FFFF
_CLASSES = {
    "alnum": ((48, 57), (65, 90), (97, 122)),
    "alpha": ((65, 90), (97, 122)),
    "ascii": ((0, 127),),
    "blank": ((9, 9), (32, 32)),
    "cntrl": ((0, 31), (127, 127)),
    "digit": ((48, 57),),
    "graph": ((33, 126),),
    "lower": ((97, 122),),
    "print": ((32, 126),),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "space": ((9, 13), (32, 32)),
    "upper": ((65, 90),),
    "word": ((48, 57), (65, 90), (95, 95), (97, 122)),
    "xdigit": ((48, 57), (65, 70), (97, 102)),
}
_ESCAPED_CLASSES = {"d": "digit", "w": "word", "s": "space"}
_ESCAPED_CHARS = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}

Ranges = tuple[tuple[int, int], ...]


class RegexError(ValueError):
    """
    The pattern does not read.

    :ivar at: offset in the pattern.
    """

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


@dataclass(slots=True)
class State:
    """A state: the characters that lead to `then`, or (None) the ways on without a character."""

    ranges: Ranges | None = None
    then: int = -1
    ways: list[int] = field(default_factory=list)
    assertion: str = ""  # "^" or "$": `ways` is open only there


def _inverted(ranges: Ranges) -> Ranges:
    gaps = []
    free = 0
    for low, high in sorted(ranges):
        if low > free:
            gaps.append((free, low - 1))
        free = max(free, high + 1)
    if free <= _LAST:
        gaps.append((free, _LAST))
    return tuple(gaps)


class _Builder:
    """Recursive descent over the pattern; each method returns the (first, last) state of its fragment."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.depth = 0
        self.states: list[State] = []

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def take(self, text: str) -> bool:
        if self.pattern.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def state(self, ranges: Ranges | None = None, assertion: str = "") -> int:
        if len(self.states) >= MAX_STATES:
            raise RegexError("the pattern is too large once its repetitions are written out", self.at)
        self.states.append(State(ranges, assertion=assertion))
        return len(self.states) - 1

    def link(self, source: int, target: int) -> None:
        self.states[source].ways.append(target)

    def alternatives(self) -> tuple[int, int]:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise RegexError(f"groups are nested more than {MAX_DEPTH} deep", self.at)
        first, last = self.state(), self.state()
        while True:
            start, end = self.sequence()
            self.link(first, start)
            self.link(end, last)
            if not self.take("|"):
                break
        self.depth -= 1
        return first, last

    def sequence(self) -> tuple[int, int]:
        first = last = self.state()
        while self.peek() not in ("", "|", ")"):
            start, end = self.repeated()
            self.link(last, start)
            last = end
        return first, last

    def repeated(self) -> tuple[int, int]:
        begin = self.at
        fragment = self.atom()
        end = self.at
        while (bounds := self.bounds()) is not None:
            after = self.at
            fragment = self.copies(fragment, begin, end, *bounds)
            self.at = end = after
        return fragment

    def bounds(self) -> tuple[int, int | None] | None:
        if self.take("*"):
            return 0, None
        if self.take("+"):
            return 1, None
        if self.take("?"):
            return 0, 1
        at = self.at
        if not self.take("{"):
            return None
        low = self.number()
        high: int | None = low
        if self.take(","):
            high = None if self.peek() == "}" else self.number()
        if not self.take("}"):
            raise RegexError("'{' needs a repetition such as {2} or {2,5}; write \\{ for the character", at)
        if low > MAX_REPEAT or (high is not None and (high > MAX_REPEAT or high < low)):
            raise RegexError(f"repetition out of range: 0 to {MAX_REPEAT}, the smaller first", at)
        return low, high

    def number(self) -> int:
        at = self.at
        while self.peek() in tuple("0123456789"):
            self.at += 1
        digits = self.pattern[at : self.at]
        if not 0 < len(digits) <= len(str(MAX_REPEAT)):
            raise RegexError(f"a repetition is a number from 0 to {MAX_REPEAT}; write \\{{ for the character", at)
        return int(digits)

    def copies(self, fragment: tuple[int, int], begin: int, end: int, low: int, high: int | None) -> tuple[int, int]:
        """The fragment of pattern[begin:end], already built once, `low` to `high` times."""
        spare: tuple[int, int] | None = fragment

        def copy() -> tuple[int, int]:
            nonlocal spare
            if spare is not None:
                made, spare = spare, None
                return made
            self.at = begin
            made = self.atom()
            while self.at < end:  # a repetition of a repetition: a**
                inner = self.bounds()
                assert inner is not None
                after = self.at
                made = self.copies(made, begin, after, *inner)
                self.at = after
            return made

        first = last = self.state()
        for _ in range(low):
            start, stop = copy()
            self.link(last, start)
            last = stop
        if high is None:
            start, stop = copy()
            loop = self.state()
            self.link(last, loop)
            self.link(loop, start)
            self.link(stop, loop)
            return first, loop
        out = self.state()
        self.link(last, out)
        for _ in range(high - low):
            start, stop = copy()
            self.link(last, start)
            self.link(stop, out)
            last = stop
        return first, out

    def atom(self) -> tuple[int, int]:
        at = self.at
        if self.take("("):
            if self.take("?") and not self.take(":"):
                raise RegexError("only (?:...) is known of the (?...) forms, as RE2 reads POSIX patterns", at)
            fragment = self.alternatives()
            if not self.take(")"):
                raise RegexError("this '(' is not closed", at)
            return fragment
        if self.take("["):
            return self.character(self.bracket(at))
        if self.take("."):
            return self.character(_inverted(((10, 10),)))
        if self.peek() in ("^", "$"):
            self.at += 1
            first, last = self.state(assertion=self.pattern[at]), self.state()
            self.link(first, last)
            return first, last
        if self.take("\\"):
            return self.character(self.escape(at))
        if self.peek() in tuple("*+?{"):
            raise RegexError(f"nothing to repeat before '{self.peek()}'", at)
        self.at += 1
        code = ord(self.pattern[at])
        return self.character(((code, code),))

    def character(self, ranges: Ranges) -> tuple[int, int]:
        first, last = self.state(ranges), self.state()
        self.states[first].then = last
        return first, last

    def escape(self, at: int) -> Ranges:
        letter = self.peek()
        self.at += 1
        if letter.lower() in _ESCAPED_CLASSES:
            ranges = _CLASSES[_ESCAPED_CLASSES[letter.lower()]]
            return _inverted(ranges) if letter.isupper() else ranges
        if letter in _ESCAPED_CHARS:
            return ((_ESCAPED_CHARS[letter],) * 2,)
        if not letter or (letter.isascii() and letter.isalnum()):
            raise RegexError(f"unknown escape '\\{letter}'", at)
        return ((ord(letter),) * 2,)

    def bracket(self, at: int) -> Ranges:
        """The characters of a bracket expression; its ``[`` is taken."""
        inverted = self.take("^")
        ranges: list[tuple[int, int]] = []
        begin = self.at
        while self.peek() != "]" or self.at == begin:  # a ']' in the first place stands for itself
            if not self.peek():
                raise RegexError("this '[' is not closed", at)
            low = self.bracket_item(ranges)
            if low is None:
                continue
            high = low
            if self.peek() == "-" and self.pattern[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                upper = self.bracket_item([])
                if upper is None or upper < low:
                    raise RegexError("a range in '[...]' goes from a lower to a higher character", at)
                high = upper
            ranges.append((low, high))
        self.at += 1
        return _inverted(tuple(ranges)) if inverted else tuple(ranges)

    def bracket_item(self, ranges: list[tuple[int, int]]) -> int | None:
        """The code of one character, or None after adding a whole class to `ranges`."""
        at = self.at
        if self.take("[:"):
            end = self.pattern.find(":]", self.at)
            name = self.pattern[self.at : end] if end >= 0 else ""
            if name not in _CLASSES:
                raise RegexError(f"unknown class '[:{name}:]'; known: {', '.join(_CLASSES)}", at)
            self.at = end + 2
            ranges.extend(_CLASSES[name])
            return None
        if self.take("\\"):
            escaped = self.escape(at)
            if len(escaped) == 1 and escaped[0][0] == escaped[0][1]:
                return escaped[0][0]
            ranges.extend(escaped)
            return None
        self.at += 1
        return ord(self.pattern[at])


def automaton_of(pattern: str) -> tuple[list[State], int, int]:
    """
    The states of a pattern, the one where a text begins, and the one where it has to end.

    :raises RegexError: the pattern does not read.
    """
    builder = _Builder(pattern)
    first, last = builder.alternatives()
    if builder.at < len(pattern):
        raise RegexError("this ')' has no '('", builder.at)
    return builder.states, first, last
