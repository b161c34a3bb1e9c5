"""
Which rows of a group: a number with one bit per row, the lowest for row 0.

Of numpy's arrays of bool, combining two costs ten times as much, and there are dozens of combinations per batch.
"""

from collections.abc import Iterator

import numpy as np

from monitord.model.array import NDArray

Mask = int

_DIGITS = bytes.maketrans(b"\0\1", b"01")


def mask_of(column: NDArray[np.bool_]) -> Mask:
    """
    The rows where a column is true.

    :param column: (n,), n at least 1.
    """
    return int(column.tobytes()[::-1].translate(_DIGITS), 2)


def rows_of(mask: Mask) -> Iterator[int]:
    """The rows, in their order."""
    digits = f"{mask:b}"[::-1]
    row = digits.find("1")
    while row >= 0:
        yield row
        row = digits.find("1", row + 1)
