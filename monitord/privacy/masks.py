"""Where the secrets are in a text, and the text without them."""

import fnmatch
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

MASK = "***"
"""Stands for a secret, whatever its length."""

REMEMBERED = 512
"""Command lines, and texts, of 8 KiB at most."""

Span = tuple[int, int]
"""Where in a text a secret begins and ends."""

# Each of these reads a text in one pass, whatever is in it: a program must not make us slow by its arguments.
_NAME = re.compile(r"(?<![\w.-])([\w.-]++)[\"']?\s*+[=:]\s*+")
_VALUE = re.compile(
    r"\"(?:[^\"\\]|\\.)*+\"?|'[^']*+'?|(?:(?:basic|bearer|digest|token) +)?[^\s&;,\"'<>|)]++", re.I | re.S
)
_URL_USER = re.compile(r"://[^\s/:@]*+:([^\s/]+)@|https?://([^\s/:@]++)@")  # alone, it is a token
_WORD = re.compile(r"(?:\"(?:[^\"\\]|\\.)*+\"|'[^']*+'|[^\s\"';|&()\\]|\\(?!\n))++", re.S)
_OPTION = re.compile(r"--?([\w.-]++)")
_NAMED = re.compile(r"[\w.-]++=")
_NOT_A_WORD = re.compile(r"[=:\s]")  # without one of these nothing is named in a text: most values are such


@dataclass(frozen=True, slots=True)
class _OfProgram:
    """An option of some programs alone; `attached` when the secret is in the same argument."""

    program: re.Pattern[str]
    option: str
    attached: bool


class Masks:
    """
    Finds secrets by the names that they are given by.

    A name is a glob, and case, dashes, dots and underscores make no difference: ``*_token`` masks what is behind
    ``--api-token``, ``--api-token=``, ``API_TOKEN=``, ``"api_token":``. ``PROGRAM:OPTION`` masks the argument behind
    the option of a program, with a star at its end what is behind the option in the same argument (``mysql*:-p*``).
    User and password in a URL are found without a name.

    :param items: names and options, as the configuration has them (`monitord.config.mask`).
    """

    def __init__(self, items: Iterable[str]) -> None:
        names, self._of_programs = [], []
        for item in items:
            program, colon, option = item.partition(":")
            if colon:
                pattern = re.compile(fnmatch.translate(program))
                self._of_programs.append(_OfProgram(pattern, option.removesuffix("*"), option.endswith("*")))
            else:
                names.append(fnmatch.translate(_plain(item)))
        self._name = re.compile("|".join(names) or "(?!)")
        self._program = re.compile("|".join(one.program.pattern for one in self._of_programs) or "(?!)")
        # The command lines of a process and its ancestors are in each of its alerts: 1 ms without, 0.1 ms with this.
        self._remembered = lru_cache(REMEMBERED)(self._argv)
        self._remembered_texts = lru_cache(REMEMBERED)(self._text)

    def text(self, text: str) -> str:
        """A text without its secrets."""
        return self._remembered_texts(text) if _NOT_A_WORD.search(text) else text

    def argv(self, argv: Sequence[str]) -> tuple[str, ...]:
        """A command line without its secrets."""
        return self._remembered(tuple(argv))

    def environment(self, variables: Iterable[str]) -> tuple[str, ...]:
        """Environment variables, as NAME=value, without secrets: without the whole value, if the name says so."""
        parts = (variable.partition("=") for variable in variables)
        return tuple(name + equals + self.named(name, value) for name, equals, value in parts)

    def named(self, name: str, value: str) -> str:
        """A value without secrets: nothing of it is left, if its name says so."""
        return MASK if self._hides(name) else self.text(value)

    def _text(self, text: str) -> str:
        return _without(text, self._of_text(text, nested=True))

    def _argv(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_without(arg, spans) for arg, spans in zip(argv, self._of_argv(argv, nested=True), strict=True))

    def _hides(self, name: str) -> bool:
        return self._name.fullmatch(_plain(name)) is not None

    def _of_argv(self, argv: Sequence[str], nested: bool) -> Iterator[list[Span]]:
        """:param nested: whether an argument may be a command line of its own, as that of ``sh -c`` is."""
        options: list[_OfProgram] = []
        next_is_secret = False
        for arg in argv:
            if next_is_secret:
                next_is_secret = False
                yield [(0, len(arg))]
                continue
            attached = [one.option for one in options if one.attached and arg.startswith(one.option)]
            longest = max(map(len, attached), default=len(arg))
            name, equals, _ = arg.partition("=")
            next_is_secret = any(one.option == arg and not one.attached for one in options)
            if longest < len(arg):
                yield [(longest, len(arg))]
            elif equals and (self._hides(name) or any(one.option == name for one in options)) and _NAMED.match(arg):
                yield [(len(name) + 1, len(arg))]
            else:
                option = _OPTION.fullmatch(arg)
                next_is_secret = next_is_secret or (option is not None and self._hides(option[1]))
                yield self._of_text(arg, nested)
            # Behind sudo, env and the like, the program is not the first argument.
            name = arg.rpartition("/")[2].lstrip("-")
            if self._program.fullmatch(name):
                options += [one for one in self._of_programs if one.program.fullmatch(name)]

    def _of_text(self, text: str, nested: bool) -> list[Span]:
        spans = [match.span(match.lastindex or 0) for match in _URL_USER.finditer(text)]
        done = 0
        for match in _NAME.finditer(text):
            # What looks like a name inside a secret is not read: a row of them would be read to the end by each.
            if match.start() >= done and self._hides(match[1]) and (value := _VALUE.match(text, match.end())):
                spans.append(value.span())
                done = value.end()
        if nested and len(text.split(None, 1)) > 1:
            words = [match.span() for match in _WORD.finditer(text)]
            of_words = self._of_argv([text[begin:end] for begin, end in words], nested=False)
            for (at, _), found in zip(words, of_words, strict=True):
                spans += [(at + begin, at + end) for begin, end in found]
        return spans


def _plain(name: str) -> str:
    return name.lstrip("-").lower().replace("-", "_").replace(".", "_")


def _without(text: str, spans: Iterable[Span]) -> str:
    """The text with its secrets masked; spans may overlap and come in any order."""
    pieces, at = [], 0
    for begin, end in sorted(span for span in spans if span[0] < span[1]):
        if at <= begin:
            pieces += [text[at:begin], MASK]
        at = max(at, end)
    return "".join((*pieces, text[at:]))
