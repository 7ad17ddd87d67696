"""Registers a portrait, or a video of a person, with an engine."""

from __future__ import annotations

from comfy_api.latest import Input, io, ui

from ..ditto_core.controls.control import Controls
from ..ditto_core.engine import Engine
from ..ditto_core.face.preview import preview_face
from ..ditto_core.media.collect import collect_images
from ..ditto_core.options import AvatarOptions, FaceNetworks, FaceRule, as_fps
from ..ditto_core.talking_head import register
from .comfy_host import ComfyHost
from .common_inputs import face_choice, face_inputs, fps_input, max_size_input, source_input
from .inputs import NO_CONTROLS, source_from
from .option_input import option_input, option_inputs
from .sockets import AvatarSocket, ControlsSocket, EngineSocket

PREVIEW_FRAMES = 8
FRAMES_TOOLTIP = (
    "How many frames of a clip are used; -1 uses all. Longer speech plays them there and back again."
)
SCALE_TOOLTIP = "Side of the face crop, relative to the face."
CROP_SHIFT = {
    "crop_vx_ratio": "Moves the crop sideways, in fractions of its side.",
    "crop_vy_ratio": "Moves the crop up (negative) or down, in fractions of its side.",
}
ROTATE_TOOLTIP = "Turn the crop so that the face is upright in it."
DITTO_ONLY = {
    "smo_k_s": "Frames over which a clip's own motion is averaged: 1 none, 13 balanced, 15 calm. Ditto only.",
    "motion_frames": "Preserve motion: how many frames at a clip's start show a neutral mouth. The face's "
    "own expression is taken from them, head and picture from all frames; -1 is off. Ditto only.",
    "face_networks": "Who finds the face. official: the published files, of which det_10g and 2d106det are "
    "InsightFace's, for non-commercial use only. built-in: the bundled mesh, for any use. auto: official "
    "when installed. Ditto only.",
}


class DittoLoadAvatar(io.ComfyNode):
    """Source to avatar."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DittoLoadAvatar",
            display_name="Ditto Load Avatar",
            category="Ditto/Load",
            description="Finds the face in a portrait or a video of a person and prepares it for animation.",
            inputs=[
                EngineSocket.Input("engine", tooltip="From Ditto Load Engine."),
                source_input(),
                max_size_input(),
                fps_input(
                    "Frame rate a VIDEO is resampled to, and the rate of a batch of IMAGEs. A portrait "
                    "ignores it."
                ),
                option_input(AvatarOptions, "template_n_frames", FRAMES_TOOLTIP),
                option_input(AvatarOptions, "crop_scale", SCALE_TOOLTIP, step=0.05),
                *option_inputs(AvatarOptions, CROP_SHIFT, step=0.005),
                option_input(AvatarOptions, "crop_do_rotate", ROTATE_TOOLTIP),
                *face_inputs(),
                *option_inputs(AvatarOptions, DITTO_ONLY, optional=True),
                ControlsSocket.Input(
                    "controls",
                    optional=True,
                    tooltip="Of a preset: its max_size and smo_k_s, instead of those here.",
                ),
            ],
            outputs=[
                AvatarSocket.Output(display_name="avatar", tooltip="The registered person."),
                io.Image.Output(
                    display_name="preview",
                    tooltip=f"The face crop with its landmarks, for at most {PREVIEW_FRAMES} frames.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        engine: Engine,
        source: Input.Image | Input.Video,
        max_size: int,
        fps: float,
        template_n_frames: int,
        crop_scale: float,
        crop_vx_ratio: float,
        crop_vy_ratio: float,
        crop_do_rotate: bool,
        face: FaceRule,
        face_index: int,
        face_x: float,
        face_y: float,
        smo_k_s: int = AvatarOptions.smo_k_s,
        motion_frames: int = AvatarOptions.motion_frames,
        face_networks: FaceNetworks = AvatarOptions.face_networks,
        controls: Controls = NO_CONTROLS,
    ) -> io.NodeOutput:
        host = ComfyHost()
        options = AvatarOptions(
            max_size=max_size,
            template_n_frames=template_n_frames,
            crop_scale=crop_scale,
            crop_vx_ratio=crop_vx_ratio,
            crop_vy_ratio=crop_vy_ratio,
            crop_do_rotate=crop_do_rotate,
            face=face_choice(face, face_index, face_x, face_y),
            smo_k_s=smo_k_s,
            motion_frames=motion_frames,
            face_networks=face_networks,
        )
        avatar = register(engine, source_from(source, as_fps(fps)), controls.avatar(options), host)
        preview = collect_images(preview_face(avatar, PREVIEW_FRAMES), host)
        shown = {**host.shown_notices(), **ui.PreviewImage(preview, cls=cls).as_dict()}
        return io.NodeOutput(avatar, preview, ui=shown)
