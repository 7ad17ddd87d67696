"""The Ditto engine: motion-space diffusion with the published checkpoints.

Stages: crops and motion of the source (register), HuBERT (encode_speech), a diffusion model (sample_motion),
keypoints (stitch), feature volumes moved to them (warp), pictures (decode).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor

from ..audio.resample import mono
from ..control_info import ANGLES
from ..data import Audio, Avatar, FaceCrops, FeatureVolumes, Keypoints, Motion, Source, SpeechFeatures
from ..engine import Engine
from ..errors import ModelError
from ..face.find import FaceFinder
from ..host import Host
from ..media.source import first_frames, limit_size
from ..models.execution import Execution
from ..models.inventory import download_command
from ..models.memory import Batches, on_host, shortage_explained
from ..options import AvatarOptions, MotionOptions, StitchOptions
from ..sequences import DEFAULT_BATCH, AheadSequence, ComputedSequence, TensorSequence
from .avatar import DittoAvatar
from .checkpoints import FACES, FACES_SET, Checkpoints
from .condition import Character
from .config import open_config
from .controls import ControlRows, read_controls
from .draw import CHANNELS, FPS, DittoMotion, at_rate, blink_offsets, draw_motion, fitted
from .face_files import published_faces
from .follow import BuiltInFaces, FaceFollower
from .hearing import SpeechEncoder
from .motion import from_vectors
from .motion import keypoints as place
from .registration import build_avatar
from .runners import DittoNetworks
from .source import CROP_SIDE
from .speech import RATE, speech_features
from .stitch import DRIVEN_CHANNELS, MotionStitcher, StitchRules, motion_gains

RENDERING = ("motion_extractor", "appearance_extractor", "stitch_network", "warp_network", "decoder")
FEATURE_SHAPE = (256, 64, 64)
STITCHED_AT_ONCE = 2048
"""Frames; a piece takes some 20 MB."""


class DittoEngine(Engine):
    """Ditto with its published checkpoints; see the module's first lines."""

    name = "ditto"
    label = "Ditto"

    def __init__(
        self, checkpoints: Checkpoints, device: torch.device, execution: Execution | None = None
    ) -> None:
        """Raises a `ModelError` when files are missing or the configuration cannot be used, an `InputError`
        for an execution the device is not able to."""
        checkpoints.require()
        self.checkpoints = checkpoints
        self.config = open_config(checkpoints.found["config"])
        self.networks = DittoNetworks(checkpoints, device, execution or Execution())
        self.hear = SpeechEncoder(self.networks)
        self._registering = Batches(DEFAULT_BATCH)
        # Rendering, a CPU gains nothing from more frames at once.
        self._rendering = Batches(1 if device.type == "cpu" else DEFAULT_BATCH)

    @property
    def batch(self) -> int:
        """Frames rendered at once; fewer after memory ran out."""
        return self._rendering.size

    def with_data(self, data: Mapping[str, Any]) -> DittoEngine:
        """The same networks with data in place of the configuration's, see `DittoConfig.replaced`."""
        other = copy(self)
        other.config = self.config.replaced(data)
        return other

    def same_as(self, other: Engine) -> bool:
        # Not the same object: a host may have made the engine anew since it kept an earlier stage's result.
        return isinstance(other, DittoEngine) and self.config.same_data(other.config)

    def register(self, source: Source, options: AvatarOptions, host: Host) -> DittoAvatar:
        faces = self._faces(options)
        for network in faces.networks:
            host.manage(network)
        self.networks.prepare(RENDERING, host)
        frames = limit_size(first_frames(source.frames, options.template_n_frames), options.max_size)
        followed = faces.follow(frames, options, host)
        return build_avatar(
            self,
            replace(source, frames=frames),
            followed,
            self._extract_motion,
            self._extract_appearance,
            options,
            host,
        )

    def encode_speech(self, audio: Audio, host: Host) -> SpeechFeatures:
        self.networks.prepare(("hubert",), host)
        samples = mono(audio, RATE, host.check_interrupted)
        values = speech_features(samples, self.hear, progress=host.steps("listen"), batches=self.hear.batches)
        return SpeechFeatures(self, values, FPS, "hubert", audio)

    def sample_motion(
        self, avatar: Avatar, speech: SpeechFeatures, options: MotionOptions, host: Host
    ) -> DittoMotion:
        self.check_own(avatar, speech)
        self.networks.prepare(("lmdm",), host)
        person = cast(DittoAvatar, avatar)
        character, drawn_for = self.imagined(person, options)
        drawn = speech.audio.frame_count(FPS)
        with shortage_explained("drawing motion"):
            motion = draw_motion(
                self.networks.motion_model,
                fitted(speech.values, drawn),
                character,
                self.config,
                options,
                self.networks.device,
                host.steps("motion"),
            )
        eyes = blink_offsets(self.config.blink_table, drawn, options)
        count = speech.audio.frame_count(options.fps)
        return DittoMotion(
            self,
            at_rate(motion, options.fps, count),
            options.fps,
            CHANNELS,
            speech.audio,
            eyes=None if eyes is None else at_rate(eyes, options.fps, count),
            drawn_for=drawn_for,
        )

    def imagined(self, person: DittoAvatar, options: MotionOptions) -> tuple[Character, float | None]:
        """The face that motion is drawn for, and its scale; None when it is the person's own."""
        reference = self.config.character if options.reference_character else None
        if reference is None:
            return person.character, None
        return reference, float(reference.motion.scale[0])

    def stitch(self, avatar: Avatar, motion: Motion, options: StitchOptions) -> Keypoints:
        self.check_own(avatar, motion)
        person = cast(DittoAvatar, avatar)
        count = len(motion.values)
        drawn_for = motion.drawn_for if isinstance(motion, DittoMotion) else None
        stitcher = self.stitcher(person, drawn_for, options)
        controls = self.controls(count, options)
        index = person.source_index(count, motion.fps)
        eyes = motion.eyes if isinstance(motion, DittoMotion) else None
        driven: list[Tensor] = []
        driving: list[Tensor] = []
        for start in range(0, count, STITCHED_AT_ONCE):
            rows = slice(start, start + STITCHED_AT_ONCE)
            moved = from_vectors(motion.values[rows])
            piece = stitcher.drive(
                moved, index[rows], controls.take(rows), None if eyes is None else eyes[rows]
            )
            driven.append(piece.values())
            driving.append(stitcher.place(piece, index[rows]))
        put_on = Motion(self, torch.cat(driven), motion.fps, DRIVEN_CHANNELS, motion.audio)
        source = TensorSequence(place(person.face))
        return Keypoints(self, person, put_on, source, TensorSequence(torch.cat(driving)), index, "crop")

    def stitcher(
        self, person: DittoAvatar, drawn_for: float | None, options: StitchOptions
    ) -> MotionStitcher:
        """Stitches motion that was drawn for a face of that scale, None for the person's own."""
        rules = self._rules(person, drawn_for, options)
        join = self._join if options.flag_stitching else None
        return MotionStitcher(person.face, rules, join, rest=person.rest)

    def controls(self, count: int, options: StitchOptions) -> ControlRows:
        """What is changed in each of `count` frames; what the options leave open is the configuration's."""
        config = self.config
        return read_controls(
            options.ctrl_info,
            count,
            overall=config.overall_ctrl_info
            if options.overall_ctrl_info is None
            else options.overall_ctrl_info,
            fade_out_keys=config.fade_out_keys if options.fade_out_keys is None else options.fade_out_keys,
            fade_in=options.fade_in,
            fade_out=options.fade_out,
        )

    def warp(self, keypoints: Keypoints) -> FeatureVolumes:
        self.check_own(keypoints)
        person = cast(DittoAvatar, keypoints.avatar)

        def compute(start: int, stop: int) -> Tensor:
            index = keypoints.source_index[start:stop]
            return self.networks.value(
                "warp_network",
                feature_3d=person.appearance(index),
                kp_source=torch.stack([keypoints.source[int(frame)] for frame in index]),
                kp_driving=keypoints.driving[start:stop],
            )

        values = self._computed("warping a frame", compute, len(keypoints.driving), FEATURE_SHAPE)
        return FeatureVolumes(self, keypoints, values)

    def warm_up(self, person: DittoAvatar) -> None:
        """Load the rendering networks and run a batch through them, so that the first frame need not wait."""
        index = torch.zeros(self.batch, dtype=torch.int64)
        points = place(person.face.take(slice(0, 1))).expand(self.batch, -1, -1)
        given = {"feature_3d": person.appearance(index), "kp_source": points, "kp_driving": points}
        self.networks.value("decoder", feature=self.networks.value("warp_network", **given))

    def decode(self, volumes: FeatureVolumes) -> FaceCrops:
        self.check_own(volumes, volumes.keypoints)

        def compute(start: int, stop: int) -> Tensor:
            pictures = self.networks.value("decoder", feature=volumes.values[start:stop])
            return on_host(pictures.permute(0, 2, 3, 1).clamp(0, 1).mul(255))

        images = self._computed("decoding a frame", compute, len(volumes.values), (CROP_SIDE, CROP_SIDE, 3))
        if self.networks.device.type == "cuda":  # it works on while the CPU puts back and encodes
            images = AheadSequence(images)
        person = cast(DittoAvatar, volumes.keypoints.avatar)
        whole = torch.ones(CROP_SIDE, CROP_SIDE)
        return FaceCrops(self, volumes.keypoints, images, person.crop_to_original, whole, person.absent)

    def _computed(
        self, doing: str, function: Callable[[int, int], Tensor], length: int, shape: tuple[int, ...]
    ) -> ComputedSequence:
        """A lazy sequence whose batches are rendered a few frames at a time."""

        def compute(start: int, stop: int) -> Tensor:
            with torch.inference_mode():
                return torch.cat(self._rendering(doing, function, start, stop))

        return ComputedSequence(compute, length, shape, torch.float32)

    @cached_property
    def _finder(self) -> FaceFinder:
        return FaceFinder.default()

    def _faces(self, options: AvatarOptions) -> FaceFollower:
        found = self.checkpoints.found
        missing = [places[0] for role, places in FACES.items() if role not in found]
        if options.face_networks == "official" and missing:
            raise ModelError(
                f"The official face networks are not complete. Missing: {', '.join(missing)}. Get them, for "
                f"non-commercial use only, with: {download_command(FACES_SET)} (or choose the face networks "
                "built-in or auto)."
            )
        if options.face_networks == "built-in" or missing:
            return BuiltInFaces(self._finder)
        return published_faces(found, self._finder)

    def _extract_motion(self, images: Tensor) -> dict[str, Tensor]:
        def measure(start: int, stop: int) -> dict[str, Tensor]:
            return self.networks.run("motion_extractor", image=images[start:stop])

        parts = self._registering("measuring a frame", measure, 0, len(images))
        return {name: torch.cat([part[name] for part in parts]).cpu() for name in parts[0]}

    def _extract_appearance(self, images: Tensor) -> Tensor:
        def extract(start: int, stop: int) -> Tensor:
            return self.networks.value("appearance_extractor", image=images[start:stop])

        return torch.cat(self._registering("extracting a frame's appearance", extract, 0, len(images)))

    def _join(self, source: Tensor, driving: Tensor) -> Tensor:
        """The stitch network."""
        return self.networks.value("stitch_network", kp_source=source, kp_driving=driving).cpu()

    def _rules(self, person: DittoAvatar, drawn_for: float | None, options: StitchOptions) -> StitchRules:
        ratio = 1.0 if drawn_for is None else drawn_for / float(person.face.scale[0])
        gains = motion_gains(options.use_d_keys, is_video=person.is_video, scale_ratio=ratio)
        amounts = {"exp": options.mouth_amount, **dict.fromkeys((*ANGLES, "t"), options.head_amount)}
        return StitchRules(
            gains={key: gain * amounts.get(key, 1.0) for key, gain in gains.items()},
            relative=options.relative_d,
            drive_eye=not person.is_video if options.drive_eye is None else options.drive_eye,
            # Without a fade, "d0" changes nothing; with one, "" would.
            fade_to=(self.config.fade_type or "d0") if options.fade_type is None else options.fade_type,
            vad_on=options.vad_on,
            amplitude_of=options.amplitude_of,
        )
