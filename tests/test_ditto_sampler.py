"""The diffusion schedule and whole windows of motion against the recorded ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from helpers.golden import Golden, assert_relative, assert_within
from helpers.seeded_weights import fill_, seeded_input

from ditto_core.ditto.networks import faster
from ditto_core.ditto.networks.lmdm import LMDM
from ditto_core.ditto.sampler import BETAS, sample, sampling_steps, start_noise, step_noise
from ditto_core.errors import InputError


@pytest.fixture(scope="module")
def model() -> LMDM:
    network = LMDM()
    fill_(network, "ditto/lmdm_v0.4_hubert", keep=("freqs",))
    return network


def test_the_training_schedule():
    recorded = Golden("ditto/lmdm_schedule")
    assert torch.equal(BETAS.variance, recorded["out.betas"])
    assert torch.equal(BETAS.left, recorded["out.alphas_cumprod"])


@pytest.mark.parametrize("count", [5, 10, 25, 50])
def test_the_coefficients_of_the_steps(count: int):
    recorded, steps = Golden("ditto/lmdm_schedule"), sampling_steps(count)
    expected = {
        name: recorded[f"out.steps{count}.{name}"] for name in ("time_cond", "alpha_next_sqrt", "sigma", "c")
    }
    assert torch.equal(steps.timesteps.float(), expected["time_cond"])
    assert_relative(steps.keep, expected["alpha_next_sqrt"])
    assert_relative(steps.sigma, expected["sigma"])
    assert_relative(steps.direction[1:], expected["c"][1:])
    # The first recorded one is the root of a rounding error: what is under the root agrees to float32.
    assert_within(steps.direction**2, expected["c"] ** 2, 2e-7)


@pytest.mark.parametrize("count", [2, 3, 5, 6, 100, 999, 1000])
def test_the_coefficients_are_numbers_and_keep_the_variance(count: int):
    steps = sampling_steps(count)
    assert len(steps.timesteps) == count
    assert (steps.timesteps.diff() < 0).all()
    total = steps.keep**2 + steps.direction**2 + steps.sigma**2
    assert_within(total, torch.ones(count - 1), 1e-6)


@pytest.mark.parametrize("count", [0, -1, 1001])
def test_a_step_count_out_of_range_is_refused(count: int):
    with pytest.raises(InputError, match=f"sampling_timesteps is {count}"):
        sampling_steps(count)


@torch.inference_mode()
@pytest.mark.parametrize("count", [5, 10])
@pytest.mark.parametrize("form", [lambda model: model, faster], ids=["published", "faster"])
def test_a_window_of_motion(count: int, form: Callable[[LMDM], LMDM], model: LMDM):
    recorded = Golden(f"ditto/lmdm_ddim_{count}")
    motion = sample(
        form(model),
        seeded_input(f"ddim{count}/aud_cond", (1, 80, 1103)),
        recorded["in.kp_cond"],
        seeded_input(f"ddim{count}/noise", (count - 1, 80, 265))[:, None],
        seeded_input(f"ddim{count}/x_T", (1, 80, 265)),
    )
    assert_within(motion, recorded["out.motion"], 5e-4)


@torch.inference_mode()
def test_the_condition_is_encoded_once_a_window(model: LMDM, monkeypatch: pytest.MonkeyPatch):
    calls: list[int] = []
    encode = model.encode
    monkeypatch.setattr(model, "encode", lambda cond: calls.append(len(cond)) or encode(cond))
    generator = torch.Generator().manual_seed(0)
    cond, before = torch.zeros(1, 80, 1103), torch.zeros(1, 265)
    sample(model, cond, before, step_noise(3, generator), start_noise(generator))
    assert calls == [1]


def test_the_same_seed_draws_the_same_noise():
    def draw() -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(7)
        return [step_noise(4, generator), start_noise(generator), start_noise(generator)]

    assert all(torch.equal(a, b) for a, b in zip(draw(), draw(), strict=True))
    steps, first, second = draw()
    assert steps.shape == (3, 1, 80, 265)
    assert not torch.equal(first, second)
