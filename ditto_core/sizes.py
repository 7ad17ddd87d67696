"""Numbers of bytes as people read them: rounded to tell how much, exact to tell files apart."""

from __future__ import annotations


def size_of(count: int | None) -> str:
    """Roughly how much this is; None is a size that is not known."""
    if count is None:
        return "size unknown"
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return exact_size(count)


def exact_size(count: int) -> str:
    """To the last byte, where a single one that is missing matters."""
    return f"{count:,} bytes"
