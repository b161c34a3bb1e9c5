"""Sets of capabilities as text."""

from monitord.abi.arch import Abi
from monitord.tables.constants import names_of


def capability_names(bits: int) -> str:
    """``CAP_CHOWN CAP_KILL``, lowest first; a bit without a name is ``CAP_63``."""
    names = names_of(Abi.X86_64, "capability")  # the same on all architectures
    return " ".join(names.get(bit, f"CAP_{bit}") for bit in range(bits.bit_length()) if bits >> bit & 1)
