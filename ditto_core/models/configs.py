"""Reads the published configuration pickles without running anything they could bring along, and JSON.

A pickle is a program. This reader knows plain containers, numbers, texts and NumPy arrays and refuses
everything else; arrays are built from their bytes here, not by NumPy's own unpickling.
"""

from __future__ import annotations

import io
import json
import math
import pickle
import re
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, ModelError
from ..sizes import exact_size
from .inventory import check_readable, remedy

LARGEST = 16 * 2**20
"""Bytes; the published files have 31 kB."""
MOST = 2**21
"""Values in all; few bytes can stand for endlessly many."""

_PLAIN = (str, int, float, bool, bytes, type(None))
_NUMBER_TYPE = re.compile(r"[fiu][1248]|b1")


def read_config(path: str | PathLike[str]) -> dict[str, Any]:
    """The content of a `*.pkl` configuration: plain containers, numbers, texts and NumPy arrays.

    Raises `ModelError` for a file that is missing, damaged, or holds anything else.
    """
    path = Path(path)
    check_readable(path, "configuration")
    if path.stat().st_size > LARGEST:
        raise ModelError(
            f"The configuration {path} has {exact_size(path.stat().st_size)}, far more than a "
            f"configuration needs. {remedy(path)}"
        )
    try:
        config = _Resolver().resolved(_Reader(io.BytesIO(path.read_bytes())).load())
    except _RefusedError as error:
        raise ModelError(
            f"The configuration {path} holds {error}, which a configuration does not need and which may "
            f"run code. It was not opened. {remedy(path)}"
        ) from error
    except Exception as error:  # damaged bytes raise almost anything
        raise ModelError(
            f"The configuration {path} ({exact_size(path.stat().st_size)}) is damaged or no configuration: "
            f"{error or type(error).__name__}. {remedy(path)}"
        ) from error
    if not isinstance(config, dict):
        raise ModelError(f"The configuration {path} holds no named settings. {remedy(path)}")
    return cast(dict[str, Any], config)


def read_settings(path: str | PathLike[str]) -> dict[str, Any]:
    """Named settings from a `.json` file, or from any other as `read_config` reads it.

    Raises a `DittoError` that says why the file cannot be used.
    """
    path = Path(path)
    if path.suffix.lower() != ".json":
        return read_config(path)
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"The settings in {path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"The settings in {path} must be a JSON object, each under its name.")
    return cast(dict[str, Any], content)


class _RefusedError(Exception):
    """The name of something a configuration must not hold."""


class _Type:
    """A NumPy type as a pickle describes it: a code, then its byte order."""

    def __init__(self, code: Any) -> None:
        self.code = code
        self.order = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        if not isinstance(self.code, str) or not _NUMBER_TYPE.fullmatch(self.code):
            raise _RefusedError(f"an array of type {self.code!r}")
        if self.order not in ("<", ">", "|", "="):
            raise ValueError(f"byte order {self.order!r}")
        return cast(Any, np.dtype(self.code)).newbyteorder(self.order)


class _Array:
    """A NumPy array as a pickle describes it; `numpy()` makes it one."""

    def __init__(self, *described: Any) -> None:
        self.shape, self.type, self.fortran, self.data = described or ((), None, False, b"")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, self.shape, self.type, self.fortran, self.data = state

    def numpy(self) -> NDArray[Any]:
        if not isinstance(self.type, _Type):
            raise ValueError("an array without a type")
        kind: Any = self.type.dtype  # NumPy's stubs leave byte orders untyped
        flat: Any = np.frombuffer(self.data, kind)
        if math.prod(self.shape) != len(flat):
            raise ValueError(f"{len(flat)} values for an array of shape {self.shape}")
        return flat.reshape(self.shape, order="F" if self.fortran else "C").astype(kind.newbyteorder("="))


def _new_array(_class: object, _shape: object, _code: object) -> _Array:
    return _Array()


def _array_from_buffer(data: Any, kind: Any, shape: Any, order: str) -> _Array:
    return _Array(shape, kind, order == "F", data)


def _scalar(kind: Any, data: Any) -> _Array:
    return _Array((), kind, False, data)


def _type(code: Any, *_copying: Any) -> _Type:
    return _Type(code)


def _latin1(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise _RefusedError(f"text in {encoding!r}")
    return text.encode("latin-1")


_KNOWN: dict[tuple[str, str], Callable[..., Any] | str] = {
    ("numpy", "ndarray"): "ndarray",  # named as an argument only: a text cannot be called
    ("numpy", "dtype"): _type,
    ("_codecs", "encode"): _latin1,
}
for _core in ("numpy.core", "numpy._core"):  # the name depends on the NumPy that wrote the file
    _KNOWN[f"{_core}.multiarray", "_reconstruct"] = _new_array
    _KNOWN[f"{_core}.multiarray", "scalar"] = _scalar
    _KNOWN[f"{_core}.numeric", "_frombuffer"] = _array_from_buffer


class _Reader(pickle.Unpickler):
    """An unpickler that knows the names in `_KNOWN` and no others."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if (module_name, global_name) not in _KNOWN:
            raise _RefusedError(f"{module_name}.{global_name}")
        return _KNOWN[module_name, global_name]


class _Resolver:
    """Makes the described arrays of what was read, and counts its values."""

    def __init__(self) -> None:
        self._left = MOST

    def resolved(self, value: Any) -> Any:
        """The same with its arrays made; one number becomes a Python number."""
        self._count(1)
        if isinstance(value, _Array):
            array = value.numpy()
            self._count(array.size)
            return array if array.shape else array.item()
        if isinstance(value, dict):
            items = cast(dict[Any, Any], value).items()
            return {self.resolved(key): self.resolved(item) for key, item in items}
        if isinstance(value, (list, tuple)):
            made = [self.resolved(item) for item in cast(list[Any], value)]
            return made if isinstance(value, list) else tuple(made)
        if not isinstance(value, _PLAIN):
            raise _RefusedError(f"a {type(value).__name__}")
        return value

    def _count(self, values: int) -> None:
        self._left -= values
        if self._left < 0:
            raise ValueError(f"more than {MOST:,} values")
