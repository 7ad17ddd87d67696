"""The scripts of Ditto's documents as data: their flags and defaults, and what each sets here.

`docs/scripts.md` shows the same for readers; `tools/make_workflows.py` makes a workflow from a command.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .ditto.engine import DittoEngine
from .engine import Engine
from .engines import load_engine
from .flags import BY_NAME, Flag, Values, by_target, with_values
from .host import Host
from .models.execution import Execution
from .options import AUTO
from .talking_head import TalkOptions


@dataclass(frozen=True)
class Script:
    """One documented script.

    files: its flags for source, audio and output, in this order. flags: what else it takes. defaults: flags
    whose default is not that of `TalkOptions`. always: options it sets without a flag. reads_options: the
    options come from the configuration, instead of from flags and their defaults.
    """

    name: str
    summary: str
    files: tuple[str, str, str]
    data_root: Path
    cfg_pkl: Path
    flags: tuple[Flag, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    always: Values = field(default_factory=dict[tuple[str, str], Any])
    reads_options: bool = False

    def options(self, given: Mapping[str, Any], configured: Mapping[str, Any] | None = None) -> TalkOptions:
        """What the script sets when these flags are given, by name.

        configured: those that a configuration names; as published, they count where the script sets nothing.
        """
        defaults = {flag.name: self.defaults.get(flag.name, flag.default) for flag in self.flags}
        own = {**self.always, **by_target({**defaults, **given})}
        return with_values(TalkOptions(), {**by_target(configured or {}), **own})


RENAMED = {"crop_flag_do_rot": "crop_do_rotate"}
"""Published options whose flag has another name."""

_RUN_OPTIONS = (
    *("max_size", "template_n_frames", "crop_scale", "crop_vx_ratio", "crop_vy_ratio", "crop_flag_do_rot"),
    *("smo_k_s", "eye_f0_mode", "overlap_v2", "sampling_timesteps", "smo_k_d", "use_d_keys", "relative_d"),
    *("drive_eye", "delta_eye_open_n", "flag_stitching"),
)
"""What scripts read from a configuration."""

_CHECKPOINTS = Path("checkpoints")
_TENSORRT = (_CHECKPOINTS / "ditto_trt_Ampere_Plus", _CHECKPOINTS / "ditto_cfg/v0.4_hubert_cfg_trt.pkl")
_PYTORCH = (_CHECKPOINTS / "ditto_pytorch", _CHECKPOINTS / "ditto_cfg/v0.4_hubert_cfg_pytorch.pkl")

_VIDEO_FILES = ("source_video", "audio", "output")
_VIDEO_FLAGS = (
    "smo_k_s",
    "sampling_timesteps",
    "overlap_v2",
    "smo_k_d",
    "max_size",
    "emo",
    "fade_in",
    "fade_out",
)
_VIDEO_DEFAULTS = {"emo": 4, "motion_frames": 100}  # where the flag is documented
_VIDEO_ALWAYS = {("motion", "eye_f0_mode"): True}


def _video_script(name: str, summary: str, *own: str) -> Script:
    flags = tuple(BY_NAME[flag] for flag in (*own, *_VIDEO_FLAGS))
    return Script(name, summary, _VIDEO_FILES, *_PYTORCH, flags, _VIDEO_DEFAULTS, _VIDEO_ALWAYS)


SCRIPTS: dict[str, Script] = {
    script.name: script
    for script in (
        Script(
            "inference",
            "Ditto's own script: a picture or video speaks",
            ("source_path", "audio_path", "output_path"),
            *_TENSORRT,
            reads_options=True,
        ),
        _video_script(
            "inference_video",
            "made for video sources: template frames, eyes",
            "template_n_frames",
            "drive_eye",
        ),
        _video_script(
            "inference_video_preserve_motion",
            "lips for the first neutral frames, put on all frames of the video",
            "motion_frames",
        ),
        _video_script(
            "inference_video_blend_control",
            "how much of the rendered face is shown",
            "template_n_frames",
            "blend_mode",
            "blend_alpha",
        ),
        _video_script(
            "inference_video_advanced",
            "preserve_motion and blend_control together",
            "motion_frames",
            "blend_mode",
            "blend_alpha",
        ),
    )
}


def open_engine(
    name: str,
    host: Host,
    data_root: Path | None,
    cfg_pkl: Path | None,
    execution: Execution | None = None,
) -> Engine:
    """The engine called `name` with the checkpoints and configuration the documents' flags name.

    None means the host's model folders. Where a folder of TensorRT engines cannot be used, the networks
    beside it are, which `host.notice` tells unless the user chose the runner.
    """
    engine = load_engine(name, host, data_root=data_root, cfg_pkl=cfg_pkl, execution=execution)
    asked = data_root is not None and any(data_root.glob("*.engine"))
    chosen = execution is not None and execution.runner != AUTO
    if asked and not chosen and isinstance(engine, DittoEngine) and host.device.type != "cuda":
        host.notice(
            f"The TensorRT engines in {data_root} are not used: they need an NVIDIA GPU, and the device is "
            f"{host.device.type}. The networks in the folders beside them are."
        )
    return engine


def draws_online(engine: Engine) -> bool:
    """Whether an engine's published configuration is one for streams."""
    return isinstance(engine, DittoEngine) and bool(engine.config.options.get("online_mode", False))


def published_options(engine: Engine) -> dict[str, Any]:
    """The run options in an engine's published configuration, as flags with values.

    What Ditto reads from there itself (emotion, fades, controls of all frames) is left to it.
    """
    if not isinstance(engine, DittoEngine):
        return {}
    options = engine.config.options
    given = [name for name in _RUN_OPTIONS if options.get(name) is not None]
    return {RENAMED.get(name, name): options[name] for name in given}
