"""Amounts as people write them."""


def amount(number: int, noun: str) -> str:
    """``1 alert``, ``23 alerts``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
