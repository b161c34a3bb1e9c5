"""The type of numpy's arrays. numpy.typing is for those who check types: to import it takes 4 ms of every start."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray as NDArray
else:
    NDArray = np.ndarray
