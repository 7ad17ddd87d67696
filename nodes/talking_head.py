"""The whole pipeline in one node, for newcomers."""

from __future__ import annotations

from comfy_api.latest import Input, InputImpl, io

from ..ditto_core.controls.control import Controls
from ..ditto_core.engines import AUTO, ENGINE_NAMES, engine_state, shared_engine
from ..ditto_core.media.encoders import VideoOptions
from ..ditto_core.media.writer import write_video
from ..ditto_core.options import LARGEST_SEED, AvatarOptions, MotionOptions, StitchOptions
from ..ditto_core.talking_head import TalkOptions, render
from .comfy_host import ComfyHost, ModelFolders, new_temporary_video
from .frames_to_video import CRF_TOOLTIP
from .inputs import NO_CONTROLS, audio_from, source_from
from .lmdm_sample import BLINKS_TOOLTIP, SEED_TOOLTIP
from .load_avatar import MAX_SIZE_TOOLTIP, SOURCE_TOOLTIP
from .load_engine import ENGINE_TOOLTIP
from .motion_stitch import HEAD_TOOLTIP, MOUTH_TOOLTIP
from .sockets import ControlsSocket


class DittoTalkingHead(io.ComfyNode):
    """Portrait and speech to VIDEO."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoTalkingHead",
            display_name="Ditto Talking Head",
            category="Ditto",
            description="Makes the person in a picture or a video speak: portrait and speech in, video out.",
            inputs=[
                io.MultiType.Input("source", types=[io.Image, io.Video], tooltip=SOURCE_TOOLTIP),
                io.Audio.Input("audio", tooltip="What the person says: speech at any rate, mono or stereo."),
                io.Combo.Input("engine", options=list(ENGINE_NAMES), default=AUTO, tooltip=ENGINE_TOOLTIP),
                io.Int.Input(
                    "seed",
                    default=MotionOptions.seed,
                    min=0,
                    max=LARGEST_SEED,
                    control_after_generate=True,
                    tooltip=SEED_TOOLTIP,
                ),
                io.Int.Input(
                    "max_size",
                    default=AvatarOptions.max_size,
                    min=64,
                    max=8192,
                    step=8,
                    tooltip=MAX_SIZE_TOOLTIP,
                ),
                io.Float.Input(
                    "mouth_amount",
                    default=StitchOptions.mouth_amount,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    tooltip=MOUTH_TOOLTIP,
                ),
                io.Float.Input(
                    "head_amount",
                    default=StitchOptions.head_amount,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    tooltip=HEAD_TOOLTIP,
                ),
                io.Boolean.Input("blinks", default=MotionOptions.blinks, tooltip=BLINKS_TOOLTIP),
                io.Int.Input("crf", default=VideoOptions.crf, min=0, max=51, tooltip=CRF_TOOLTIP),
                ControlsSocket.Input(
                    "controls",
                    optional=True,
                    tooltip="A preset, emotions, head pose, fades and more, from the nodes in "
                    "Ditto/Controls; what they set is used instead of the values here.",
                ),
            ],
            outputs=[
                io.Video.Output(
                    display_name="video", tooltip="The talking video with its sound, for Save Video."
                ),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, engine: str, **_others: object) -> str:
        return engine_state(engine, ModelFolders())

    @classmethod
    def execute(
        cls,
        source: Input.Image | Input.Video,
        audio: Input.Audio | None,
        engine: str,
        seed: int,
        max_size: int,
        mouth_amount: float,
        head_amount: float,
        blinks: bool,
        crf: int,
        controls: Controls = NO_CONTROLS,
    ) -> io.NodeOutput:
        host = ComfyHost()
        options = TalkOptions(
            avatar=AvatarOptions(max_size=max_size),
            motion=MotionOptions(seed=seed, blinks=blinks),
            stitch=StitchOptions(mouth_amount=mouth_amount, head_amount=head_amount),
            video=VideoOptions(crf=crf),
            controls=controls,
        )
        person = source_from(source, options.motion.fps)
        frames = render(shared_engine(engine, host), person, audio_from(audio), options, host)
        path = write_video(frames, new_temporary_video(), options.video, host)
        return io.NodeOutput(InputImpl.VideoFromFile(str(path)), ui=host.shown_notices())
