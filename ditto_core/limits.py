"""What an option may be, as its field's annotation says it: limits, choices, or a switch.

    fade_in: Annotated[int, Limits(-1, 10_000)] = -1
    vad_on: Literal["lips", "expression"] = "lips"

Options check themselves by it; nodes, flags and help show the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from .errors import InputError, check_range, check_whole


@dataclass(frozen=True)
class Limits:
    """The smallest and the largest value of a number."""

    low: float
    high: float

    def check(self, name: str, value: Any) -> None:
        check_range(name, value, self.low, self.high)


SHARE = Limits(0, 1)
"""None to all of something."""


@dataclass(frozen=True)
class Kind:
    """What one field takes.

    type: bool, str, int or another kind of number; None for what has rules of its own.
    optional: None is a value, too.
    """

    type: Any = None
    limits: Limits | None = None
    choices: tuple[str, ...] = ()
    optional: bool = False

    def check(self, name: str, value: Any) -> None:
        """Raise an `InputError` unless it takes the value."""
        if value is None and self.optional:
            return
        if self.choices:
            check_choice(name, value, self.choices)
        elif self.type is bool:
            check_switch(name, value)
        elif self.limits:
            if self.type is int:
                check_whole(name, value)
            self.limits.check(name, value)


@cache
def kinds(options: type) -> dict[str, Kind]:
    """What each field of an options' class takes, by name."""
    annotations = get_type_hints(options, include_extras=True)
    return {name: _kind(annotation) for name, annotation in annotations.items()}


def check_fields(options: object, of: str = "") -> None:
    """Raise an `InputError` for the first field whose value its annotation rules out.

    of: what the fields are about, said before their names.
    """
    for name, kind in kinds(type(options)).items():
        kind.check(f"{of} {name}".lstrip(), getattr(options, name))


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise an `InputError` unless value is one of the choices."""
    if not isinstance(value, str) or value not in choices:
        listed = ", ".join(choice or "''" for choice in choices)
        raise InputError(f"{name} is {value!r}; choose one of {listed}.")


def check_switch(name: str, value: object) -> None:
    """Raise an `InputError` unless value is true or false."""
    if value not in (True, False):
        raise InputError(f"{name} is {value!r}; it must be True or False.")


def _kind(annotation: Any) -> Kind:
    parts = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    given = [part for part in parts if part is not NoneType]
    optional = len(given) < len(parts)
    if len(given) > 1:
        return Kind(optional=optional)
    (kind,) = given
    if get_origin(kind) is Literal:
        return Kind(str, choices=get_args(kind), optional=optional)
    if get_origin(kind) is Annotated:
        number, limits = get_args(kind)
        return Kind(number, limits, optional=optional)
    return Kind(kind if kind in (bool, str) else None, optional=optional)
