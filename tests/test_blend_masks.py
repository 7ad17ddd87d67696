"""The put-back mask, its modes and the compositing against the recorded ones."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch
from helpers.golden import Golden, assert_picture, assert_relative
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ditto_core.blend.composite import lay_on, warp
from ditto_core.blend.masks import MODE_WEIGHTS, blend_mask, feathered_border, feathered_mask
from ditto_core.errors import InputError
from ditto_core.options import BlendMode, BlendOptions

RECORDED = Golden("ditto/putback")
FRAME = RECORDED["in.frame"].numpy()
FACE = np.kron(RECORDED["in.render_low"].numpy(), np.ones((16, 16, 1), np.float32))
MATRIX = RECORDED["in.M_c2o"].numpy()
MASK = feathered_mask(512, 512)
WHOLE = slice(0, 64), slice(0, 80)


def laid(weight: NDArray[np.float32], matrix: NDArray[np.float32]) -> torch.Tensor:
    """The frame with the face on it."""
    picture = FRAME.copy()
    lay_on(picture, FACE, weight, matrix)
    return torch.from_numpy(picture)


def test_the_mask():
    recorded = Golden("ditto/putback_mask")
    mask = torch.from_numpy(MASK)
    assert_relative(mask[::8, ::8], recorded["out.m512_stride8"], 1e-4)
    assert_relative(mask[:32, :32], recorded["out.m512_tl"], 1e-4)
    assert_relative(mask[-32:, -32:], recorded["out.m512_br"], 1e-4)
    assert_relative(mask.double().sum().reshape(1).float() / 1000, recorded["out.m512_sum"], 1e-4)
    assert_relative(torch.from_numpy(feathered_mask(48, 64, 0.8, 0.9)), recorded["out.m64x48"], 1e-4)
    assert_relative(torch.from_numpy(feathered_mask(50, 50, 0.7, 0.5)), recorded["out.m50"], 1e-4)


def test_the_default_feather_is_the_published_mask():
    assert np.array_equal(feathered_border((512, 512), BlendOptions().feather), MASK)


def test_the_warped_mask_and_face():
    mask = torch.from_numpy(warp(MASK, MATRIX, *WHOLE))
    assert_relative(mask, RECORDED.warped("mask_warped"), 1e-4)
    face = torch.from_numpy(warp(FACE, MATRIX, *WHOLE))
    assert_relative(face, RECORDED.warped("frame_warped"), 1e-4)


def test_the_default_composite():
    result = laid(MASK, MATRIX)
    assert_picture(result, RECORDED.warped("base"))
    assert_picture(result, RECORDED.warped("base_numpy"))


def test_a_crop_that_reaches_over_the_edge():
    result = laid(MASK, RECORDED["in.M_out"].numpy())
    assert_picture(result, RECORDED.warped("base_outside"))


@pytest.mark.parametrize(("mode", "alpha"), RECORDED.info("modes"))
def test_the_blend_modes(mode: BlendMode, alpha: float | None):
    mask = blend_mask(MASK, mode, alpha, custom="published")
    name = mode if alpha is None else f"{mode}{alpha}"
    picked = np.array([mask[256, 256], mask[0, 256], mask[13, 256], mask[0, 0]])
    assert_relative(torch.from_numpy(picked), RECORDED[f"out.mask_center_edge.{name}"])
    assert_picture(laid(mask, MATRIX), RECORDED.warped(f"mode.{name}"))


def test_another_extent_of_the_mask():
    result = laid(feathered_mask(512, 512, 0.8, 0.6), MATRIX)
    assert_picture(result, RECORDED.warped("blend_ratio_0.6_0.8"))


@pytest.mark.parametrize("alpha", [0.0, 0.25, 1.0])
def test_a_custom_opacity_is_a_true_percentage(alpha: float):
    assert np.allclose(blend_mask(MASK, "custom", alpha), MASK * alpha)
    assert np.array_equal(blend_mask(MASK, "custom", np.float64(alpha)), blend_mask(MASK, "custom", alpha))


@pytest.mark.parametrize("mode", MODE_WEIGHTS)
def test_the_weights_shown_are_those_of_the_mode(mode: BlendMode):
    mask = blend_mask(MASK, mode)
    assert (mask[256, 256], mask[0, 256]) == MODE_WEIGHTS[mode]
    assert mask.dtype == np.float32


@given(st.floats(-90, 90), st.floats(-90, 90), st.floats(0.02, 0.3), st.floats(-3.2, 3.2))
def test_only_the_covered_part_is_computed_and_it_is_the_same(x: float, y: float, scale: float, turn: float):
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    matrix = np.array([[c, -s, x], [s, c, y], [0, 0, 1]], np.float32)
    mask = np.ones((512, 512), np.float32)
    weight = np.clip(warp(mask, matrix, *WHOLE), 0, 1)[..., None]
    expected = weight * warp(FACE, matrix, *WHOLE) + (1 - weight) * FRAME
    assert_picture(laid(mask, matrix), torch.from_numpy(np.clip(expected, 0, 255)).floor())


@pytest.mark.parametrize(
    ("mode", "alpha", "message"), [("custom", None, "needs an alpha"), ("soft", None, "no blend mode 'soft'")]
)
def test_a_mode_without_what_it_needs_is_refused(mode: Any, alpha: float | None, message: str):
    with pytest.raises(InputError, match=message):
        blend_mask(MASK, cast(BlendMode, mode), alpha)


def test_an_impossible_extent_is_refused():
    with pytest.raises(InputError, match="extent"):
        feathered_mask(64, 64, 0.0, 0.9)
