"""The Ditto engine from its files to finished frames, with small networks in the published layout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import pytest
import torch
from helpers.ditto_engine import FEW_STEPS, clip_of, drawn, portrait, sound
from helpers.hosts import FolderHost
from helpers.seeded_weights import seeded_input
from torch import Tensor

from ditto_core.blend.put_back import put_back
from ditto_core.data import Audio, Frames, Keypoints, SpeechFeatures
from ditto_core.ditto.avatar import AppearanceVolumes, DittoAvatar
from ditto_core.ditto.condition import Conditioner
from ditto_core.ditto.draw import CHANNELS, FPS, DittoMotion
from ditto_core.ditto.engine import DittoEngine
from ditto_core.ditto.stitch import LIP_POINTS, point_mask
from ditto_core.emotion import emotion_table
from ditto_core.engine import Engine
from ditto_core.engines import load_engine
from ditto_core.errors import EngineError, InputError, Interrupted, ModelError
from ditto_core.host import Host
from ditto_core.media.plot import plot_motion
from ditto_core.media.source import as_source
from ditto_core.options import AvatarOptions, BlendOptions, FaceChoice, MotionOptions, StitchOptions
from ditto_core.sequences import ComputedSequence, LazySequence


@pytest.fixture(scope="module")
def filmed(engine: DittoEngine) -> DittoAvatar:
    return engine.register(clip_of(6), AvatarOptions(), Host())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: AvatarOptions(smo_k_s=0), "smo_k_s is 0"),
        (lambda: AvatarOptions(motion_frames=0), "motion_frames"),
        (lambda: AvatarOptions(face_networks=cast(Any, "mine")), "official, built-in"),
        (lambda: BlendOptions(mode="custom"), "needs an alpha"),
        (lambda: BlendOptions(mode=cast(Any, "soft")), "blend mode is 'soft'"),
        (lambda: BlendOptions(alpha=1.5), "between 0 and 1"),
        (lambda: BlendOptions(custom_formula=cast(Any, "mine")), "opacity, published"),
        (lambda: FaceChoice(cast(Any, "left")), "largest, from left, nearest"),
        (lambda: StitchOptions(vad_on=cast(Any, "all")), "lips, expression"),
        (lambda: AvatarOptions(crop_vx_ratio=float("nan")), "crop_vx_ratio is nan"),
        (lambda: MotionOptions(blink_rate=float("inf")), "blink_rate is inf"),
    ],
)
def test_impossible_options_are_refused(make: Callable[[], Any], words: str):
    with pytest.raises(InputError, match=words):
        make()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"overlap_v2": 80}, "overlap_v2 is 80"),
        ({"smo_k_d": 0}, "smo_k_d is 0"),
        ({"sampling_timesteps": 0}, "sampling_timesteps is 0"),
        ({"delta_eye_open_n": 0.1}, "delta_eye_open_n is 0.1"),
        ({"blink_rate": -1.0}, "blink_rate is -1"),
        ({"blink_times": (1, float("nan"))}, "time of a blink in seconds is nan"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**64}, "between 0 and 18446744073709551615"),
        ({"seed": None}, "seed is None"),
    ],
)
def test_impossible_motion_is_refused(
    engine: DittoEngine, person: DittoAvatar, options: dict[str, Any], words: str
):
    with pytest.raises(InputError, match=words):
        drawn(engine, person, **options)


# Registration


def test_a_still_gets_what_rendering_needs(person: DittoAvatar):
    assert person.face.exp.shape == (1, 63)
    assert person.crop_to_original.shape == (1, 3, 3)
    assert person.eyes.openness.shape == (1, 2)
    assert person.eyes.gaze.shape == (1, 6)
    assert 0.1 < float(person.eyes.openness.mean()) < 2
    assert not person.is_video
    assert person.notes == ()


def test_a_video_is_measured_frame_by_frame_and_smoothed(engine: DittoEngine):
    smooth = engine.register(clip_of(6), AvatarOptions(smo_k_s=3), Host())
    rough = engine.register(clip_of(6), AvatarOptions(smo_k_s=1), Host())
    assert rough.face.exp.shape == (6, 63)
    assert not rough.appearance._volumes
    assert torch.allclose(smooth.face.exp[1:-1], rough.face.exp.unfold(0, 3, 1).mean(dim=-1), atol=1e-6)
    assert torch.equal(smooth.shape, rough.face.kp[0])


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(50), Fraction(12)])
def test_the_eyes_that_motion_is_drawn_for_are_those_of_the_frame_shown(engine: DittoEngine, fps: Fraction):
    clip = engine.register(replace(clip_of(4), fps=fps), AvatarOptions(), Host())
    rows = Conditioner(clip.character, emotion_table("neutral")).rows(torch.zeros(9, 1024), 0)
    assert torch.equal(rows[:, 1032:1034], clip.eyes.openness[clip.source_index(9, FPS)])


def test_motion_is_not_smoothed_over_a_cut(engine: DittoEngine):
    dark = (portrait() // 3).astype(np.uint8)
    negative = np.ascontiguousarray(255 - dark[:, ::-1])
    negative[64:, :] = portrait()[:192]
    cut = as_source(np.stack([portrait(), portrait(), negative, negative]), FPS)
    avatar = engine.register(cut, AvatarOptions(smo_k_s=13), Host())
    assert torch.allclose(avatar.face.exp[0], avatar.face.exp[1], atol=1e-4)
    assert torch.allclose(avatar.face.exp[2], avatar.face.exp[3], atol=1e-4)
    assert not torch.allclose(avatar.face.exp[1], avatar.face.exp[2], atol=1e-4)
    assert any("frame 2" in note for note in avatar.notes)


def test_no_feature_volume_is_computed_before_it_is_needed(engine: DittoEngine):
    asked: list[int] = []

    def extract(batch: Tensor) -> Tensor:
        asked.append(len(batch))
        return batch.float().mean(dim=(1, 2, 3))[:, None]

    read: list[tuple[int, int]] = []

    def crop(start: int, stop: int) -> Tensor:
        read.append((start, stop))
        return torch.arange(start, stop, dtype=torch.uint8)[:, None, None, None].expand(-1, 2, 2, 3)

    volumes = AppearanceVolumes(ComputedSequence(crop, 100, (2, 2, 3), torch.uint8), extract, kept=4)
    assert asked == []
    for start in range(0, 100, 2):
        index = torch.tensor([start, start + 1, start + 1])
        assert volumes(index).flatten().tolist() == index.tolist()
    assert len(volumes._volumes) == 4
    assert sum(asked) == len(read) == 100
    volumes(torch.tensor([99, 98, 97]))
    assert sum(asked) == 100


def test_the_mouth_may_come_from_the_first_frames(engine: DittoEngine):
    plain = engine.register(clip_of(6), AvatarOptions(smo_k_s=1), Host())
    calm = engine.register(clip_of(6), AvatarOptions(smo_k_s=1, motion_frames=2), Host())
    lips = point_mask(LIP_POINTS) > 0
    order = [0, 1, 1, 0, 0, 1]
    assert torch.equal(calm.rest.exp[:, lips], plain.face.exp[order][:, lips])
    assert torch.equal(calm.rest.exp[:, ~lips], plain.face.exp[:, ~lips])
    assert torch.equal(calm.face.exp, plain.face.exp)
    assert torch.equal(plain.rest.exp, plain.face.exp)


def test_the_official_faces_are_asked_for_in_vain(engine: DittoEngine):
    with pytest.raises(ModelError, match=r"det_10g\.onnx.*built-in"):
        engine.register(as_source(portrait()), AvatarOptions(face_networks="official"), Host())


# Speech and motion


@pytest.mark.parametrize("rate", [16000, 22050, 44100])
@pytest.mark.parametrize("seconds", [0.001, 0.04, 0.041, 1.0])
def test_speech_gives_a_row_for_every_frame(engine: DittoEngine, seconds: float, rate: int):
    audio = sound(seconds, rate)
    speech = engine.encode_speech(audio, Host())
    assert speech.rate == 25
    assert abs(len(speech.values) - audio.frame_count(FPS)) <= 1
    assert speech.values.shape[1] == 1024


@pytest.mark.parametrize("overlap", [0, 1, 5, 10, 39, 40, 41, 70, 75, 79])
@pytest.mark.parametrize("frames", [1, 80, 93])
def test_every_overlap_gives_exactly_the_frames(
    engine: DittoEngine, person: DittoAvatar, overlap: int, frames: int
):
    audio = Audio(torch.zeros(1, frames * 640), 16000)
    speech = SpeechFeatures(engine, seeded_input("overlap", (frames, 1024)), FPS, "hubert", audio)
    options = replace(FEW_STEPS, sampling_timesteps=1, overlap_v2=overlap)
    motion = engine.sample_motion(person, speech, options, Host())
    assert motion.values.shape == (frames, len(CHANNELS))
    points = engine.stitch(person, motion, StitchOptions())
    assert len(points.driving) == len(points.source_index) == frames
    assert len(put_back(engine.decode(engine.warp(points))).images) == frames


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30), Fraction(30000, 1001), Fraction(12)])
def test_other_frame_rates_show_the_same_motion(engine: DittoEngine, person: DittoAvatar, fps: Fraction):
    speech = engine.encode_speech(sound(1.0), Host())
    motion = engine.sample_motion(person, speech, replace(FEW_STEPS, fps=fps), Host())
    same = engine.sample_motion(person, speech, FEW_STEPS, Host())
    count = speech.audio.frame_count(fps)
    assert motion.values.shape == (count, 265)
    assert motion.eyes is not None
    assert len(motion.eyes) == count
    assert abs(float(motion.values.mean() - same.values.mean())) < 0.01
    if fps == FPS:
        assert torch.equal(motion.values, same.values)


def test_the_seed_decides(engine: DittoEngine, person: DittoAvatar):
    first, again, other = (drawn(engine, person, seed=seed).values for seed in (5, np.int64(5), 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_motion_stays_within_the_configured_limits(engine: DittoEngine, person: DittoAvatar):
    limits = engine.config.limits
    assert limits is not None
    values = drawn(engine, person).values
    assert (values >= limits[0]).all()
    assert (values <= limits[1]).all()


def test_emotion_and_reference_character_are_heeded(engine: DittoEngine, person: DittoAvatar):
    configured = drawn(engine, person)
    assert not torch.equal(configured.values, drawn(engine, person, emo="happy").values)
    own = drawn(engine, person, reference_character=False)
    assert not torch.equal(configured.values, own.values)
    reference = engine.config.character
    assert reference is not None
    assert configured.drawn_for == pytest.approx(float(reference.motion.scale))
    assert own.drawn_for is None
    with pytest.raises(InputError, match="no emotion 'joyful'"):
        drawn(engine, person, emo="joyful")


def test_blinks_come_from_the_configured_table(engine: DittoEngine, person: DittoAvatar):
    table = engine.config.blink_table
    assert table is not None
    eyes = drawn(engine, person, 4.0, delta_eye_open_n=(20, 30)).eyes
    assert eyes is not None
    assert torch.equal(eyes[20 : 20 + len(table)], table)
    assert torch.equal(eyes[19], table[0])
    still = drawn(engine, person, 4.0, blinks=False).eyes
    assert still is not None
    assert torch.equal(still, table[:1].expand(100, -1))
    often = drawn(engine, person, 2.0, blink_rate=60.0).eyes
    assert often is not None
    assert not torch.equal(often, table[:1].expand(50, -1))
    timed = drawn(engine, person, 2.0, blink_times=(0.4, 1.4), blink_rate=60.0).eyes
    assert timed is not None
    open_eyes = table[:1].expand(10, -1)
    assert torch.equal(timed, torch.cat([open_eyes, table, open_eyes, table]))


# Stitching


def points_of(engine: DittoEngine, avatar: DittoAvatar, motion: DittoMotion, **options: Any) -> Keypoints:
    return engine.stitch(avatar, motion, StitchOptions(**options))


def test_nothing_moves_when_all_amounts_are_zero(engine: DittoEngine, person: DittoAvatar):
    points = points_of(
        engine,
        person,
        replace(drawn(engine, person), eyes=None),
        mouth_amount=0.0,
        head_amount=0.0,
        flag_stitching=False,
        overall_ctrl_info={},
    )
    source = points.source[0].expand(5, -1, -1)
    assert torch.allclose(points.driving[:], source, atol=1e-5)


def test_keypoints_tell_the_motion_that_was_put_on(engine: DittoEngine, person: DittoAvatar):
    motion = drawn(engine, person, 0.8, blinks=False)
    rest = {"delta_pitch": 0}
    plain = points_of(engine, person, motion, overall_ctrl_info=rest).motion
    turned = points_of(engine, person, motion, ctrl_info={3: {"delta_yaw": 9}}, overall_ctrl_info=rest).motion
    calm = points_of(engine, person, motion, mouth_amount=0.5, overall_ctrl_info=rest).motion
    assert plain.values.shape == (20, len(plain.channels)) == (20, 70)
    yaw, lip = plain.channels.index("yaw"), plain.channels.index(f"exp.{3 * 6}")
    moved = turned.values[:, yaw] - plain.values[:, yaw]
    assert torch.allclose(moved, 9.0 * torch.eye(20)[3], atol=1e-4)
    own = person.face.exp[0, 3 * 6]
    assert torch.allclose(calm.values[:, lip] - own, (plain.values[:, lip] - own) / 2, atol=1e-5)
    assert plot_motion(plain).shape == (720, 1200, 3)


def test_the_configured_overall_control_raises_the_head(engine: DittoEngine, person: DittoAvatar):
    motion = drawn(engine, person)
    plain = points_of(engine, person, motion, overall_ctrl_info={})
    configured = points_of(engine, person, motion)
    same = points_of(engine, person, motion, overall_ctrl_info={"delta_pitch": 2})
    assert torch.equal(configured.driving[:], same.driving[:])
    assert not torch.equal(configured.driving[:], plain.driving[:])


def test_a_fade_ends_where_motion_began(engine: DittoEngine, person: DittoAvatar):
    motion = drawn(engine, person, 0.8)
    faded = points_of(engine, person, motion, fade_out=5, fade_out_keys=("exp", "pitch", "yaw", "roll", "t"))
    assert torch.allclose(faded.driving[19], faded.driving[0], atol=1e-4)
    assert not torch.allclose(faded.driving[10], faded.driving[0], atol=1e-4)


def test_a_video_keeps_its_head(engine: DittoEngine, filmed: DittoAvatar):
    motion = drawn(engine, filmed)
    turned = replace(motion, values=motion.values.clone())
    turned.values[:, 1:202] += torch.randn(201, generator=torch.Generator().manual_seed(2))
    plain, same = (points_of(engine, filmed, each).driving[:] for each in (motion, turned))
    assert torch.allclose(plain, same, atol=1e-5)
    driven = points_of(engine, filmed, turned, use_d_keys=("exp", "pitch"), relative_d=False).driving[:]
    assert not torch.allclose(plain, driven, atol=1e-3)
    assert points_of(engine, filmed, motion).source_index.tolist() == [0, 1, 2, 3, 4]


def test_long_clips_are_stitched_in_pieces(
    engine: DittoEngine, filmed: DittoAvatar, monkeypatch: pytest.MonkeyPatch
):
    motion = drawn(engine, filmed, 1.0)
    whole = points_of(engine, filmed, motion).driving[:]
    monkeypatch.setattr("ditto_core.ditto.engine.STITCHED_AT_ONCE", 7)
    assert torch.allclose(points_of(engine, filmed, motion).driving[:], whole, atol=1e-6)


# Rendering


def finished(engine: Engine, avatar: DittoAvatar, motion: DittoMotion) -> Frames:
    return put_back(engine.decode(engine.warp(engine.stitch(avatar, motion, StitchOptions()))))


def test_frames_are_rendered_when_they_are_read(engine: DittoEngine, filmed: DittoAvatar):
    read: list[int] = []

    class Watched(LazySequence):
        def compute(self, start: int, stop: int) -> Tensor:
            read.extend(range(start, stop))
            return filmed.frames[start:stop]

    watched = replace(filmed, frames=Watched(len(filmed.frames), filmed.frames.shape, torch.uint8))
    frames = finished(engine, watched, drawn(engine, filmed))
    assert (len(frames.images), frames.images.shape) == (5, (256, 256, 3))
    assert read == []
    assert frames.images[1:3].dtype == torch.uint8
    assert read == [1, 2]


def test_a_batch_gives_what_single_frames_give(engine: DittoEngine, filmed: DittoAvatar):
    frames = finished(engine, filmed, drawn(engine, filmed))
    together = frames.images[0:5]
    assert torch.equal(together, torch.stack([frames.images[i] for i in range(5)]))
    untouched = filmed.frames[0:5]
    assert not torch.equal(together, untouched)


def test_frames_without_the_person_stay_as_they_are(engine: DittoEngine):
    elsewhere = np.full((256, 256, 3), 90, np.uint8)
    source = as_source(np.stack([portrait(), elsewhere, portrait()]), FPS)
    avatar = engine.register(source, AvatarOptions(), Host())
    assert avatar.absent == {1}
    assert any("stay as they are" in note for note in avatar.notes)
    frames = finished(engine, avatar, drawn(engine, avatar, 0.12))
    assert torch.equal(frames.images[1], torch.from_numpy(elsewhere))
    assert not torch.equal(frames.images[0], torch.from_numpy(portrait()))


@pytest.mark.parametrize("mode", ["blend", "replace", "strong", "weak", "custom"])
def test_every_blend_mode_renders(engine: DittoEngine, person: DittoAvatar, mode: Any):
    crops = engine.decode(engine.warp(engine.stitch(person, drawn(engine, person), StitchOptions())))
    alpha = 0.3 if mode == "custom" else None
    whole = put_back(crops, BlendOptions(mode="replace")).images[0].int()
    made = put_back(crops, BlendOptions(mode=mode, alpha=alpha)).images[0].int()
    x, y = (int(value) for value in person.landmarks[0].mean(dim=0))
    original = person.frames[0].int()
    share = {"weak": 0.5, "custom": 0.3}.get(mode, 1.0)
    expected = original[y, x] + share * (whole[y, x] - original[y, x])
    assert (made[y, x] - expected).abs().max() <= 1


def test_other_engines_outputs_are_refused(engine: DittoEngine, person: DittoAvatar):
    lite = load_engine("lite", Host())
    speech = lite.encode_speech(sound(0.2), Host())
    with pytest.raises(EngineError, match=r"different engines.*Ditto"):
        engine.sample_motion(person, speech, FEW_STEPS, Host())
    motion = drawn(engine, person)
    with pytest.raises(EngineError, match="made by Ditto; Lite"):
        lite.stitch(person, motion, StitchOptions())
    points = engine.stitch(person, motion, StitchOptions())
    with pytest.raises(EngineError, match="made by Ditto; Lite"):
        lite.warp(points)
    with pytest.raises(EngineError, match="Ditto cannot go on"):
        engine.warp(replace(points, engine=lite))


def test_drawing_motion_tells_and_may_be_stopped_at_every_step(engine: DittoEngine, person: DittoAvatar):
    class Watched(Host):
        told: ClassVar[list[tuple[int, int]]] = []
        stop_at = 10**6

        def progress(self, stage: str, done: int, total: int, preview: Tensor | None = None) -> None:
            self.told.append((done, total))

        def check_interrupted(self) -> None:
            if len(self.told) >= self.stop_at:
                raise Interrupted("stopped")

    host, options = Watched(), MotionOptions(sampling_timesteps=4)
    speech = engine.encode_speech(sound(4), Host())  # two windows
    engine.sample_motion(person, speech, options, host)
    assert host.told == [(step, 8) for step in range(9)]
    host.told.clear()
    host.stop_at = 2
    with pytest.raises(Interrupted):
        engine.sample_motion(person, speech, options, host)
    assert host.told == [(0, 8), (1, 8)]


def test_every_stage_stops_when_it_is_told_to(engine: DittoEngine, person: DittoAvatar, tmp_path: Path):
    host = FolderHost(tmp_path)
    speech = engine.encode_speech(sound(0.2), host)
    host.interrupted = True
    for stage in (
        lambda: engine.register(as_source(portrait()), AvatarOptions(), host),
        lambda: engine.encode_speech(sound(0.2), host),
        lambda: engine.sample_motion(person, speech, FEW_STEPS, host),
    ):
        with pytest.raises(Interrupted):
            stage()
