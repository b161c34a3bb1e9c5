"""Secrets that no name and no option tells, but their looks, or what is done with them in SQL and in a shell."""

import re
from collections.abc import Iterator

Span = tuple[int, int]
"""Where in a text a secret begins and ends."""

# As in `monitord.privacy.masks`, each of these reads a text in one pass.
_SQL = re.compile(
    r"\b(?:password(?:\s++for\s++\S++\s*+=)?|identified\s++(?:with\s++\S++\s++)?(?:by|as))(?:\s++password\b)?[\s(]++"
    r"[en]?(?:'\\''([^']++)|\\*+'((?>(?:[^'\\]++|\\.|'')+))|\\*+\"([^\"\\]++))",
    re.I | re.S,
)
SHORTEST = 24
"""Characters of a secret that is one by its looks."""

# Tokens of GitHub, GitLab, npm, DigitalOcean, Slack, OpenAI and Anthropic, PyPI, Vault, SendGrid and Google, those of
# JWT, Telegram's bots, addresses of Slack's and Discord's hooks, Azure's signatures, and keys of openssl and ssh.
_SHAPE = re.compile(
    r"(?<![\w-])(?:gh[oprsu]_[a-zA-Z\d]{30,}+|github_pat_\w{30,}+|gl(?:pat|rt|dt|cbt)-[\w-]{16,}+|npm_[a-zA-Z\d]{30,}+"
    r"|dop_v1_[a-f\d]{40,}+|xox[a-z]-[\w-]{16,}+|sk-(?:proj-|ant-\w++-)?\w{20,}[\w-]*+|pypi-[\w-]{40,}+|hv[bs]\.[\w-]{20,}+"
    r"|SG\.[\w-]{16,}+\.[\w-]{16,}+|AIza[\w-]{30,}+|eyJ[\w-]{8,}+\.eyJ[\w-]{8,}+\.[\w-]*+)"
    r"|(?<=/bot)\d{6,}+:[\w-]{30,}+|(?<=hooks\.slack\.com/services/)[\w/]++|(?<=/api/webhooks/)[\w/-]++"
    r"|(?:(?<=\?sig=)|(?<=&sig=))[\w%+/=-]++"
    r"|(?<=PRIVATE KEY-----)(?:[a-zA-Z\d+/=\s]|\\n)++"
)
_SEPARATOR = re.compile(r"\"(?>(?:[^\"\\]++|\\.)*)\"?|'[^']*+'?|\\.|(\|\|?|&&|[;\n])", re.S)
_ECHO = re.compile(r"[\s({!]*+(?:echo|printf)\s++(?:-\w++\s++)*+", re.S)
_TAKES_ONE = re.compile(
    r"[\s({!]*+(?:sudo\s++(?:\S++\s++){0,4}?)?(?:[^\s\"']*/)?(?:(?:ch|vnc|ht)?+passwd|smbpasswd|cryptsetup|kinit)(?!\S)"
    r"|(?=[^\"']*?(?:\b(?:pass\w*+|token|key|secret)-stdin|--passphrase-fd|--with-token|\bsudo\s++(?:-\w++\s++)*?-[a-zA-Z]*S)\b)",
)
_HERE = "<<<"

_Command = tuple[int, int, str]
"""Where in a text it begins and ends, and what separates it from the next."""


def of_shape(text: str) -> Iterator[Span]:
    """What is a secret wherever it stands."""
    return (match.span() for match in _SHAPE.finditer(text))


def of_sql(text: str) -> Iterator[Span]:
    """What a statement makes a password, without its quotes: ``PASSWORD '...'``, ``IDENTIFIED BY '...'``."""
    for match in _SQL.finditer(text):
        yield match.span(match.lastindex or 0)


def of_input(text: str) -> Iterator[Span]:
    """What is given to a program that reads a password: ``echo ... | chpasswd``, ``passwd <<< ...``."""
    before: list[_Command] = []  # of the same pipe
    for begin, end, separator in _commands(text):
        if _TAKES_ONE.match(text, begin, end):
            here = text.find(_HERE, begin, end)
            if here >= 0:
                yield _stripped(text, here + len(_HERE), end)
            if before and before[-1][2] == "|":
                yield from _echoed(text, before)
        if before and before[-1][2] == "|":
            before = []
        before.append((begin, end, separator))


def _commands(text: str) -> Iterator[_Command]:
    begin = 0
    for match in _SEPARATOR.finditer(text):
        if match[1]:
            yield begin, match.start(), match[1]
            begin = match.end()
    yield begin, len(text), ""


def _echoed(text: str, commands: list[_Command]) -> Iterator[Span]:
    """What the last command writes, or those of its group: ``(echo a; echo b)``."""
    begin, end, _ = commands[-1]
    grouped = text[begin:end].rstrip().endswith((")", "}"))
    for begin, end, _ in reversed(commands if grouped else commands[-1:]):
        if echo := _ECHO.match(text, begin, end):
            yield _stripped(text, echo.end(), end)
        if text[begin:end].lstrip().startswith(("(", "{")):
            return


def _stripped(text: str, begin: int, end: int) -> Span:
    """Without blanks and what closes a group."""
    shorter = text[begin:end].rstrip(" \t)}")
    return begin + len(shorter) - len(shorter.lstrip()), begin + len(shorter)
