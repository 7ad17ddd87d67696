"""Takes arrays as callers have them."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputError


def as_tensor(values: NDArray[Any] | Tensor) -> Tensor:
    """A tensor of the same numbers. Copies what torch refuses: flipped, read-only and byte-swapped arrays.

    Raises `InputError` for what is neither an array of numbers nor a tensor.
    """
    if isinstance(values, Tensor):
        return values.detach()
    if not hasattr(values, "dtype"):
        raise InputError(f"A NumPy array or a tensor is needed, not {type(values).__name__}.")
    if values.dtype.kind not in "biufc":
        raise InputError(f"The array must hold numbers; it holds {values.dtype}.")
    native = cast(Any, values.dtype).newbyteorder("=")
    return torch.from_numpy(np.require(values, native, ("C", "W")))
