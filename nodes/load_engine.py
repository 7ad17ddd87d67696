"""Chooses the engine that does the work."""

from __future__ import annotations

from comfy_api.latest import io

from ..ditto_core.engines import AUTO, ENGINE_NAMES, engine_state, load_engine
from .comfy_host import ComfyHost, ModelFolders
from .sockets import EngineSocket

ENGINE_TOOLTIP = (
    "auto takes Ditto when its checkpoints are installed, otherwise Lite, and says which on the node. "
    "lite is the built-in draft engine: no download, runs on the CPU. ditto needs the published checkpoints "
    "in models/ditto."
)


class DittoLoadEngine(io.ComfyNode):
    """Engine by name."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoLoadEngine",
            display_name="Ditto Load Engine",
            category="Ditto/Load",
            description="Chooses the engine that animates the face. Connect one engine to the whole graph.",
            inputs=[
                io.Combo.Input("engine", options=list(ENGINE_NAMES), default=AUTO, tooltip=ENGINE_TOOLTIP),
            ],
            outputs=[
                EngineSocket.Output(display_name="engine", tooltip="For Load Avatar and Wav2Feat."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, engine: str) -> str:
        return engine_state(engine, ModelFolders())

    @classmethod
    def execute(cls, engine: str) -> io.NodeOutput:
        host = ComfyHost()
        loaded = load_engine(engine, host)
        return io.NodeOutput(loaded, ui=host.shown_notices())
