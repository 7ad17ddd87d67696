"""The Ditto engine from its files to finished frames, with small networks in the published layout."""

from __future__ import annotations

import pickle
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, cast

import av
import cv2
import numpy as np
import pytest
import torch
from helpers.ditto_release import use_small_networks, write_hubert, write_release
from helpers.seeded_weights import seeded_input
from torch import Tensor

import ditto_core
from ditto_core.blend.put_back import put_back
from ditto_core.data import Audio, Frames, Keypoints, Source, SpeechFeatures
from ditto_core.ditto.avatar import AppearanceVolumes, DittoAvatar
from ditto_core.ditto.draw import CHANNELS, FPS, DittoMotion
from ditto_core.ditto.engine import DittoEngine
from ditto_core.ditto.stitch import LIP_POINTS, point_mask
from ditto_core.engine import Engine
from ditto_core.engines import load_engine
from ditto_core.errors import EngineError, InputError, Interrupted, ModelError
from ditto_core.host import Host
from ditto_core.media.images import read_image
from ditto_core.media.plot import plot_motion
from ditto_core.media.source import as_source
from ditto_core.models.configs import read_config
from ditto_core.options import AvatarOptions, BlendOptions, MotionOptions, StitchOptions
from ditto_core.sequences import ComputedSequence, LazySequence
from ditto_core.talking_head import TalkOptions, render, talk

PORTRAIT = Path(ditto_core.__file__).parent / "assets" / "astronaut.png"
FEW_STEPS = MotionOptions(sampling_timesteps=2)


class FolderHost(Host):
    """Looks for models in one folder and remembers what it was told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.heard: list[str] = []
        self.stages: list[str] = []
        self.managed: list[str] = []
        self.interrupted = False

    def model_folders(self) -> list[Path]:
        return [self.folder]

    def notice(self, message: str) -> None:
        self.heard.append(message)

    def progress(self, stage: str, done: int, total: int, preview: Tensor | None = None) -> None:
        self.stages.append(stage)

    def manage(self, model: Any) -> None:
        self.managed.append(model.name)

    def check_interrupted(self) -> None:
        if self.interrupted:
            raise Interrupted("stopped")


@pytest.fixture(scope="module")
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        use_small_networks(patch)
        yield


@pytest.fixture(scope="module")
def release(small: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("release"))


@pytest.fixture
def own_release(release: Path, tmp_path: Path) -> Path:
    """A copy a test may damage."""
    return Path(shutil.copytree(release, tmp_path / "own"))


@pytest.fixture(scope="module")
def engine(release: Path) -> DittoEngine:
    loaded = load_engine("ditto", FolderHost(release))
    assert isinstance(loaded, DittoEngine)
    return loaded


def portrait(side: int = 256) -> np.ndarray:
    return cv2.resize(read_image(PORTRAIT).numpy(), (side, side), interpolation=cv2.INTER_AREA)


def clip_of(frames: int) -> Source:
    """A video in which the portrait moves a little."""
    moved = [np.roll(portrait(), 2 * frame, axis=1) for frame in range(frames)]
    return as_source(np.stack(moved), FPS)


def sound(seconds: float, rate: int = 16000) -> Audio:
    generator = torch.Generator().manual_seed(1)
    return Audio(0.1 * torch.randn(1, round(seconds * rate), generator=generator), rate)


@pytest.fixture(scope="module")
def person(engine: DittoEngine) -> DittoAvatar:
    return engine.register(as_source(portrait()), AvatarOptions(), Host())


@pytest.fixture(scope="module")
def filmed(engine: DittoEngine) -> DittoAvatar:
    return engine.register(clip_of(6), AvatarOptions(), Host())


def drawn(engine: DittoEngine, avatar: DittoAvatar, seconds: float = 0.2, **options: Any) -> DittoMotion:
    speech = engine.encode_speech(sound(seconds), Host())
    return engine.sample_motion(avatar, speech, replace(FEW_STEPS, **options), Host())


# Files


def test_a_portrait_speaks_into_a_file(release: Path, tmp_path: Path):
    host = FolderHost(release)
    samples = sound(0.1).samples[0]
    path = talk(portrait(), (samples, 16000), tmp_path / "out.mp4", engine="ditto", host=host)
    with av.open(path) as file:
        pictures = list(file.decode(video=0))
    assert len(pictures) == 3
    assert (pictures[0].width, pictures[0].height) == (256, 256)
    assert list(dict.fromkeys(host.stages))[:4] == ["register", "measure", "listen", "motion"]
    assert {"decoder", "warp_network", "lmdm_v0.4_hubert", "hubert_streaming_fix_kv"} <= set(host.managed)


def test_auto_takes_ditto_when_its_files_are_there(release: Path):
    host = FolderHost(release)
    assert load_engine("auto", host).name == "ditto"
    assert len(host.heard) == 1
    assert "Engine: Ditto" in host.heard[0]
    assert str(release / "ditto_pytorch" / "models") in host.heard[0]


def test_auto_takes_lite_and_says_what_is_missing(own_release: Path, tmp_path: Path):
    (own_release / "ditto_pytorch" / "models" / "decoder.pth").unlink()
    host = FolderHost(own_release)
    assert load_engine("auto", host).name == "lite"
    assert "Lite" in host.heard[0]
    assert "ditto_pytorch/models/decoder.pth" in host.heard[0]
    assert "warp_network" not in host.heard[0]
    assert str(own_release) in host.heard[0]

    nothing = FolderHost(tmp_path / "nothing")
    assert load_engine("auto", nothing).name == "lite"
    assert "None of Ditto's files" in nothing.heard[0]


@pytest.mark.parametrize(
    "name",
    [
        "ditto_cfg/v0.4_hubert_cfg_pytorch.pkl",
        "ditto_pytorch/models/stitch_network.pth",
        "ditto_pytorch/aux_models/hubert_streaming_fix_kv.onnx",
    ],
)
def test_what_is_missing_is_listed_with_where_it_belongs(name: str, own_release: Path):
    (own_release / name).unlink()
    with pytest.raises(ModelError) as caught:
        load_engine("ditto", FolderHost(own_release))
    told = str(caught.value)
    assert f"Missing: {name} (" in told
    assert told.index("install.py ditto-pytorch")
    assert str(own_release) in told
    assert "lite" in told


def test_an_explicit_root_and_configuration_are_used(release: Path, tmp_path: Path):
    root = Path(shutil.copytree(release / "ditto_pytorch", tmp_path / "any name"))
    config = Path(shutil.copy(release / "ditto_cfg" / "v0.4_hubert_cfg_pytorch.pkl", tmp_path / "mine.pkl"))
    host = FolderHost(tmp_path / "nothing")
    loaded = load_engine("ditto", host, data_root=root, cfg_pkl=config)
    assert isinstance(loaded, DittoEngine)
    assert loaded.networks.files["decoder"] == root / "models" / "decoder.pth"
    assert loaded.config.blink_table is not None
    with pytest.raises(ModelError, match=r"v0\.4_hubert_cfg_pytorch\.pkl"):
        load_engine("ditto", host, data_root=root)


def renamed(config: Path, role: str, name: object) -> None:
    """Let a configuration name another file of a network."""
    content = read_config(config)
    content["base_cfg"][f"{role}_cfg"]["model_path"] = name
    config.write_bytes(pickle.dumps(content))


@pytest.mark.parametrize("explicit", [True, False])
def test_files_that_the_configuration_names_are_used(own_release: Path, explicit: bool):
    root = own_release / "ditto_pytorch"
    config = own_release / "ditto_cfg" / "v0.4_hubert_cfg_pytorch.pkl"
    (root / "mine").mkdir()
    mine = Path(shutil.copy(root / "models" / "decoder.pth", root / "mine" / "painter.pth"))
    renamed(config, "decoder", "mine\\painter.pth")
    given = {"data_root": root, "cfg_pkl": config} if explicit else {}
    loaded = load_engine("ditto", FolderHost(own_release), **given)
    assert isinstance(loaded, DittoEngine)
    assert loaded.networks.files["decoder"] == mine
    assert loaded.networks.files["warp_network"] == root / "models" / "warp_network.pth"
    mine.unlink()
    fallen_back = load_engine("ditto", FolderHost(own_release), **given)
    assert isinstance(fallen_back, DittoEngine)
    assert fallen_back.networks.files["decoder"] == root / "models" / "decoder.pth"


@pytest.mark.parametrize(
    "name", ["../outside.pth", "{absolute}", "models/../../outside.pth", "C:outside.pth", 7, ""]
)
def test_a_configuration_cannot_name_files_outside_of_its_folder(own_release: Path, name: object):
    root = own_release / "ditto_pytorch"
    outside = Path(shutil.copy(root / "models" / "decoder.pth", own_release / "outside.pth"))
    config = own_release / "ditto_cfg" / "v0.4_hubert_cfg_pytorch.pkl"
    renamed(config, "decoder", str(outside) if name == "{absolute}" else name)
    loaded = load_engine("ditto", FolderHost(own_release), data_root=root, cfg_pkl=config)
    assert isinstance(loaded, DittoEngine)
    assert loaded.networks.files["decoder"] == root / "models" / "decoder.pth"


def test_a_configuration_that_is_not_there_is_missing(release: Path, tmp_path: Path):
    gone = tmp_path / "gone.pkl"
    with pytest.raises(ModelError, match=rf"no configuration {re.escape(str(gone))} .*Correct it, or leave"):
        load_engine("ditto", FolderHost(release), cfg_pkl=gone)
    host = FolderHost(release)
    assert load_engine("auto", host, cfg_pkl=gone).name == "lite"
    assert host.heard[0].startswith(f"There is no configuration {gone} (cfg_pkl). Engine: Lite")


def test_a_folder_that_is_not_there_is_named(release: Path):
    gone = release / "ditto_pytorh"
    words = rf"no folder {re.escape(str(gone))} .*{re.escape(str(release))}.*get"
    with pytest.raises(ModelError, match=words):
        load_engine("ditto", FolderHost(release), data_root=gone)
    host = FolderHost(release)
    assert load_engine("auto", host, data_root=gone).name == "ditto", "the folders beside it have all"
    assert host.heard[0].startswith(f"There is no folder {gone} (data_root). Engine: Ditto")


def test_a_folder_that_lacks_files_has_them_listed(release: Path, tmp_path: Path):
    (tmp_path / "mine").mkdir()
    host = FolderHost(release)
    assert load_engine("auto", host, data_root=tmp_path / "mine").name == "lite"
    places = ("ditto_cfg/v0.4_hubert_cfg_pytorch.pkl", "ditto_pytorch/models/decoder.pth")
    assert all(place in host.heard[0] for place in places)
    assert host.heard[0].endswith(f"ditto-pytorch --dir {tmp_path}")


def test_a_release_in_its_own_folder_is_found(release: Path, tmp_path: Path):
    shutil.copytree(release, tmp_path / "checkpoints")
    assert load_engine("ditto", FolderHost(tmp_path)).name == "ditto"


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-500])


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("models/motion_extractor.pth", cut_off, "damaged, incomplete"),
        (
            "models/warp_network.pth",
            lambda path: shutil.copy(path.with_name("decoder.pth"), path),
            "not belong",
        ),
        (
            "models/stitch_network.pth",
            lambda path: shutil.copy(path.with_name("decoder.pth"), path),
            "retarget",
        ),
        ("models/lmdm_v0.4_hubert.pth", lambda path: path.write_text("<html>"), "is a web page"),
        ("aux_models/hubert_streaming_fix_kv.onnx", cut_off, "damaged or no ONNX"),
        (
            "aux_models/hubert_streaming_fix_kv.onnx",
            lambda path: write_hubert(path, 768),
            "not Ditto's HuBERT",
        ),
    ],
    ids=["cut off", "another network", "another wrapping", "a web page", "cut off ONNX", "another HuBERT"],
)
def test_a_wrong_file_is_named(name: str, damage: Callable[[Path], Any], words: str, own_release: Path):
    path = own_release / "ditto_pytorch" / name
    damage(path)
    host = FolderHost(own_release)
    loaded = load_engine("ditto", host)
    with pytest.raises(ModelError, match=words) as caught:
        render(loaded, as_source(portrait()), sound(0.04), TalkOptions(), host).images[0:1]
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: AvatarOptions(smo_k_s=0), "smo_k_s is 0"),
        (lambda: AvatarOptions(motion_frames=0), "motion_frames"),
        (lambda: AvatarOptions(face_networks=cast(Any, "mine")), "official, built-in"),
        (lambda: BlendOptions(mode="custom"), "needs an alpha"),
        (lambda: BlendOptions(mode=cast(Any, "soft")), "no blend mode 'soft'"),
        (lambda: BlendOptions(alpha=1.5), "between 0 and 1"),
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
        ({"blink_rate": -1.0}, "blink rate is -1"),
        ({"blink_times": (1, float("nan"))}, "begin at nan seconds"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**64}, "whole number from 0 to 18446744073709551615"),
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
