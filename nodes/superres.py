"""Super-resolution of rendered faces, or of the faces in any IMAGE."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io

from ..ditto_core.blend.restorers import Restorer
from ..ditto_core.blend.superres import enhance, enhance_images
from ..ditto_core.blend.superres_files import (
    method_state,
    model_names,
    model_state,
    open_model,
    open_restorers,
)
from ..ditto_core.blend.superres_plan import Method, SuperResOptions, When
from ..ditto_core.data import Frames
from ..ditto_core.models.execution import PrecisionChoice
from .comfy_host import ComfyHost, ModelFolders
from .inputs import filled
from .option_input import option_input, option_inputs
from .sockets import FramesOrImages, FramesSocket, SuperResSocket

METHOD_TOOLTIP = (
    "GFPGAN, CodeFormer (non-commercial licence) and RestoreFormer repaint faces; both is GFPGAN, then "
    "CodeFormer. model is what Ditto Load SuperRes gives. none leaves everything as it is."
)
SHARES = {
    "fidelity": "CodeFormer only: 0 paints the finest face, 1 keeps closest to the given one.",
    "strength": "How much of the restored face is shown: 0 nothing, 1 all of it.",
}
STEADINESS_TOOLTIP = (
    "Frames to each side over which the restoration of what keeps still is averaged, against flicker; 0 "
    "restores every frame for itself."
)
WHEN_TOOLTIP = (
    "auto: a face that was rendered with fewer pixels than it has in the frame (Lite's never is); in an "
    "IMAGE, a face of fewer than 512x512 pixels. always: every face. never: none."
)


class DittoLoadSuperRes(io.ComfyNode):
    """A network by its file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        names = model_names(ModelFolders())
        return io.Schema(
            node_id="DittoLoadSuperRes",
            display_name="Ditto Load SuperRes",
            category="Ditto/Load",
            description="Loads a face restorer or an upscaler for Ditto SuperRes.",
            inputs=[
                io.Combo.Input(
                    "model",
                    options=names,
                    default=names[0],
                    tooltip="A file in models/ditto/superres, models/facerestore_models or "
                    "models/upscale_models. Published files are listed too when they are not there yet.",
                ),
                precision_input(),
            ],
            outputs=[SuperResSocket.Output(display_name="model", tooltip="For Ditto SuperRes.")],
        )

    @classmethod
    def fingerprint_inputs(cls, model: str, precision: str) -> str:
        return f"{model_state(model, ModelFolders())} {precision}"

    @classmethod
    def execute(cls, model: str, precision: PrecisionChoice) -> io.NodeOutput:
        options = SuperResOptions(precision=precision)
        return io.NodeOutput(open_model(model, ComfyHost(), options.precision))


class DittoSuperRes(io.ComfyNode):
    """Frames or IMAGE, with restored faces."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoSuperRes",
            display_name="Ditto SuperRes",
            category="Ditto/Stages",
            description="Restores faces that were rendered with fewer pixels than the frame has for them; "
            "also the faces of any IMAGE batch.",
            inputs=[
                io.MultiType.Input(
                    "frames",
                    types=[FramesSocket, io.Image],
                    tooltip="From Ditto Put Back Blend, or any IMAGE batch.",
                ),
                option_input(SuperResOptions, "method", METHOD_TOOLTIP, default="GFPGAN"),
                option_input(SuperResOptions, "when", WHEN_TOOLTIP),
                *option_inputs(SuperResOptions, SHARES, step=0.05),
                option_input(SuperResOptions, "steadiness", STEADINESS_TOOLTIP),
                precision_input(),
                SuperResSocket.Input(
                    "model",
                    optional=True,
                    tooltip="For method model; with another method it replaces that method's own file of "
                    "its kind.",
                ),
            ],
            outputs=[
                FramesOrImages.Output(
                    display_name="frames",
                    tooltip="What came in, with restored faces: frames rendered when they are read, or an "
                    "IMAGE.",
                ),
                io.String.Output(display_name="report", tooltip="Which frames are enhanced, and why."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, method: Method, **_others: object) -> str:
        return method_state(method, ModelFolders())

    @classmethod
    def execute(
        cls,
        frames: Frames | torch.Tensor,
        method: Method,
        when: When,
        fidelity: float,
        strength: float,
        steadiness: int,
        precision: PrecisionChoice,
        model: Restorer | None = None,
    ) -> io.NodeOutput:
        host = ComfyHost()
        options = SuperResOptions(
            method=method,
            when=when,
            fidelity=fidelity,
            strength=strength,
            steadiness=steadiness,
            precision=precision,
        )
        work, given = (enhance, frames) if isinstance(frames, Frames) else (enhance_images, filled(frames))
        result, report = work(given, lambda: open_restorers(options, host, model), options, host)
        host.notice(report)
        return io.NodeOutput(result, report, ui=host.shown_notices())


def precision_input() -> Any:
    """How exactly the networks calculate."""
    told = "What the networks calculate in. auto: fp16 on a GPU for networks made for it, otherwise fp32."
    return option_input(SuperResOptions, "precision", told)
