"""
`glob` and `pmatch`: fnmatch(3) with no flags, so that ``*`` crosses ``/`` and a leading dot is nothing special.

The translation uses atomic groups: after each ``*`` the first place where the text goes on as the pattern does is
final, which is right for globs and leaves nothing to backtrack into.
"""

import re
from collections.abc import Callable

_SLASHES = re.compile("/+")
_WILD = re.compile(r"[*?\[\\]")

_POSIX_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t-\r ",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}


def glob_test(pattern: str, ignore_case: bool = False) -> Callable[[str], bool]:
    """
    A test of whole texts against a glob: ``*``, ``?``, ``[a-z]``, ``[!a]``, ``[[:digit:]]``, and backslash to quote.

    :param ignore_case: of ASCII letters, as FNM_CASEFOLD in the C locale.
    """
    flags = re.DOTALL | re.ASCII | (re.IGNORECASE if ignore_case else 0)
    compiled = re.compile(_translate(pattern), flags)
    return lambda text: compiled.fullmatch(text) is not None


def _translate(pattern: str) -> str:
    parts = [""]  # between the stars
    at = 0
    while at < len(pattern):
        letter = pattern[at]
        at += 1
        if letter == "*":
            if parts[-1] or len(parts) == 1:
                parts.append("")
        elif letter == "?":
            parts[-1] += "."
        elif letter == "[" and (end := _bracket_end(pattern, at)) > 0:
            parts[-1] += _bracket(pattern[at : end - 1])
            at = end
        elif letter == "\\":
            parts[-1] += re.escape(pattern[at]) if at < len(pattern) else "(?!)"  # quotes nothing: matches nothing
            at += 1
        else:
            parts[-1] += re.escape(letter)
    if len(parts) == 1:
        return parts[0]
    return parts[0] + "".join(f"(?>.*?{part})" for part in parts[1:-1]) + f".*{parts[-1]}"


def _bracket_end(pattern: str, at: int) -> int:
    """The offset behind the ``]`` that closes a bracket expression whose inside begins at `at`; -1 when none does."""
    if pattern[at : at + 1] in ("!", "^"):
        at += 1
    begin = at
    while at < len(pattern):
        if pattern[at] == "]" and at > begin:
            return at + 1
        if pattern.startswith("[:", at) and (close := pattern.find(":]", at + 2)) > 0:
            at = close + 2
        else:
            at += 2 if pattern[at] == "\\" else 1
    return -1


def _bracket(inside: str) -> str:
    inverted = inside[:1] in ("!", "^")
    body = ""
    at = int(inverted)
    while at < len(inside):
        if inside.startswith("[:", at) and (close := inside.find(":]", at + 2)) > 0:
            body += _POSIX_CLASSES.get(inside[at + 2 : close], "")
            at = close + 2
            continue
        low, at = _bracket_char(inside, at)
        if inside[at : at + 1] == "-" and at + 1 < len(inside):
            high, at = _bracket_char(inside, at + 1)
            if low <= high:
                body += f"{re.escape(low)}-{re.escape(high)}"
        else:
            body += re.escape(low)
    if not body:
        return "." if inverted else "(?!)"
    return f"[{'^' if inverted else ''}{body}]"


def _bracket_char(inside: str, at: int) -> tuple[str, int]:
    if inside[at] == "\\" and at + 1 < len(inside):
        at += 1
    return inside[at], at + 1


def path_prefix_test(prefixes: tuple[str, ...]) -> Callable[[str], bool]:
    """
    A test of paths: whether the components of any prefix, which may be globs, begin those of the path.

    ``/var/log`` takes ``/var/log`` and ``/var/log/syslog``, not ``/var/logs``.
    """
    literals = tuple(_spelled(prefix) for prefix in prefixes if not _WILD.search(prefix))
    globs = [_spelled(prefix) for prefix in prefixes if _WILD.search(prefix)]
    # Hardly any path begins as far as to the first wildcard, and all prefixes are compared so far at one go.
    stems = tuple(_WILD.split(glob, 1)[0] for glob in globs)
    whole = [[glob_test(component) for component in _components(glob)] for glob in globs]

    def test(path: str) -> bool:
        spelled = _spelled(path)
        if spelled.startswith(literals):
            return True
        if not spelled.startswith(stems):
            return False
        parts = _components(path)
        return any(
            len(components) <= len(parts) and all(one(part) for one, part in zip(components, parts, strict=False))
            for components in whole
        )

    return test


def _spelled(path: str) -> str:
    """With one slash behind every component."""
    if "//" in path:
        path = _SLASHES.sub("/", path)
    return path if path.endswith("/") or not path else path + "/"


def _components(path: str) -> list[str]:
    return ["/"] * path.startswith("/") + [part for part in path.split("/") if part]
