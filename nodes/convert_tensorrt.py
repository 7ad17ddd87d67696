"""Builds TensorRT engines for this GPU, when the user says so."""

from __future__ import annotations

from pathlib import Path

from comfy_api.latest import io

from ..ditto_core.errors import ModelError
from ..ditto_core.models.inventory import model_subfolder
from ..ditto_core.models.tensorrt_build import convert_folder, tell_engines
from .comfy_host import ComfyHost


class DittoConvertTensorRT(io.ComfyNode):
    """Folder of ONNX files to a report on its engines."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoConvertTensorRT",
            display_name="Ditto Convert TensorRT",
            category="Ditto/Load",
            description="Tells which TensorRT engines fit this GPU, and builds the others from ONNX files "
            "when build is switched on.",
            inputs=[
                io.String.Input(
                    "onnx_dir",
                    default="ditto_onnx",
                    tooltip="Folder with the ONNX files, in models/ditto.",
                ),
                io.String.Input(
                    "trt_dir",
                    default="ditto_trt_custom",
                    tooltip="Folder for the engines, in models/ditto. The engine looks in every folder whose "
                    "name begins with ditto_trt_.",
                ),
                io.Boolean.Input(
                    "build",
                    default=False,
                    tooltip="Off: only tell which engines are there and fit. On: build the others when the "
                    "node runs, which takes minutes for each.",
                ),
            ],
            outputs=[
                io.String.Output(
                    display_name="report", tooltip="Each engine, and what speaks against it, as text."
                ),
            ],
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, onnx_dir: str, trt_dir: str, build: bool) -> float:  # noqa: ARG003
        return float("nan")  # files come and go: look again each time

    @classmethod
    def execute(cls, onnx_dir: str, trt_dir: str, build: bool) -> io.NodeOutput:
        host = ComfyHost()
        sources = model_subfolder(host.model_folders(), onnx_dir)
        engines = model_subfolder(host.model_folders(), trt_dir)
        if build:
            convert_folder(sources, engines, host.device, host)
        report = tell_engines(sources, engines, host.device) if build else looked(sources, engines, host)
        host.notice(report)
        return io.NodeOutput(report, ui=host.shown_notices())


def looked(sources: Path, engines: Path, host: ComfyHost) -> str:
    """What there is, or why none can be: without TensorRT, a GPU or ONNX files there is that to tell."""
    try:
        return tell_engines(sources, engines, host.device)
    except ModelError as error:
        return str(error)
