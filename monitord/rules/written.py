"""Conditions as the text that parses to them."""

import re

from monitord.rules.ast import Check, FieldRef, Op, Operand

_BARE = re.compile(r"[\w./*?:@%+-]+")
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(1, 0x20), 0x7F)} | str.maketrans(
    {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
)
_LISTS = frozenset((Op.IN, Op.INTERSECTS, Op.PMATCH))


def written_check(check: Check, most: int | None = None) -> str:
    """
    ``fd.name in (/etc/shadow, "/a b")``

    :param most: values that are written out; None for all.
    """
    left = written_operand(check.operand)
    if check.op is Op.EXISTS:
        return f"{left} exists"
    if check.other is not None:
        return f"{left} {check.op} val({written_operand(check.other)})"
    literals = list(map(written_literal, check.values))
    if most is not None and len(literals) > most + 1:
        literals[most:] = [f"... {len(literals) - most} more"]
    values = ", ".join(literals)
    if check.quantifier is not None:
        return f"{left} {check.op} {check.quantifier} ({values})"
    return f"{left} {check.op} ({values})" if check.op in _LISTS else f"{left} {check.op} {values}"


def written_operand(operand: Operand | str | tuple[str, ...]) -> str:
    """``tolower(proc.name)``"""
    if isinstance(operand, FieldRef):
        return str(operand)
    if isinstance(operand, str):
        return written_literal(operand)
    if isinstance(operand, tuple):
        return f"({', '.join(map(written_literal, operand))})"
    index = "" if operand.arg is None else f"[{operand.arg}]"
    return f"{operand.function}({', '.join(map(written_operand, operand.args))}){index}"


def written_literal(text: str) -> str:
    """A literal, in quotes where it needs them."""
    return text if _BARE.fullmatch(text) else f'"{text.translate(_ESCAPES)}"'
