"""The command `ditto convert`: model files into other formats, for other runners."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from typing import Any

from .console import ConsoleHost, say
from .ditto.checkpoints import Checkpoints, find_checkpoints
from .ditto.convert import convert_onnx, convert_safetensors
from .errors import DONE, InputError, ModelError
from .models.execution import open_device
from .models.tensorrt_build import convert_folder


def add_convert(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """The command's formats, each with its arguments."""
    formats = parser.add_subparsers(title="formats", metavar="FORMAT", required=True)
    safe = formats.add_parser(
        "safetensors",
        parents=[common],
        help="write .safetensors beside Ditto's .pth files, which are used instead from then on",
    )
    safe.set_defaults(command=_safetensors)
    _add_folder(safe, "data_root", "Ditto's ditto_pytorch folder (default: the pack's model folders)")

    onnx = formats.add_parser("onnx", parents=[common], help="write Ditto's six networks as ONNX files")
    onnx.set_defaults(command=_onnx)
    _add_folder(onnx, "data_root", "Ditto's ditto_pytorch folder (default: the pack's model folders)")
    _add_folder(onnx, "onnx_dir", "folder to write to", required=True)

    engines = formats.add_parser("tensorrt", parents=[common], help="build TensorRT engines for this GPU")
    engines.set_defaults(command=_tensorrt)
    _add_folder(engines, "onnx_dir", "folder with ONNX files", required=True)
    _add_folder(engines, "trt_dir", "folder for the engines; those in it that fit are kept", required=True)


def _add_folder(parser: Any, name: str, meaning: str, *, required: bool = False) -> None:
    parser.add_argument(f"--{name}", type=Path, required=required, metavar="FOLDER", help=meaning)


def _safetensors(arguments: argparse.Namespace) -> int:
    with closing(ConsoleHost(arguments.quiet, unit="file")) as host:
        _tell(convert_safetensors(_found(arguments, host), host))
    return DONE


def _onnx(arguments: argparse.Namespace) -> int:
    with closing(ConsoleHost(arguments.quiet, unit="file")) as host:
        _tell(convert_onnx(_found(arguments, host), arguments.onnx_dir, host))
    return DONE


def _tensorrt(arguments: argparse.Namespace) -> int:
    with closing(ConsoleHost(arguments.quiet, unit="step")) as host:
        done = convert_folder(arguments.onnx_dir, arguments.trt_dir, open_device("auto"), host)
    if done.built or not done.failed:
        _tell(done.built)
    if done.failed:
        raise ModelError("; ".join(f"{name}: {why}" for name, why in done.failed.items()))
    return DONE


def _found(arguments: argparse.Namespace, host: ConsoleHost) -> Checkpoints:
    """The checkpoints to convert; a mistyped folder is not made up for by those beside it."""
    if arguments.data_root is not None and not arguments.data_root.is_dir():
        raise InputError(
            f"There is no folder {arguments.data_root}; give the ditto_pytorch folder with --data_root."
        )
    return find_checkpoints(host.model_folders(), arguments.data_root)


def _tell(written: list[Path]) -> None:
    say("\n".join(f"Wrote {path}." for path in written) or "Nothing to write: every file is there.")
