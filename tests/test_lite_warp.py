"""Backward maps and sampling: exact where nothing moves, right where something does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ditto_core.lite.geometry import canonical_face
from ditto_core.lite.sampling import HalfPixels, colours_at
from ditto_core.lite.surround import LAST_RING, rings
from ditto_core.lite.warp import WarpMesh, Window

MESH = WarpMesh()


def points(scale=10.0, centre=(300.0, 250.0)):
    face = canonical_face().vertices
    cm = np.concatenate([face, rings(face[None])[0]])
    return (cm * (scale, -scale, -scale) + (*centre, 0)).astype(np.float32)


SOURCE = points()
WHOLE = Window(0, 0, 600, 560, 280, 300)


def at(window, displacement, pixel):
    column, row = np.round(window.to_grid(np.array(pixel, np.float32))).astype(int)
    return displacement[row, column]


def test_grid_and_picture_agree():
    window = Window(10, 20, 100, 50, 25, 200)
    x, y = window.sample_positions()
    corners = np.array([[x[0], y[0]], [x[-1], y[-1]]])
    np.testing.assert_allclose(window.to_grid(corners), [[0, 0], [199, 24]], atol=1e-4)
    # The samples cover the pixels' area evenly.
    assert x.mean() == pytest.approx(10 + 99 / 2)
    assert y.mean() == pytest.approx(20 + 49 / 2)


def test_nothing_moves_when_nothing_moves():
    assert np.abs(MESH.displacement(WHOLE, SOURCE, SOURCE)).max() < 1e-3


def test_a_shifted_face_is_looked_up_where_it_was():
    target = SOURCE.copy()
    inner = np.setdiff1d(np.arange(len(target)), LAST_RING)
    target[inner] += (6, -4, 0)
    displacement = MESH.displacement(WHOLE, SOURCE, target)
    for vertex in (1, 168, 50, 280, 152):
        assert at(WHOLE, displacement, target[vertex, :2]) == pytest.approx([-6, 4], abs=0.05)


def test_outside_the_surround_the_map_is_zero():
    target = SOURCE.copy()
    target[:468] += (5, 5, 0)
    displacement = MESH.displacement(WHOLE, SOURCE, target)
    low, high = SOURCE[LAST_RING, :2].min(axis=0), SOURCE[LAST_RING, :2].max(axis=0)
    x, y = WHOLE.sample_positions()
    beside, beyond = (x < low[0] - 4) | (x > high[0] + 4), (y < low[1] - 4) | (y > high[1] + 4)
    outside = displacement[beside[None] | beyond[:, None]]
    assert len(outside)
    assert np.abs(outside).max() < 1e-3
    assert np.abs(displacement).max() == pytest.approx(5, abs=1)  # no specks


def test_each_vertex_is_looked_up_where_it_was():
    rng = np.random.default_rng(3)
    target = SOURCE.copy()
    target[:468, :2] += rng.normal(0, 0.4, (468, 2)).astype(np.float32)
    window = Window(200, 150, 200, 200, 800, 800)
    displacement = MESH.displacement(window, SOURCE, target)
    for vertex in (4, 50, 101, 330, 280, 9):
        expected = (SOURCE - target)[vertex, :2]
        assert at(window, displacement, target[vertex, :2]) == pytest.approx(expected, abs=0.15)


def test_a_part_of_the_window_sees_the_same():
    target = SOURCE.copy()
    target[:468] += (3, 2, 0)
    whole = MESH.displacement(Window(0, 0, 600, 560, 560, 600), SOURCE, target)
    part = MESH.displacement(Window(260, 220, 80, 60, 60, 80), SOURCE, target)
    np.testing.assert_allclose(part[4:-4, 4:-4], whole[224:276, 264:336], atol=0.02)


def picture(seed=0, height=40, width=50):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@given(st.integers(-20, 60), st.integers(-20, 50), st.integers(2, 40), st.integers(2, 40))
def test_whole_pixels_are_the_pictures_own_bytes(left, top, width, height):
    source = picture()
    window = Window(left, top, width, height, height, width)
    inside = np.s_[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    if not source[inside].size:
        return
    half = HalfPixels.of(source, window)
    shown = Window(half.left, half.top, half.width, half.height, half.height, half.width)
    taken = half.take(shown, np.zeros((half.height, half.width, 2), np.float32))
    np.testing.assert_array_equal(taken, source[inside])


@pytest.mark.parametrize("shift", [(1.0, 0.0), (0.5, 0.0), (0.0, -0.5), (0.25, 0.75)])
def test_a_ramp_is_sampled_between_its_pixels(shift):
    rows, columns = np.mgrid[:60, :60]
    ramp = np.repeat((2 * columns + rows)[..., None], 3, axis=2).astype(np.uint8)
    window = Window(0, 0, 60, 60, 60, 60)
    taken = HalfPixels.of(ramp, window).take(window, np.tile(np.array(shift, np.float32), (60, 60, 1)))
    expected = ramp[5:50, 5:50].astype(float) + 2 * shift[0] + shift[1]
    assert np.abs(taken[5:50, 5:50] - expected).max() <= 1


def test_detail_survives_a_half_pixel_shift_and_back():
    rows, columns = np.mgrid[:64, :64]
    wave = (128 + 100 * np.sin(columns * 0.9) * np.cos(rows * 0.7)).astype(np.uint8)
    source = np.repeat(wave[..., None], 3, axis=2)
    window = Window(0, 0, 64, 64, 64, 64)
    half = np.full((64, 64, 2), 0.5, np.float32)
    there = HalfPixels.of(source, window).take(window, half)
    back = HalfPixels.of(there, window).take(window, -half)
    assert np.abs(back[8:-8, 8:-8].astype(int) - source[8:-8, 8:-8]).max() < 12


def test_colours_outside_the_picture_are_the_nearest_inside():
    source = picture()
    found = colours_at(source, np.array([[-30.0, 5.0], [200.0, 39.0], [7.0, 8.0]]), 0.0)
    np.testing.assert_allclose(found, [source[5, 0], source[39, 49], source[8, 7]])
