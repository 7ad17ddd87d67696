"""Data of one's own in place of that of Ditto's configuration."""

from __future__ import annotations

from comfy_api.latest import io

from ..ditto_core.ditto.config import data_files
from ..ditto_core.engine import Engine
from ..ditto_core.engines import with_data
from ..ditto_core.errors import InputError
from .comfy_host import ComfyHost, ModelFolders
from .common_inputs import engine_output
from .inputs import chosen
from .sockets import EngineSocket

NO_FILE = "none"


class DittoReplaceData(io.ComfyNode):
    """Engine with other data."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        names = sorted(data_files(ModelFolders().model_folders()))
        return io.Schema(
            node_id="DittoReplaceData",
            display_name="Ditto Replace Data",
            category="Ditto/Load",
            description="Takes data from a file in place of what Ditto's configuration brings: the reference "
            "character, the blink, the limits of motion, emotions, controls of all frames. Lite ignores it.",
            inputs=[
                EngineSocket.Input("engine", tooltip="From Ditto Load Engine."),
                io.Combo.Input(
                    "file",
                    options=[NO_FILE, *names],
                    default=NO_FILE,
                    tooltip="A .json or .pkl file in models/ditto/ditto_cfg with ch_info, "
                    "delta_eye_arr, v_min_max_for_clip, emo, overall_ctrl_info or others; what it leaves out "
                    "stays as it is.",
                ),
            ],
            outputs=[engine_output()],
        )

    @classmethod
    def fingerprint_inputs(cls, file: str, **_others: object) -> str:
        path = data_files(ModelFolders().model_folders()).get(file)
        return file if path is None else f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}"

    @classmethod
    def execute(cls, engine: Engine, file: str) -> io.NodeOutput:
        host = ComfyHost()
        files = data_files(host.model_folders())
        if file != NO_FILE and not files:
            raise InputError(
                f"file is {file!r}; no data file lies in models/ditto/ditto_cfg: put it there, or choose "
                f"{NO_FILE}."
            )
        path = chosen("file", file, {NO_FILE: None, **files})
        if path is None:
            return io.NodeOutput(engine)
        return io.NodeOutput(with_data(engine, path, host), ui=host.shown_notices())
