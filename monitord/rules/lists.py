"""Lists are put into a condition as text, before it is parsed, wherever their name stands as a word."""

import re
from collections.abc import Mapping

from monitord.rules.graph import ordered, way_between
from monitord.rules.lexer import BARE
from monitord.rules.reader import Scalar
from monitord.rules.text import Text, joined

MAX_CHARS = 1 << 18
"""Characters of one condition once written out. Falco's longest, with all its lists, has some thousand."""

MAX_CHARS_ALL = 1 << 22
"""Characters of all lists once the lists in them are written out."""

# A word stands between blanks, parentheses, commas and '='; what is quoted is not a word. The closing quote is
# optional here, so that one that was forgotten costs no second look; the parser reports it.
_WORD = re.compile(r"\"(?:\\.|[^\"\\])*\"?|'(?:\\.|[^'\\])*'?|[^\s(),=\"']+", re.DOTALL)
_BEFORE = re.compile(r"[\s(),=]")
_COMMA = re.compile(r"\s*,")


class TooLargeError(ValueError):
    """The condition grows beyond `MAX_CHARS`."""


def put_in_lists(condition: Text, lists: Mapping[str, tuple[str, ...]], used: set[str]) -> Text:
    """
    The condition with every name of a list replaced by the list's items.

    Unlike Falco, a name inside a quoted text is left alone.

    :param lists: name -> items as `written`, nested lists already put in.
    :param used: the names met are added to it.
    :raises TooLargeError: there is no end to it.
    """
    text = condition.text
    parts: list[Text] = []
    size = done = 0
    for match in _WORD.finditer(text):
        name = match[0]
        if name not in lists or not _stands_alone(text, match.start(), match.end()):
            continue
        used.add(name)
        begin, end = match.span()
        if not lists[name]:
            begin, end = _with_comma(text, done, begin, end)
        items = ", ".join(lists[name])
        size += len(items)
        if size > MAX_CHARS:
            raise TooLargeError
        if begin > done:
            parts.append(condition.part(done, begin))
        origin = condition.part(match.start(), match.end()).pieces[0]
        parts.append(Text(items, (type(origin)(0, origin.scalar, origin.offset, fixed=True),)))
        done = end
    if done == 0:
        return condition
    parts.append(condition.part(done, len(text)))
    return joined(parts)


def _stands_alone(text: str, begin: int, end: int) -> bool:
    return (begin == 0 or _BEFORE.match(text, begin - 1) is not None) and (
        end == len(text) or _BEFORE.match(text, end) is not None
    )


def _with_comma(text: str, done: int, begin: int, end: int) -> tuple[int, int]:
    """An empty list takes the comma before it along, or else the one behind it; what is before `done` is gone."""
    before = begin
    while before > done and text[before - 1].isspace():
        before -= 1
    if before > done and text[before - 1] == ",":
        return before - 1, end
    behind = _COMMA.match(text, end)
    return (begin, behind.end()) if behind else (begin, end)


def written(item: str) -> str:
    """A list's item as it has to stand in a condition: quoted if need be, unless it brings its own quotes."""
    if item[:1] in ("'", '"') or BARE.fullmatch(item):
        return item
    escaped = item.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return '"' + escaped.replace("\t", "\\t") + '"'


class ListLoopError(ValueError):
    """
    A list contains itself.

    :ivar names: the way around, beginning and ending with the same name.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(" -> ".join(names))
        self.names = names


def flattened(
    lists: Mapping[str, tuple[Scalar, ...]], used: set[str]
) -> tuple[dict[str, tuple[str, ...]], dict[str, ListLoopError | TooLargeError]]:
    """
    The items of all lists as `written`, with the items of the lists that they name in their place.

    Its own name is a text like any other: a list `cron` may hold the program of that name.

    :param used: the names of lists met inside are added to it.
    :return: the items by list, and for those that have none what is wrong with them; of a circle, one list is there.
    """
    uses = {
        name: list(dict.fromkeys(item.text for item in items if item.text in lists and item.text != name))
        for name, items in lists.items()
    }
    used.update(*uses.values())
    order, circles = ordered(uses)
    flat: dict[str, tuple[str, ...]] = dict.fromkeys(lists, ())
    failed: dict[str, ListLoopError | TooLargeError] = {}
    total = 0
    for name in order:
        inner = set(uses[name])
        items: list[str] = []
        size = 0
        for item in lists[name]:
            more = flat[item.text] if item.text in inner else (written(item.text),)
            size += sum(map(len, more)) + 2 * len(more)
            if size > MAX_CHARS or total + size > MAX_CHARS_ALL:
                failed[name] = TooLargeError()
                break
            items.extend(more)
        else:
            total += size
            flat[name] = tuple(items)
    for name in list(circles):
        ways = (way_between(other, name, circles) for other in circles.get(name, ()))
        way = next((way for way in ways if way), None)
        if way:
            failed[name] = ListLoopError((name, *way))
            for around in way:
                circles.pop(around, None)
    return flat, failed
