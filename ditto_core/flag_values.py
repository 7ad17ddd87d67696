"""How the value of a flag is typed: from a text of the command line to what it means."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import TypeVar, get_args

from .blend.superres_plan import Method
from .control_info import ControlInfo
from .controls.parts import SingleFrames
from .controls.text import parse_emotions, parse_frames
from .emotion import EmotionChoice
from .errors import InputError
from .options import FaceChoice, FadeTarget

Value = TypeVar("Value")


def boolean(text: str) -> bool:
    """true or false."""
    try:
        return {"true": True, "false": False}[text.lower()]
    except KeyError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false") from None


def or_auto(parse: Callable[[str], Value]) -> Callable[[str], Value | None]:
    """The same, and `auto` for None: what the engine or its configuration takes."""
    return lambda text: None if text.lower() == "auto" else parse(text)


def one_of(choices: Iterable[str]) -> Callable[[str], str]:
    """One of some names."""
    names = tuple(choices)

    def parse(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(names)}")
        return text

    return parse


def whole(text: str) -> int:
    """A whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None


def decimal(text: str) -> float:
    """A number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


def said(parse: Callable[[str], Value]) -> Callable[[str], Value]:
    """The same, with what it refuses said as the command line says it."""

    @wraps(parse)
    def parse_and_say(text: str) -> Value:
        try:
            return parse(text)
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse_and_say


@said
def emotion(text: str) -> EmotionChoice:
    """A class by name or number, or several: `happy + surprise`."""
    labels = parse_emotions(text)
    return labels[0] if len(labels) == 1 else labels


def frame_numbers(text: str) -> int | list[int]:
    """One whole number, or several with commas between them."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no whole number of frames, nor a list of them"
        ) from None
    return numbers[0] if len(numbers) == 1 else numbers


def frames_file(text: str) -> ControlInfo:
    """Controls of single frames in a JSON file."""
    try:
        return SingleFrames(parse_frames(Path(text).read_text(encoding="utf-8-sig"))).info
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text} cannot be read: {error.strerror}") from error
    except (InputError, UnicodeDecodeError) as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from error


def face(text: str) -> FaceChoice:
    """`largest`, `from-left:1` or `nearest:0.3,0.5`."""
    rule, _, value = text.partition(":")
    try:
        if text == "largest":
            return FaceChoice()
        if rule == "from-left":
            return FaceChoice("from left", index=int(value))
        if rule == "nearest":
            x, y = value.split(",")
            return FaceChoice("nearest", point=(float(x), float(y)))
    except ValueError:
        pass  # said below, as for an unknown rule
    raise argparse.ArgumentTypeError(f"{text!r} is none of largest, from-left:N, nearest:X,Y")


def superres_method(text: str) -> str:
    """A method in any case."""
    known = {method.lower(): method for method in get_args(Method)}
    return one_of(known.values())(known.get(text.lower(), text))


def fade_type(text: str) -> str:
    """A fade's target, and `none` for no fade."""
    return "" if text == "none" else one_of(name for name in get_args(FadeTarget) if name)(text)
