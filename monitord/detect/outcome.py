"""How the calls of a batch ended, as columns; what `Event` says of one."""

import numpy as np
from numpy.typing import NDArray

from monitord.abi.event import Flag
from monitord.model.event import EventBatch

_MAX_ERRNO = 4095

# Plain numbers: `|` of enum members costs more than the work on a short batch.
_NOT_RETURNED = int(Flag.UNFINISHED | Flag.NO_RETURN)
_FOREIGN = int(Flag.FOREIGN)


def returned(batch: EventBatch) -> NDArray[np.bool_]:
    """(n,) where `ret` means something."""
    mask: NDArray[np.bool_] = batch.records["flags"] & _NOT_RETURNED == 0
    return mask


def failed(batch: EventBatch) -> NDArray[np.bool_]:
    """(n,) where the call returned an error."""
    ret = batch.records["ret"]
    mask: NDArray[np.bool_] = (ret < 0) & (ret >= -_MAX_ERRNO) & returned(batch)
    return mask


def foreign(batch: EventBatch) -> NDArray[np.bool_]:
    """(n,) where 64-bit code made a 32-bit or x32 call."""
    mask: NDArray[np.bool_] = batch.records["flags"] & _FOREIGN != 0
    return mask
