"""The whole offline path with seeded networks, from a face crop and speech features to finished pictures."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
import torch
from helpers.golden import Golden, assert_picture, assert_within
from helpers.seeded_weights import fill_, seeded_input
from torch import Tensor, nn

from ditto_core.blend.composite import lay_on
from ditto_core.blend.masks import feathered_mask
from ditto_core.ditto.condition import Character, Conditioner, eye_attributes
from ditto_core.ditto.controls import ControlRows
from ditto_core.ditto.motion import WIDTHS, FaceInfo, clip, from_vectors, to_vectors
from ditto_core.ditto.networks import create
from ditto_core.ditto.networks.lmdm import LMDM
from ditto_core.ditto.sampler import sample
from ditto_core.ditto.source import network_input
from ditto_core.ditto.stitch import MotionStitcher, StitchRules
from ditto_core.ditto.windows import WindowOptions, sample_offline
from ditto_core.emotion import emotion_table

COLUMNS = [0, 1, 2, 66, 67, 132, 133, 198, 199, 200, 201, 202, 203, 215, 230, 250, 264]
FRAMES = (0, 41, 89)
RECORDED = Golden("ditto/pipeline_e2e")


def network(name: str) -> nn.Module:
    salt = "lmdm_v0.4_hubert" if name == "lmdm" else name
    return fill_(create(name), f"ditto/{salt}", keep=("freqs",) if name == "lmdm" else ())


def extract(image: Tensor) -> FaceInfo:
    face = FaceInfo(**network("motion_extractor")(image))
    for name in (*WIDTHS, "kp"):
        assert_within(getattr(face, name), RECORDED[f"out.src.{name}"], 5e-4)
    return face


def draw_motion(face: FaceInfo) -> Tensor:
    """Motion (90, 265) from recorded noise."""
    character = Character(face.kp[0], eye_attributes(RECORDED["in.lmk478"]), face)
    cond = Conditioner(character, emotion_table("neutral")).rows(seeded_input("e2e/aud", (90, 1024)), 0)
    assert_within(cond[::10, 1024:], RECORDED["out.cond"], 5e-4)
    model, starts = cast(LMDM, network("lmdm")), iter(RECORDED["in.x_T"])

    def window(cond: Tensor, before: Tensor) -> Tensor:
        return sample(model, cond[None], before[None], RECORDED["in.noise"], next(starts))[0]

    motion = sample_offline(cond, window, to_vectors(face)[0], WindowOptions())
    assert_within(motion[::5, COLUMNS], RECORDED["out.motion"], 5e-4)
    return clip(motion, RECORDED["in.v_min_max"])


@pytest.mark.slow
@torch.inference_mode()
def test_the_whole_offline_path():
    crop = RECORDED["in.crop_low"].to(torch.uint8).repeat_interleave(16, 0).repeat_interleave(16, 1)
    image = network_input(crop[None])
    face = extract(image)
    motion = draw_motion(face)

    stitcher = MotionStitcher(face, StitchRules(), network("stitch_network"))
    index = torch.zeros(90, dtype=torch.int64)
    x_s, x_d = stitcher(from_vectors(motion), index, ControlRows.none(90))
    volume = network("appearance_extractor")(image)
    assert_within(volume[:, ::4, ::4, ::8, ::8], RECORDED["out.f_s"], 5e-4)

    warp, decode = network("warp_network"), network("decoder")
    mask, frame = feathered_mask(512, 512), RECORDED["in.frame"].to(torch.uint8).numpy()
    for i in FRAMES:
        assert_within(x_s[i : i + 1], RECORDED[f"out.f{i}.x_s"], 5e-4)
        assert_within(x_d[i : i + 1], RECORDED[f"out.f{i}.x_d"], 5e-4)
        render = decode(warp(volume, x_s[i : i + 1], x_d[i : i + 1]))[0].permute(1, 2, 0) * 255
        assert_within(render[::8, ::8], RECORDED[f"out.f{i}.render"], 0.25)
        finished = frame.copy()
        lay_on(finished, np.ascontiguousarray(render), mask, RECORDED["in.M_c2o"].numpy())
        assert_picture(torch.from_numpy(finished), RECORDED.warped(f"f{i}.composite"), levels=2)
