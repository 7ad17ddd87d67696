"""Registers a portrait, or a video of a person, with an engine."""

from __future__ import annotations

from comfy_api.latest import Input, io, ui

from ..ditto_core.controls.control import Controls
from ..ditto_core.engine import Engine
from ..ditto_core.face.preview import preview_face
from ..ditto_core.media.collect import collect_images
from ..ditto_core.options import AvatarOptions, FaceNetworks, as_fps
from ..ditto_core.talking_head import register
from .comfy_host import ComfyHost
from .common_inputs import face_choice, face_inputs, fps_input, max_size_input, source_input
from .inputs import NO_CONTROLS, chosen, named, source_from
from .sockets import AvatarSocket, ControlsSocket, EngineSocket

FACE_NETWORKS = named(FaceNetworks)
PREVIEW_FRAMES = 8


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
                io.Int.Input(
                    "template_n_frames",
                    default=AvatarOptions.template_n_frames,
                    min=-1,
                    max=1_000_000,
                    tooltip="How many frames of a clip are used; -1 uses all. Longer speech plays them "
                    "there and back again.",
                ),
                io.Float.Input(
                    "crop_scale",
                    default=AvatarOptions.crop_scale,
                    min=1.0,
                    max=5.0,
                    step=0.05,
                    tooltip="Side of the face crop, relative to the face.",
                ),
                io.Float.Input(
                    "crop_vx_ratio",
                    default=AvatarOptions.crop_vx_ratio,
                    min=-1.0,
                    max=1.0,
                    step=0.005,
                    tooltip="Moves the crop sideways, in fractions of its side.",
                ),
                io.Float.Input(
                    "crop_vy_ratio",
                    default=AvatarOptions.crop_vy_ratio,
                    min=-1.0,
                    max=1.0,
                    step=0.005,
                    tooltip="Moves the crop up (negative) or down, in fractions of its side.",
                ),
                io.Boolean.Input(
                    "crop_do_rotate",
                    default=AvatarOptions.crop_do_rotate,
                    tooltip="Turn the crop so that the face is upright in it.",
                ),
                *face_inputs(),
                io.Int.Input(
                    "smo_k_s",
                    default=AvatarOptions.smo_k_s,
                    min=1,
                    max=99,
                    optional=True,
                    tooltip="Frames over which a clip's own motion is averaged: 1 none, 13 balanced, 15 "
                    "calm. Ditto only.",
                ),
                io.Int.Input(
                    "motion_frames",
                    default=AvatarOptions.motion_frames,
                    min=-1,
                    max=1_000_000,
                    optional=True,
                    tooltip="Preserve motion: how many frames at a clip's start show a neutral mouth. The "
                    "face's own expression is taken from them, head and picture from all frames; -1 "
                    "is off. Ditto only.",
                ),
                io.Combo.Input(
                    "face_networks",
                    options=list(FACE_NETWORKS),
                    default=AvatarOptions.face_networks,
                    optional=True,
                    tooltip="Who finds the face. official: the published files, of which det_10g and "
                    "2d106det are InsightFace's, for non-commercial use only. built-in: the bundled mesh, "
                    "for any use. auto: official when installed. Ditto only.",
                ),
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
        face: str,
        face_index: int,
        face_x: float,
        face_y: float,
        smo_k_s: int = AvatarOptions.smo_k_s,
        motion_frames: int = AvatarOptions.motion_frames,
        face_networks: str = AvatarOptions.face_networks,
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
            face_networks=chosen("face_networks", face_networks, FACE_NETWORKS),
        )
        avatar = register(engine, source_from(source, as_fps(fps)), controls.avatar(options), host)
        preview = collect_images(preview_face(avatar, PREVIEW_FRAMES), host)
        shown = {**host.shown_notices(), **ui.PreviewImage(preview, cls=cls).as_dict()}
        return io.NodeOutput(avatar, preview, ui=shown)
