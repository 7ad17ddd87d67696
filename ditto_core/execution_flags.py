"""The flags of the command line that say how networks are executed."""

from __future__ import annotations

import argparse
from typing import Any

import torch

from .limits import kinds
from .models.execution import RUNNERS, Execution, open_device
from .options import AUTO

_DEFAULTS: dict[str, Any] = {
    "runner": (Execution.runner, {}),
    "precision": Execution.precision,
    "compile": Execution.compile,
}


def add_execution(parser: argparse.ArgumentParser) -> None:
    """Put them into a parser."""
    group = parser.add_argument_group("execution of Ditto's networks")
    told = "auto (a CUDA GPU when there is one), cpu, cuda, cuda:1 or mps"
    group.add_argument("--device", default=AUTO, metavar="NAME", help=f"{told} (default: {AUTO})")
    told = f"{', '.join(RUNNERS)}; for single networks 'auto, decoder=onnx'"
    group.add_argument(
        "--runner",
        type=_runner,
        default=_DEFAULTS["runner"],
        metavar="NAME",
        help=f"{told} (default: {Execution.runner})",
    )
    for name in ("precision", "compile"):
        choices, default = kinds(Execution)[name].choices, _DEFAULTS[name]
        told = f"{', '.join(choices)} (default: {default})"
        group.add_argument(f"--{name}", choices=choices, default=default, metavar="NAME", help=told)


def execution_of(arguments: argparse.Namespace) -> tuple[torch.device, Execution]:
    """What they were set to. Raises an `InputError` for what is unknown or not there."""
    runner, networks = arguments.runner
    execution = Execution(runner, arguments.precision, arguments.compile, networks)
    return open_device(arguments.device), execution


def typed_execution(arguments: argparse.Namespace) -> list[str]:
    """Those that were set to something; not the device, on which super-resolution runs too."""
    return [name for name, default in _DEFAULTS.items() if getattr(arguments, name) != default]


def _runner(text: str) -> Any:
    """A runner, and those of single networks: `auto, decoder=onnx`."""
    first, *others = (part.strip() for part in text.rstrip(", ").split(","))
    pairs = others if "=" not in first else [first, *others]
    if unclear := [pair for pair in pairs if "=" not in pair]:
        raise argparse.ArgumentTypeError(f"{unclear[0]!r} has no runner; write {unclear[0]}=onnx")
    named = (pair.partition("=") for pair in pairs)
    networks = {name.strip(): runner.strip() for name, _, runner in named}
    return (Execution.runner if "=" in first else first), networks
