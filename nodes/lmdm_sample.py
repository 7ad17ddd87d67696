"""Speech features to motion."""

from __future__ import annotations

from comfy_api.latest import io

from ..ditto_core.controls.control import Controls
from ..ditto_core.controls.curve import Clip
from ..ditto_core.data import Avatar, SpeechFeatures
from ..ditto_core.emotion import EMOTIONS
from ..ditto_core.engine import common_engine
from ..ditto_core.options import BLINK_GAP, MotionOptions, as_fps
from .comfy_host import ComfyHost
from .common_inputs import blinks_input, fps_input, seed_input
from .inputs import AS_CONFIGURED, NO_CONTROLS, chosen
from .option_input import option_inputs
from .sockets import AvatarSocket, ControlsSocket, MotionSocket, SpeechSocket

EMO: dict[str, int | None] = {
    AS_CONFIGURED: None,
    **{f"{number} {name}": number for number, name in enumerate(EMOTIONS)},
}
DIFFUSION = {
    "sampling_timesteps": "Steps of diffusion: 25 fast, 50 balanced, 75 to 100 best. Ditto only.",
    "overlap_v2": "Frames that two windows of 80 share: 5 fast, 10 balanced, 15 to 20 smooth. Ditto only.",
    "smo_k_d": "Frames over which the head's motion is averaged: 1 none, 3 balanced, 5 calm. Ditto only.",
}
DRAWN_FOR = {
    "eye_f0_mode": "Draw motion for eyes that stay as in the first frame; the documents' video scripts do. "
    "With the reference character these are its eyes. Ditto only.",
    "reference_character": "Draw motion for the checkpoint's reference face and put it on the person, as "
    "published; off draws it for the person's own face and eyes. Ditto only.",
}


class DittoLMDMSample(io.ComfyNode):
    """Stage three: sample motion."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoLMDMSample",
            display_name="Ditto LMDM Sample",
            category="Ditto/Stages",
            description="Draws the motion of face and head that goes with the speech.",
            inputs=[
                AvatarSocket.Input("avatar", tooltip="Who moves, from Ditto Load Avatar."),
                SpeechSocket.Input("speech", tooltip="What is said, from Ditto Wav2Feat."),
                seed_input(),
                fps_input("Frame rate of a portrait's motion. A clip keeps the rate it was loaded with."),
                blinks_input(),
                *option_inputs(MotionOptions, DIFFUSION, optional=True),
                io.Combo.Input(
                    "emo",
                    options=list(EMO),
                    default=AS_CONFIGURED,
                    optional=True,
                    tooltip="Emotion of the whole clip; the documents' scripts use 4 neutral. For several "
                    "at once or one after the other connect Ditto Emotion. Ditto only.",
                ),
                *option_inputs(MotionOptions, DRAWN_FOR, optional=True),
                io.Int.Input(
                    "delta_eye_open_n",
                    default=0,
                    min=BLINK_GAP.low,
                    max=BLINK_GAP.high,
                    optional=True,
                    tooltip="Frames with open eyes between two blinks: 0 at random, -1 no blinks. For a "
                    "rate a minute, and for clips under six seconds, connect Ditto Blinks. Ditto only.",
                ),
                ControlsSocket.Input(
                    "controls",
                    optional=True,
                    tooltip="Emotion, blinks, preset: what they set is used instead of the values here.",
                ),
            ],
            outputs=[
                MotionSocket.Output(
                    display_name="motion",
                    tooltip="One row per frame, for Ditto Motion Stitch and Ditto Plot Motion.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        avatar: Avatar,
        speech: SpeechFeatures,
        seed: int,
        fps: float,
        blinks: bool,
        sampling_timesteps: int = MotionOptions.sampling_timesteps,
        overlap_v2: int = MotionOptions.overlap_v2,
        smo_k_d: int = MotionOptions.smo_k_d,
        emo: str = AS_CONFIGURED,
        eye_f0_mode: bool = MotionOptions.eye_f0_mode,
        reference_character: bool = MotionOptions.reference_character,
        delta_eye_open_n: int = 0,
        controls: Controls = NO_CONTROLS,
    ) -> io.NodeOutput:
        rate = avatar.fps or as_fps(fps)
        options = MotionOptions(
            seed=seed,
            fps=rate,
            blinks=blinks,
            sampling_timesteps=sampling_timesteps,
            overlap_v2=overlap_v2,
            smo_k_d=smo_k_d,
            emo=chosen("emo", emo, EMO),
            eye_f0_mode=eye_f0_mode,
            reference_character=reference_character,
            delta_eye_open_n=delta_eye_open_n,
        )
        options = controls.motion(options, Clip(speech.audio.frame_count(rate), rate))
        engine = common_engine(avatar, speech)
        return io.NodeOutput(engine.sample_motion(avatar, speech, options, ComfyHost()))
