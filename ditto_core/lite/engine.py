"""The Lite engine: a portrait speaks on a CPU with nothing downloaded, at draft quality.

Stages: landmarks and weights (register), visemes (encode_speech), rule-based curves (sample_motion), moved
vertices (stitch), backward maps (warp), pictures (decode).
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from typing import cast

import torch
from torch import Tensor

from ..audio.resample import mono
from ..data import Audio, Avatar, FaceCrops, FeatureVolumes, Keypoints, Motion, Source, SpeechFeatures
from ..engine import Engine
from ..face.find import FaceFinder
from ..face.track import track
from ..host import Host
from ..media.source import first_frames, limit_size
from ..models.bundled import bundled
from ..models.runners import OnnxRunner
from ..options import AvatarOptions, MotionOptions, StitchOptions
from ..sequences import ComputedSequence, RememberedSequence
from . import motion as speech_motion
from . import stitch as motion_stitch
from .avatar import LiteAvatar
from .coefficients import CHANNELS, COLUMN
from .lip_watch import LipWatch
from .posing import driving_points, source_points
from .register import build_avatar
from .render import LiteVolumes, Renderer
from .visemes import ROWS_PER_SECOND, SAMPLE_RATE, VisemeEncoder


class LiteEngine(Engine):
    """Draft lip sync by warping the picture; see the module's first lines."""

    name = "lite"
    label = "Lite (draft quality)"
    ignores = frozenset(
        (
            *("crop_scale", "crop_vx_ratio", "crop_vy_ratio", "crop_do_rotate"),  # but for the preview
            *("smo_k_s", "motion_frames", "face_networks"),
            *("sampling_timesteps", "overlap_v2", "smo_k_d", "emo", "eye_f0_mode", "reference_character"),
            *("delta_eye_open_n", "use_d_keys", "relative_d", "flag_stitching", "fade_type", "fade_out_keys"),
            *("vad_on", "amplitude_of", "delta_exp", "execution"),
        )
    )
    panels = {  # noqa: RUF012
        "Mouth": ("open", "wide", "press", "tuck"),
        "Eyes": ("blink_left", "blink_right", "brow"),
        **Engine.panels,
    }

    @cached_property
    def finder(self) -> FaceFinder:
        """Face detection and landmarks."""
        return FaceFinder.default()

    @cached_property
    def encoder(self) -> VisemeEncoder:
        """The viseme network."""
        return VisemeEncoder(OnnxRunner(bundled("viseme_tcn.onnx")))

    def register(self, source: Source, options: AvatarOptions, host: Host) -> LiteAvatar:
        for network in self.finder.networks:
            host.manage(network)
        frames = limit_size(first_frames(source.frames, options.template_n_frames), options.max_size)
        watch = LipWatch()
        tracked = track(self.finder, frames, options.face, host, watch)
        hidden = watch.hidden(tracked.seen.found)
        frames = RememberedSequence(frames)  # rendering and putting back read the same ones in turn
        return build_avatar(self, replace(source, frames=frames), tracked, options, hidden)

    def encode_speech(self, audio: Audio, host: Host) -> SpeechFeatures:
        host.manage(self.encoder.runner)
        samples = mono(audio, SAMPLE_RATE, host.check_interrupted)
        values = self.encoder.encode(samples, host.steps("listen"))
        return SpeechFeatures(self, values, Fraction(ROWS_PER_SECOND), "visemes", audio)

    def sample_motion(
        self, avatar: Avatar, speech: SpeechFeatures, options: MotionOptions, host: Host
    ) -> Motion:
        self.check_own(avatar, speech)
        host.check_interrupted()
        count = speech.audio.frame_count(options.fps)
        values = speech_motion.sample(
            speech.values,
            count,
            options.fps,
            options.seed,
            options.blinks,
            options.blink_rate,
            options.blink_times,
        )
        return Motion(self, values, options.fps, CHANNELS, speech.audio)

    def stitch(self, avatar: Avatar, motion: Motion, options: StitchOptions) -> Keypoints:
        self.check_own(avatar, motion)
        person = cast(LiteAvatar, avatar)
        drive_eye = not person.is_video if options.drive_eye is None else options.drive_eye
        values = motion_stitch.apply(motion.values, options, drive_eye, drive_head=not person.is_video)
        if person.is_video:  # head and brows move as they did
            values[:, COLUMN["brow"]] = 0
        index = person.source_index(len(values), motion.fps)
        return Keypoints(
            self,
            person,
            replace(motion, values=values),
            source_points(person),
            driving_points(person, values, index),
            index,
        )

    def warp(self, keypoints: Keypoints) -> LiteVolumes:
        self.check_own(keypoints)
        renderer = Renderer(keypoints)
        shape = (*renderer.avatar.map_shape, 2)
        maps = ComputedSequence(renderer.displacements, len(keypoints.driving), shape, torch.float32)
        return LiteVolumes(self, keypoints, maps, renderer)

    def decode(self, volumes: FeatureVolumes) -> FaceCrops:
        self.check_own(volumes, volumes.keypoints)
        renderer = cast(LiteVolumes, volumes).renderer
        avatar = renderer.avatar

        def compute(start: int, stop: int) -> Tensor:
            return renderer.pictures(volumes.values[start:stop], start)

        images = ComputedSequence(compute, len(volumes.values), (*avatar.region, 3), torch.uint8)
        placed = torch.eye(3).repeat(len(avatar.corners), 1, 1)
        placed[:, :2, 2] = avatar.corners.float()
        return FaceCrops(self, volumes.keypoints, images, placed, torch.ones(avatar.region), avatar.absent)
