"""How the calls of a batch ended, as columns; what `Event` says of one."""

import numpy as np

from monitord.abi.event import Flag
from monitord.model.array import NDArray
from monitord.model.batch import EventBatch

_MAX_ERRNO = 4095

# Plain numbers: `|` of enum members costs more than the work on a short batch.
_NOT_RETURNED = int(Flag.UNFINISHED | Flag.NO_RETURN)
_FOREIGN = int(Flag.FOREIGN)


def returned(batch: EventBatch) -> NDArray[np.bool_]:
    """(n,) where `ret` means something."""
    mask: NDArray[np.bool_] = batch.records["flags"] & _NOT_RETURNED == 0
    return mask


def result_of(flags: int, ret: int) -> int:
    """What `results` says of one event."""
    if flags & _NOT_RETURNED:
        return 1
    return ret if -_MAX_ERRNO <= ret < 0 else 0


def foreign_of(flags: int) -> bool:
    """What `foreign` says of one event."""
    return bool(flags & _FOREIGN)


def failed(batch: EventBatch) -> NDArray[np.bool_]:
    """(n,) where the call returned an error."""
    return _is_error(batch.records["ret"]) & returned(batch)


def succeeded(batch: EventBatch) -> NDArray[np.bool_]:
    """(n,) where the call returned 0."""
    mask: NDArray[np.bool_] = (batch.records["ret"] == 0) & returned(batch)
    return mask


def results(batch: EventBatch) -> NDArray[np.int64]:
    """(n,) minus the errno, 0 for success, 1 where the call did not return."""
    ret = batch.records["ret"]
    numbers: NDArray[np.int64] = np.where(_is_error(ret), ret, 0)
    numbers[~returned(batch)] = 1
    return numbers


def _is_error(ret: NDArray[np.int64]) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = (ret < 0) & (ret >= -_MAX_ERRNO)
    return mask


def foreign(batch: EventBatch) -> NDArray[np.bool_]:
    """(n,) where 64-bit code made a 32-bit or x32 call."""
    mask: NDArray[np.bool_] = batch.records["flags"] & _FOREIGN != 0
    return mask
