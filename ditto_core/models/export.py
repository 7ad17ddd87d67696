"""Writes PyTorch networks as ONNX files that take any number of items at once."""

from __future__ import annotations

import inspect
import logging
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..errors import ModelError
from .onnx_graph import OPSET
from .replacing import replacing


def export_onnx(network: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str], path: Path) -> None:
    """Write a network to `path` as one file, with these names for its outputs.

    inputs: an example of each, by the network's own names; the first axis is the batch, two items or more.
    Raises a `ModelError` when packages for it are missing or too old, or the file cannot be written.
    """
    exporter = _exporter()
    batch = cast(Any, torch).export.Dim("batch", min=1, max=1024)
    with _quiet(), torch.inference_mode():
        program = exporter(
            network.eval(),
            kwargs=dict(inputs),
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes={name: {0: batch} for name in inputs},
            output_names=list(outputs),
            verbose=False,
        )
    if any(isinstance(value.shape[0], int) for value in program.model.graph.inputs):
        raise ModelError(f"PyTorch {torch.__version__} cannot write {path.name} for any number of items.")
    with replacing(path) as unfinished:
        program.save(str(unfinished), external_data=False)


def _exporter() -> Any:
    try:
        import onnxscript  # pyright: ignore[reportMissingImports,reportUnusedImport]  # noqa: F401
    except ImportError as error:
        raise ModelError(
            "Writing networks as ONNX needs the packages onnx and onnxscript: pip install onnx onnxscript."
        ) from error
    exporter = cast(Any, torch.onnx).export
    if "dynamic_shapes" not in inspect.signature(exporter).parameters:
        raise ModelError(
            f"PyTorch {torch.__version__} is too old to write networks as ONNX; install 2.6 or newer."
        )
    return exporter


@contextmanager
def _quiet() -> Generator[None]:
    """Without the exporter's remarks on itself."""
    log = logging.getLogger("torch.onnx")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(before)
