"""Where the secrets are in a text, and the text without them."""

import fnmatch
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from monitord.dataclass import dataclass
from monitord.privacy import phrases

MASK = "***"
"""Stands for a secret, whatever its length."""

REMEMBERED = 512
"""Command lines, and texts, of 8 KiB at most."""

DEPTH = 3
"""Of quotes in an argument that are read as command lines: in ``sh -c 'su -c "..."'`` there is one."""

Span = tuple[int, int]
"""Where in a text a secret begins and ends."""

# Each of these reads a text in one pass, whatever is in it: a program must not make us slow by its arguments.
# Groups are (?>(...)*), not (...)*+: before Python 3.11.5 (gh-106052) that can end too early.
_NAME = re.compile(r"(?<![\w.-])([\w.-]++)\\*+[\"']?\s*+\]?\s*+([=:]++)>?\s*+")
_VALUE = re.compile(
    r"\*{3}(?![^\s\"'\\,;}\])])"  # once masked
    r"|\"[^\"\\]*+(?>(?:\\.[^\"\\]*+)*)\"?|'[^']*+'?|\[[^]]*+\]?"
    r"|(\\++[\"'])(?>(?:[^\\]++|(?!(?<!\\)\1)\\)*)(?:\1)?"  # to the quote that is escaped as often
    r"|(?:(?:basic|bearer|digest|token) +)?"
    r"(?>(?:[/#][\w.-]++=(?:\"[^\"]*+\"?|'[^']*+'?)|\\ |[^\s&;,\"'<>|)])+)",  # sed s/NAME=.*/NAME='...'/ among them
    re.I | re.S,
)
_HEADER = re.compile(r"(?:-H)?x-|.*(?:authorization|cookie)\Z", re.I)  # of HTTP: there are blanks in the value
_QUOTE = re.compile(r"\\*[\"']\Z")
_IN_QUOTES = re.compile(r"\\*[\"'\[]")
_LINE = re.compile(r"\*{3}(?![^\s\"'\\])|(?>(?:[^\"'\\\n]++|\"[^\"\n]*+\"|'[^'\n]*+'|\\.)*)")
_URL_USER = re.compile(
    r"https?://([^\s/:@]++)(?:@|:(?:x-oauth-basic)?@(?![^\s/@]*+@))"  # alone, it is a token
    r"|://(?:[^\s/:@]*+:([^\s/]+)|((?=[^\s/:@\d]*+\d)[^\s/:@]{25,}+))@",  # and where it is too long for a name
    re.I,
)
_QUOTED = r"(?<!\\)(?:\"[^\"\\]*+(?>(?:\\.[^\"\\]*+)*)\"|'[^']*+')"
_STRING = re.compile(_QUOTED, re.S)
_WORD = re.compile(rf"(?>(?:[^\s\"';|&()`\\]++|{_QUOTED}|\\(?![\n\"']))+)|[;|&]++(?!\S)", re.S)
_OPTION = re.compile(r"(?:--?|//\S++/:)([\w.-]++)")  # npm's names of registries' settings among them
_NAMES_NEXT = re.compile(r"--arg(?:json)?|config(?:ure)?", re.I)  # jq --arg token ..., npm config set token ...
_SET = re.compile(r"set(?:-\S+)?", re.I)
_LONG_OPTION = re.compile(r"--[\w-]++=")
_NAMED = re.compile(r"[\w.-]++=")
_NOT_A_WORD = re.compile(r"[=:\s]")  # without one of these nothing is named in a text: most short values are such


@dataclass(frozen=True, slots=True)
class _OfProgram:
    """An option of some programs alone; `attached` when the secret is in the same argument."""

    program: re.Pattern[str]
    option: re.Pattern[str]
    attached: bool


class Masks:
    """
    Finds secrets by the names that they are given by.

    A name is a glob, and case, dashes, dots, underscores and a number at the end make no difference: ``*_token`` masks
    what is behind ``--api-token``, ``--api-token=``, ``API_TOKEN2=``, ``"api_token":``. ``PROGRAM:OPTION`` masks the
    argument behind the option of a program, with a star at its end what is behind the option in the same argument
    (``mysql*:-p*``); letters in brackets may stand in it (``zip:-[qr]P`` is ``-P``, ``-rP``, ``-qrP``).
    User and password in a URL are found without a name.

    :param items: names and options, as the configuration has them (`monitord.config.mask`).
    """

    def __init__(self, items: Iterable[str]) -> None:
        names, ends, self._of_programs = [], [], []
        for item in items:
            program, colon, option = item.partition(":")
            end = _plain(item).removeprefix("*")
            if colon:
                self._of_programs.append(_of_program(program, option))
            elif item.startswith("*") and not re.search(r"[*?[]", end):
                ends.append(end)  # most of them, and an expression takes 3 times as long
            else:
                names.append(fnmatch.translate(_plain(item)))
        self._ends = tuple(ends)
        self._name = re.compile("|".join(names) or "(?!)")
        self._program = re.compile("|".join(one.program.pattern for one in self._of_programs) or "(?!)")
        # The command lines of a process and its ancestors are in each of its alerts: 1 ms without, 0.1 ms with this.
        self._remembered = lru_cache(REMEMBERED)(self._argv)
        self._remembered_texts = lru_cache(REMEMBERED)(self._text)

    def text(self, text: str) -> str:
        """A text without its secrets."""
        return self._remembered_texts(text) if len(text) >= phrases.SHORTEST or _NOT_A_WORD.search(text) else text

    def argv(self, argv: Sequence[str]) -> tuple[str, ...]:
        """A command line without its secrets."""
        return self._remembered(tuple(argv))

    def environment(self, variables: Iterable[str]) -> tuple[str, ...]:
        """Environment variables, as NAME=value, without secrets: without the whole value, if the name says so."""
        parts = (variable.partition("=") for variable in variables)
        return tuple(name + equals + self.named(name, value) for name, equals, value in parts)

    def named(self, name: str, value: str) -> str:
        """A value without secrets: nothing of it is left, if its name says so."""
        return MASK if self._hides(name, value) else self.text(value)

    def _text(self, text: str) -> str:
        return _without(text, self._of_text(text))

    def _argv(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        found = zip(argv, self._of_argv(argv), strict=True)
        return tuple(_without(arg, [span] if span else self._of_text(arg)) for arg, span in found)

    def _hides(self, name: str, value: str) -> bool:
        plain = _plain(name)
        if plain == "pwd" and value.lstrip("\"'").startswith(("/", "`", "$(")):
            return False  # the shell's own: a directory
        return self._is_hidden(plain) or (plain[-1:].isdigit() and self._is_hidden(plain.rstrip("0123456789_")))

    def _is_hidden(self, plain: str) -> bool:
        return plain.endswith(self._ends) or self._name.fullmatch(plain) is not None

    def _of_argv(self, argv: Sequence[str]) -> Iterator[Span | None]:
        """What is secret in each argument by its option; None where no option says so."""
        options: dict[_OfProgram, None] = {}  # each once, however often its program is named
        next_is_secret = next_is_name = False
        for arg, behind in zip(argv, (*argv[1:], ""), strict=False):
            if next_is_secret:
                next_is_secret = False
                yield 0, len(arg)
                continue
            attached = [match.end() for one in options if one.attached and (match := one.option.match(arg))]
            longest = max(attached, default=len(arg))
            name, equals, value = arg.partition("=")
            next_is_secret = any(not one.attached and one.option.fullmatch(arg) for one in options)
            of_program = equals and any(one.option.fullmatch(name) for one in options)
            if longest < len(arg):
                yield longest, len(arg)
            elif equals and (of_program or self._hides(name, value)) and _NAMED.match(arg):
                yield len(name) + 1, len(arg)
            else:
                option = _OPTION.fullmatch(arg)
                stays_next = next_is_name and (arg.startswith("-") or _SET.fullmatch(arg) is not None)
                called = option[1] if option else arg if next_is_name and not stays_next else ""
                next_is_secret = next_is_secret or (called != "" and self._hides(called, behind))
                next_is_name = stays_next or _NAMES_NEXT.fullmatch(arg) is not None
                yield None
            # Behind sudo, env and the like, the program is not the first argument.
            name = arg.rpartition("/")[2].lstrip("-")
            if self._program.fullmatch(name):
                options |= dict.fromkeys(one for one in self._of_programs if one.program.fullmatch(name))
            elif arg and not arg.strip(";|&"):
                options, next_is_name = {}, False

    def _of_text(self, text: str) -> list[Span]:
        spans = [match.span(match.lastindex or 0) for match in _URL_USER.finditer(text)] if "://" in text else []
        spans += phrases.of_shape(text)
        done = 0
        for match in _NAME.finditer(text):
            # What looks like a name inside a secret is not read: a row of them would be read to the end by each.
            begin = match.end()
            if match.start() >= done and self._hides(match[1], text[begin : begin + 3]):
                done = _end_of_header(text, match) or _end(_VALUE.match(text, begin), begin)
                spans.append((begin, done))
        if len(text.split(None, 1)) > 1:
            spans += phrases.of_sql(text)
            spans += self._of_words(text, DEPTH)
        return spans

    def _of_words(self, text: str, depth: int) -> Iterator[Span]:
        """Secrets of what may be a command line of its own, as the argument of ``sh -c`` is."""
        begin = _end(_LONG_OPTION.match(text), 0)  # as of su --command=...
        words = [_unquoted(text, *match.span()) for match in _WORD.finditer(text, begin)]
        of_words = self._of_argv([text[begin:end] for begin, end in words])
        yield from ((at + span[0], at + span[1]) for (at, _), span in zip(words, of_words, strict=True) if span)
        yield from phrases.of_input(text)
        if depth and ('"' in text or "'" in text):
            for begin, end in (_unquoted(text, *match.span()) for match in _STRING.finditer(text)):
                if " " in (string := text[begin:end]):
                    yield from ((begin + span[0], begin + span[1]) for span in self._of_words(string, depth - 1))


def _of_program(program: str, option: str) -> _OfProgram:
    letters = re.sub(r"\\\[(.+?)\\\]", r"[\1]*+", re.escape(option.removesuffix("*")))
    return _OfProgram(re.compile(fnmatch.translate(program)), re.compile(letters), option.endswith("*"))


def _plain(name: str) -> str:
    return name.lstrip("-").lower().replace("-", "_").replace(".", "_")


def _end_of_header(text: str, name: re.Match[str]) -> int:
    """Where a header ends that is secret as a whole: at the quote that it is in, or with its line; 0 if it is none."""
    begin, value = name.span()
    if name[2] != ":" or not _HEADER.match(name[1]):
        return 0
    if _IN_QUOTES.match(text, name.end(1)) or _IN_QUOTES.match(text, value):
        return 0  # of a document
    if quote := _QUOTE.search(text, max(0, begin - 8), begin):
        closing = re.compile(r"(?<!\\)" + re.escape(quote[0])).search(text, value)
        return closing.start() if closing else len(text)
    # In a shell, what has no quotes and no blank is a word, and behind it is the rest of the command.
    is_word = not text[value - 1].isspace() and re.compile(r"\s").search(text, 0, begin)
    return 0 if is_word else _end(_LINE.match(text, value), value)


def _end(match: re.Match[str] | None, otherwise: int) -> int:
    return match.end() if match else otherwise


def _unquoted(text: str, begin: int, end: int) -> Span:
    return (begin + 1, end - 1) if text[begin] in "\"'" and text[begin] == text[end - 1] else (begin, end)


def _without(text: str, spans: Iterable[Span]) -> str:
    """The text with its secrets masked; spans may overlap and come in any order."""
    pieces, at = [], 0
    for begin, end in sorted(span for span in spans if span[0] < span[1]):
        if at <= begin:
            pieces += [text[at:begin], MASK]
        at = max(at, end)
    return "".join((*pieces, text[at:]))
