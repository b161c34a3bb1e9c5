"""What tests of process names, of paths and of opened files mean for the bytes that the kernel compares."""

import functools
import re
from collections.abc import Iterable

from monitord.model.clause import both, only
from monitord.model.facts import COMM, LEAF, LEAF_BYTES, PATH, TOP
from monitord.model.interest import SUCCEEDED
from monitord.model.limit import Names, Paths
from monitord.model.text import DELETED
from monitord.rules.ast import Check, Op, Quantifier
from monitord.rules.registers import UNKNOWN, Truth

COMM_BYTES = 15
"""The longest name of a process."""

_WILD = re.compile(r"[*?\[\\]")
_NEVER = ("//", "/./", "/..", "../")
"""What `monitord.model.facts.plain_path` excludes."""

_SLASHES = re.compile("/+")


@functools.lru_cache(maxsize=1024)
def of_name(check: Check) -> Truth:
    """A test of ``proc.name``, which is never missing."""
    if check.op not in (Op.EQ, Op.NE, Op.IN) or check.quantifier is not None:
        return UNKNOWN
    names = [_bytes(text) for text in check.values]
    if None in names:
        return UNKNOWN
    # No process has a longer name, nor one with a NUL.
    members = frozenset(name for name in names if name is not None and len(name) <= COMM_BYTES and 0 not in name)
    equal = Names(members, listed=True)
    truth = Truth(only(COMM, equal), only(COMM, ~equal))
    return ~truth if check.op is Op.NE else truth


@functools.lru_cache(maxsize=1024)
def of_path(check: Check) -> Truth:
    """A test of the path that a call was given, made absolute and normal."""
    texts = [_bytes(text) for text in check.values]
    marks = [text for text in texts if text is not None]
    if len(marks) < len(texts) or any(0 in mark for mark in marks):
        return UNKNOWN
    if check.op in (Op.EQ, Op.NE, Op.IN) and check.quantifier is None:
        truth = _exactly(mark + b"\0" for mark in marks)
        return ~truth if check.op is Op.NE else truth
    if check.op is Op.STARTSWITH and (check.quantifier is Quantifier.ANYOF or len(marks) == 1):
        return _exactly(marks)
    if check.op in (Op.CONTAINS, Op.ICONTAINS) and (check.quantifier is Quantifier.ANYOF or len(marks) == 1):
        # What no plain path holds: only others may.
        roundabout = all(any(part in text for part in _NEVER) for text in check.values)
        return Truth(only(PATH, Paths((), others=False)), UNKNOWN.false) if roundabout else UNKNOWN
    if check.op is Op.PMATCH:
        return _below(check.values)
    return UNKNOWN


@functools.lru_cache(maxsize=1024)
def of_directory(check: Check) -> Truth:
    """A test of the directory that such a path is in."""
    texts = [_bytes(text) for text in check.values]
    marks = [text for text in texts if text is not None]
    if len(marks) < len(texts) or any(0 in mark for mark in marks):
        return UNKNOWN
    if check.op in (Op.EQ, Op.NE, Op.IN) and check.quantifier is None:
        # All that is in the directory begins so, and what is deeper down as well.
        begins = Paths.beginning(mark if mark.endswith(b"/") else mark + b"/" for mark in marks)
        truth = Truth(only(PATH, begins), UNKNOWN.false)
        return ~truth if check.op is Op.NE else truth
    if check.op is Op.STARTSWITH and (check.quantifier is Quantifier.ANYOF or len(marks) == 1):
        return Truth(only(PATH, Paths.beginning(marks)), UNKNOWN.false)
    return UNKNOWN


@functools.lru_cache(maxsize=1024)
def of_opened(check: Check) -> Truth:
    """
    A test of the path of what an open has opened: missing when it failed, else told apart by the path's last name, or
    by its first one.
    """
    if len(check.values) == 1 or check.op in (Op.IN, Op.PMATCH) or check.quantifier is Quantifier.ANYOF:
        for key, name_of in ((LEAF, _leaf), (TOP, _top)):
            names = [name_of(text, check.op) for text in check.values]
            known = frozenset(name[:LEAF_BYTES] for name in names if name is not None)
            if None not in names:
                return Truth(both(SUCCEEDED, only(key, Names(known, listed=True))), UNKNOWN.false)
    return Truth(SUCCEEDED, UNKNOWN.false)


def _leaf(text: str, op: Op) -> bytes | None:
    """
    The last name of all paths that a test with this literal holds for; None where they have several.

    What is in no directory is left out: ``pipe:[4711]``, and ``/memfd:NAME (deleted)``, whose name may have slashes.
    """
    _, slash, leaf = text.rpartition("/")
    if not slash or text.endswith(DELETED) or (op in (Op.EQ, Op.IN) and not text.startswith("/")):
        return None
    if op not in (Op.EQ, Op.IN, Op.ENDSWITH) and (op is not Op.GLOB or _WILD.search(leaf) or "]" in leaf):
        return None
    return _bytes(leaf)


def _top(text: str, op: Op) -> bytes | None:
    """
    The first name of all paths that a test with this literal holds for; None where they have several.

    The root directory has none, and is never told apart.
    """
    if op not in (Op.EQ, Op.IN, Op.STARTSWITH, Op.GLOB, Op.PMATCH) or text.endswith(DELETED):
        return None
    stem = _WILD.split(text, maxsplit=1)[0] if op in (Op.GLOB, Op.PMATCH) else text
    if op is Op.PMATCH:
        stem = _SLASHES.sub("/", stem)
    root, *names = stem.split("/")
    # The last of several may go on, but for whole paths, and what is below one.
    whole = op in (Op.EQ, Op.IN) or (op is Op.PMATCH and stem == text)
    if root or not names or not names[0] or (len(names) == 1 and not whole):
        return None
    return _bytes(names[0])


def _exactly(marks: Iterable[bytes]) -> Truth:
    begins = Paths.beginning(marks)
    return Truth(only(PATH, begins), only(PATH, ~begins))


def _below(prefixes: tuple[str, ...]) -> Truth:
    """``pmatch``: for a glob, what stands before its first wildcard is compared."""
    sure: list[bytes] = []
    maybe: list[bytes] = []
    for prefix in prefixes:
        stem = _WILD.split(prefix, maxsplit=1)[0]
        marks = sure if stem == prefix else maybe
        encoded = _bytes(_SLASHES.sub("/", stem))
        if encoded is None or not encoded or 0 in encoded:
            return UNKNOWN
        if marks is maybe:
            marks.append(encoded.removesuffix(b"/") + b"\0")
            marks.append(encoded)
        else:
            whole = encoded.removesuffix(b"/")
            marks += [whole + b"\0", whole + b"/"]
    return Truth(only(PATH, Paths.beginning(sure + maybe)), only(PATH, ~Paths.beginning(sure)))


def _bytes(text: str) -> bytes | None:
    """A literal as the kernel has it; None where what is no UTF-8 could be cut in another place than the literal."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return None
