"""The whole pipeline in one node, for newcomers."""

from __future__ import annotations

from comfy_api.latest import Input, InputImpl, io

from ..ditto_core.controls.control import Controls
from ..ditto_core.engines import engine_state, shared_engine
from ..ditto_core.media.encoders import VideoOptions
from ..ditto_core.media.writer import write_video
from ..ditto_core.options import AvatarOptions, FaceChoice, FaceRule, MotionOptions, StitchOptions
from ..ditto_core.talking_head import TalkOptions, render
from .comfy_host import ComfyHost, ModelFolders, new_temporary_video
from .common_inputs import (
    amount_inputs,
    blinks_input,
    crf_input,
    engine_input,
    face_choice,
    face_inputs,
    max_size_input,
    seed_input,
    source_input,
)
from .inputs import NO_CONTROLS, audio_from, source_from
from .sockets import ControlsSocket


class DittoTalkingHead(io.ComfyNode):
    """Portrait and speech to VIDEO."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoTalkingHead",
            display_name="Ditto Talking Head",
            category="Ditto/Quick start",
            description="Makes the person in a picture or a video speak: portrait and speech in, video out.",
            inputs=[
                source_input(),
                io.Audio.Input("audio", tooltip="What the person says: speech at any rate, mono or stereo."),
                engine_input(),
                seed_input(),
                max_size_input(),
                *amount_inputs(),
                blinks_input(),
                crf_input(),
                ControlsSocket.Input(
                    "controls",
                    optional=True,
                    tooltip="A preset, emotions, head pose, fades and more, from the nodes in "
                    "Ditto/Controls; what they set is used instead of the values here.",
                ),
                *face_inputs(optional=True),
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
        face: FaceRule = FaceChoice.rule,
        face_index: int = FaceChoice.index,
        face_x: float = FaceChoice.point[0],
        face_y: float = FaceChoice.point[1],
    ) -> io.NodeOutput:
        host = ComfyHost()
        options = TalkOptions(
            avatar=AvatarOptions(max_size=max_size, face=face_choice(face, face_index, face_x, face_y)),
            motion=MotionOptions(seed=seed, blinks=blinks),
            stitch=StitchOptions(mouth_amount=mouth_amount, head_amount=head_amount),
            video=VideoOptions(crf=crf),
            controls=controls,
        )
        person = source_from(source, options.motion.fps)
        frames = render(shared_engine(engine, host), person, audio_from(audio), options, host)
        path = write_video(frames, new_temporary_video(), options.video, host)
        return io.NodeOutput(InputImpl.VideoFromFile(str(path)), ui=host.shown_notices())
