"""The Ditto engine at full width: files in the published wrappings, the recorded composites."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import torch
from helpers.ditto_release import CONFIG, write_release
from helpers.golden import Golden, assert_picture
from helpers.seeded_weights import seeded_input

from ditto_core.blend.put_back import put_back
from ditto_core.data import Audio, SpeechFeatures
from ditto_core.ditto import draw
from ditto_core.ditto.avatar import AppearanceVolumes, DittoAvatar
from ditto_core.ditto.checkpoints import find_checkpoints
from ditto_core.ditto.condition import eye_attributes
from ditto_core.ditto.config import DittoConfig
from ditto_core.ditto.convert import convert_onnx
from ditto_core.ditto.draw import FPS
from ditto_core.ditto.engine import DittoEngine
from ditto_core.ditto.motion import FaceInfo
from ditto_core.ditto.source import network_input
from ditto_core.engines import load_engine
from ditto_core.host import Host
from ditto_core.options import MotionOptions, StitchOptions
from ditto_core.sequences import TensorSequence


@pytest.fixture
def full_release(tmp_path: Path) -> Iterator[Path]:
    """700 MB: not left behind."""
    yield write_release(tmp_path / "release")
    shutil.rmtree(tmp_path / "release")


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("runner", "shown"), [("pytorch", (0, 41, 89)), ("onnx", (41,))])
def test_the_published_chain_from_official_files(
    runner: str, shown: tuple[int, ...], full_release: Path, monkeypatch: pytest.MonkeyPatch
):
    recorded = Golden("ditto/pipeline_e2e")
    host = Host()
    if runner == "onnx":
        convert_onnx(find_checkpoints([full_release]), full_release / "ditto_onnx", host)
        shutil.rmtree(full_release / "ditto_pytorch" / "models")
    engine = cast(
        DittoEngine, load_engine("ditto", host, data_root=full_release / "ditto_pytorch", cfg_pkl=CONFIG)
    )
    assert set(engine.networks.kinds.values()) == {runner, "onnx"}  # HuBERT is ONNX always
    engine.config = DittoConfig(limits=recorded["in.v_min_max"])
    crop = recorded["in.crop_low"].to(torch.uint8).repeat_interleave(16, 0).repeat_interleave(16, 1)
    face = FaceInfo(**engine._extract_motion(network_input(crop[None])))
    avatar = DittoAvatar(
        engine=engine,
        frames=TensorSequence(recorded["in.frame"].to(torch.uint8)[None]),
        fps=None,
        landmarks=torch.zeros(1, 1, 2),
        crop_to_original=recorded["in.M_c2o"][None],
        crop_size=512,
        notes=(),
        face=face,
        rest=face,
        shape=face.kp[0],
        eyes=eye_attributes(recorded["in.lmk478"]),
        appearance=AppearanceVolumes(
            TensorSequence(crop[None]), lambda batch: engine._extract_appearance(network_input(batch))
        ),
    )
    starts = iter(recorded["in.x_T"])
    monkeypatch.setattr(draw, "step_noise", lambda *_: recorded["in.noise"])
    monkeypatch.setattr(draw, "start_noise", lambda *_: next(starts))
    audio = Audio(torch.zeros(1, 90 * 640), 16000)
    speech = SpeechFeatures(engine, seeded_input("e2e/aud", (90, 1024)), FPS, "hubert", audio)

    motion = engine.sample_motion(avatar, speech, MotionOptions(sampling_timesteps=4), host)
    frames = put_back(engine.decode(engine.warp(engine.stitch(avatar, motion, StitchOptions()))))
    for index in shown:
        assert_picture(frames.images[index], recorded.warped(f"f{index}.composite"), levels=2)
