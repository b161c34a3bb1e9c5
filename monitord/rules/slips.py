"""What people write in conditions who have other languages in mind, and what to write instead."""

import difflib

from monitord.rules.ast import Op

_SLIPS = {
    "&&": "write 'and'",
    "&": "write 'and'",
    "||": "write 'or'",
    "|": "write 'or'",
    "!": "write 'not'",
    "AND": "write it in lower case: and",
    "OR": "write it in lower case: or",
    "NOT": "write it in lower case: not",
    "#": "a condition has no comments",
    "[": "a list is in parentheses",
    "\N{LEFT DOUBLE QUOTATION MARK}": "quotes are \" or '",
    "\N{RIGHT DOUBLE QUOTATION MARK}": "quotes are \" or '",
    "\N{LEFT SINGLE QUOTATION MARK}": "quotes are \" or '",
    "\N{RIGHT SINGLE QUOTATION MARK}": "quotes are \" or '",
    ">": "not equal is !=",
    "not": "'not' stands before the test: not proc.name in (...)",
    "is": "equal is =",
    "equals": "equal is =",
    "eq": "equal is =",
    "like": "patterns are compared by glob",
    "matches": "patterns are compared by glob or regex",
    "starts": "did you mean 'startswith'?",
    "ends": "did you mean 'endswith'?",
}
"""What people write -> what the language has for it."""


def slip(found: str, operator: bool = False) -> str:
    """``; write 'and'`` and the like for a word that other languages have, or nothing."""
    word = found.strip("'")
    if not operator and word.isalpha() and word.islower() and word != "not":
        return ""
    hint = _SLIPS.get(word) or _SLIPS.get(word[:2]) or _SLIPS.get(word[:1]) or ""
    if operator and not hint:
        close = difflib.get_close_matches(word, list(Op), n=1)
        hint = f"did you mean '{close[0]}'?" if close else ""
    return hint and f"; {hint}"
