"""The diagram of motion over sound."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch import Tensor

from ditto_core.data import Audio, Motion
from ditto_core.errors import InputError
from ditto_core.lite.coefficients import CHANNELS, COLUMN
from ditto_core.lite.engine import LiteEngine
from ditto_core.media.plot import BACKGROUND, COLOURS, MARGIN, WAVE, plot_curves, plot_motion


def motion(values: Tensor, channels: tuple[str, ...] = CHANNELS, samples: Tensor | None = None) -> Motion:
    sound = torch.zeros(1, 16000) if samples is None else samples
    return Motion(LiteEngine(), values, Fraction(25), channels, Audio(sound, 16000))


def where(picture: Tensor, colour: tuple[int, int, int], tolerance: int = 40) -> Tensor:
    """(y, x) of the pixels near a colour."""
    return ((picture.int() - torch.tensor(colour)).abs().amax(dim=-1) < tolerance).nonzero()


def test_has_the_size_asked_for() -> None:
    picture = plot_motion(motion(torch.zeros(25, 15)), 640, 480)
    assert (picture.shape, picture.dtype) == ((480, 640, 3), torch.uint8)
    assert picture[0, 0].tolist() == list(BACKGROUND)


def test_a_step_is_drawn_at_its_time() -> None:
    values = torch.zeros(100, 15)
    values[50:, COLUMN["open"]] = 1
    picture = plot_motion(motion(values), 1000, 600)[: 600 // 3]  # the mouth's panel
    below_legend = where(picture, COLOURS[0])
    below_legend = below_legend[below_legend[:, 0] > MARGIN[1] + 4]
    top = below_legend[:, 0].min()
    steps = below_legend[below_legend[:, 0] == top][:, 1].min().item()
    left, _, right, _ = MARGIN
    assert steps == pytest.approx(left + (1000 - left - right) * 50.5 / 100, abs=6)


def test_the_waveform_stands_where_the_sound_is() -> None:
    samples = torch.zeros(1, 16000)
    samples[0, 8000:] = torch.sin(torch.arange(8000) * 0.3)
    picture = plot_motion(motion(torch.zeros(25, 15), samples=samples), 1000, 600)
    columns = where(picture, WAVE, tolerance=10)[:, 1]
    left, _, right, _ = MARGIN
    assert columns.min().item() == pytest.approx(left + (1000 - left - right) / 2, abs=3)


def test_channels_without_names_show_those_that_move_most() -> None:
    values = torch.zeros(50, 265)
    values[:, 200] = torch.linspace(0, 5, 50)
    still = plot_motion(motion(torch.zeros(50, 265), tuple(map(str, range(265)))), 600, 300)
    moving = plot_motion(motion(values, tuple(map(str, range(265)))), 600, 300)
    assert len(where(moving, COLOURS[0])) > len(where(still, COLOURS[0]))


@pytest.mark.parametrize("count", [1, 2])
def test_very_short_motion(count: int) -> None:
    assert plot_motion(motion(torch.zeros(count, 15)), 400, 300).shape == (300, 400, 3)


def test_any_curves_are_drawn_one_panel_each_without_sound() -> None:
    rising = torch.linspace(0, 1, 50)
    picture = plot_curves({"Up": {"a": rising}, "Down": {"b": -rising}}, Fraction(25), None, 600, 400)
    upper, lower = picture[:200], picture[200:]
    for half, first_is_lower in ((upper, True), (lower, False)):
        found = where(half, COLOURS[0])
        found = found[found[:, 1] > MARGIN[0] + 60]  # right of the legend
        left_y = found[found[:, 1].argmin(), 0]
        right_y = found[found[:, 1].argmax(), 0]
        assert bool(left_y > right_y) is first_is_lower
    assert len(where(picture, WAVE, tolerance=4)) == 0


def test_no_curves_are_an_error() -> None:
    with pytest.raises(InputError, match="nothing to draw"):
        plot_curves({}, Fraction(25))
