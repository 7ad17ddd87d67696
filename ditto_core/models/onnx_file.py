"""What an ONNX file says of itself: its operators and the files beside it, read without the package `onnx`.

Only the few fields that matter are followed; weights are skipped, so that a file of a gigabyte takes no time.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from ..errors import ModelError
from ..sizes import exact_size
from .file_kinds import wrong_kind
from .inventory import check_readable, remedy

_Span: TypeAlias = tuple[int, int]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
"""Wire types of protocol buffers."""

_NESTED: dict[str, dict[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
"""Fields of ONNX's messages that lead to operators and to tensors kept in other files."""

_OPERATOR, _KEY, _VALUE = 4, 1, 2


@dataclass(frozen=True)
class OnnxFacts:
    """operators: the types of all nodes. beside: other files that hold weights, as the file writes them."""

    operators: frozenset[str]
    beside: frozenset[str]


def read_facts(path: Path) -> OnnxFacts:
    """Raises a `ModelError` when the file is missing, cannot be read, or is no ONNX file."""
    check_readable(path, "model file")
    status = path.stat()
    return _facts(path, status.st_size, status.st_mtime_ns)


def check_stays_inside(path: Path) -> None:
    """Raise a `ModelError` when an ONNX file wants weights from outside its own folder, in whatever way."""
    folder = path.parent.resolve()
    for told in read_facts(path).beside:
        kept = (folder / told.replace("\\", "/")).resolve()
        if not kept.is_relative_to(folder):
            raise ModelError(
                f"The model file {path} wants weights from {told!r}, outside its own folder. It was not "
                "opened; use a file from a source you trust."
            )
        if not kept.is_file():
            raise ModelError(f"The model file {path} keeps weights in {told}, which is missing beside it.")


def as_it_is(path: Path) -> str:
    """What ONNX Runtime is to open of a file that needs no change; `ModelError` as `check_stays_inside`."""
    check_stays_inside(path)
    return str(path)


@lru_cache(maxsize=64)
def _facts(path: Path, size: int, _changed: int) -> OnnxFacts:
    kind = wrong_kind(path)
    flaw = f"is {kind}, no ONNX file" if kind else "is damaged or no ONNX file"
    damaged = f"The model file {path} ({exact_size(size)}) {flaw}. {remedy(path)}"
    if not size:
        raise ModelError(damaged)
    operators: set[str] = set()
    beside: set[str] = set()
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for kind, span in _messages(data, "model", (0, len(data))):
                if kind == "node":
                    operators.update(_texts(data, span, _OPERATOR))
                elif kind == "entry" and "location" in _texts(data, span, _KEY):
                    beside.update(_texts(data, span, _VALUE))
    except (ValueError, IndexError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError(damaged) from error
    if not operators:
        raise ModelError(damaged)
    return OnnxFacts(frozenset(operators), frozenset(beside))


def _messages(data: mmap.mmap, kind: str, span: _Span) -> Iterator[tuple[str, _Span]]:
    """This message and all within it that `_NESTED` leads to."""
    yield kind, span
    leads_to = _NESTED.get(kind)
    if leads_to is None:
        return
    for number, inner in _fields(data, span):
        if number in leads_to:
            yield from _messages(data, leads_to[number], inner)


def _texts(data: mmap.mmap, span: _Span, wanted: int) -> list[str]:
    return [data[a:b].decode() for number, (a, b) in _fields(data, span) if number == wanted]


def _fields(data: mmap.mmap, span: _Span) -> Iterator[tuple[int, _Span]]:
    """The number and place of each field of a message that has a length; `ValueError` when it is none."""
    here, end = span
    while here < end:
        tag, here = _varint(data, here)
        wire = tag & 7
        if wire == _VARINT:
            _, here = _varint(data, here)
        elif wire == _BYTES:
            length, here = _varint(data, here)
            yield tag >> 3, (here, here + length)
            here += length
        elif wire in (_FIXED64, _FIXED32):
            here += 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire}")
    if here != end:
        raise ValueError("a field runs over its message")


def _varint(data: mmap.mmap, here: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[here]
        here += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, here
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")
