"""The errors of the pack: each says what happened and what the user can do. And the commonest checks."""

from __future__ import annotations

from numbers import Integral, Real

DONE, INTERNAL_ERROR, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
"""What the command line exits with."""


class DittoError(Exception):
    """Anything a user can cause or fix. The message is complete: show it as it is."""


class InputError(DittoError):
    """A value, a picture, a recording or an option that cannot be used."""


class MediaError(DittoError):
    """A file that cannot be read or written."""


class FaceNotFoundError(DittoError):
    """No face where one is needed; the message lists what was tried."""


class EngineError(DittoError):
    """An engine that is unknown, not ready, or mixed with the output of another one."""


class ModelError(DittoError):
    """A model file that is missing, damaged, or not what its name says."""


class DownloadError(ModelError):
    """Model files that could not be downloaded; what arrived stays, and another try goes on from there."""


class Interrupted(DittoError):
    """The user stopped the work; nothing is left half done."""


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raise an `InputError` unless value is a number and low <= value <= high."""
    if not isinstance(value, Real):
        raise InputError(f"{name} is {value!r}; it must be a number.")
    if not low <= value <= high:
        raise InputError(f"{name} is {value}; it must be between {low} and {high}.")


def check_whole(name: str, value: object) -> None:
    """Raise an `InputError` unless value is a whole number."""
    if not isinstance(value, Integral):
        raise InputError(f"{name} is {value!r}; it must be a whole number.")
