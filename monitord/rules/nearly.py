"""Words in conditions and lists that are meant as the names of lists, and misspelt."""

import difflib
import re
from collections.abc import Callable, Collection, Iterator, Mapping

from monitord.rules.ast import Node, checks_in
from monitord.rules.reader import Place

MAX_PAIRS = 50_000
"""Words times names that are compared; people's files have some hundred. It takes half a second."""

_SHORTEST = 5
_ALIKE = 0.85
_WORD = re.compile(r"[A-Za-z]\w+", re.ASCII)


def bare_words(node: Node, text: str) -> Iterator[tuple[str, int]]:
    """The literals of a parsed condition that could be the name of a list, and where they stand."""
    for check in checks_in(node):
        for word, at in zip(check.values, check.places, strict=False):
            if len(word) >= _SHORTEST and text.startswith(word, at) and _WORD.fullmatch(word):
                yield word, at


def nearly_lists(
    words: Mapping[str, Callable[[], Place]], lists: Collection[str], unused: Collection[str]
) -> Iterator[tuple[Place, str, str]]:
    """
    The words that are nearly the name of a list.

    With a `_` a word looks like a name rather than like a program or a file. Without, only a list that nothing uses is
    a reason to doubt it: `crond` is a program, though there be a list `cron`.

    :param words: with what finds the place of each.
    :param unused: those of `lists` that nothing names.
    """
    pairs = 0
    for word, place in words.items():
        names = lists if "_" in word else unused
        pairs += len(names)
        if pairs > MAX_PAIRS:
            return
        close = difflib.get_close_matches(word, names, n=1, cutoff=_ALIKE)
        if close and word not in lists:
            yield place(), word, close[0]
