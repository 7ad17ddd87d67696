"""Ditto's networks against the recorded outputs of the published ones, at full width, float32, CPU."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from helpers.seeded_weights import fill_, seeded_input
from safetensors.torch import load_file
from torch import Tensor, nn

from ditto_core.ditto.networks import NETWORK_NAMES, create, faster
from ditto_core.ditto.networks.fourier import FourierConv3d
from ditto_core.ditto.networks.upsampled import UpsampledConv
from ditto_core.errors import InputError

GOLDEN = Path(__file__).parent / "golden" / "ditto"
SALTS = {name: f"ditto/{name}" for name in NETWORK_NAMES} | {"lmdm": "ditto/lmdm_v0.4_hubert"}

Form = Callable[[nn.Module], nn.Module]
FORMS = (pytest.param(lambda network: network, id="published"), pytest.param(faster, id="faster"))


def golden(name: str) -> dict[str, Tensor]:
    return load_file(GOLDEN / f"net_{'lmdm_forward' if name == 'lmdm' else name}.safetensors")


@cache
def seeded(name: str) -> nn.Module:
    return fill_(create(name), SALTS[name], keep=("freqs",) if name == "lmdm" else ())


def assert_same(ours: Tensor, published: Tensor) -> None:
    tolerance = 1e-4 * max(1.0, published.abs().max().item())
    assert ours.shape == published.shape
    assert (ours - published).abs().max().item() <= tolerance


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.inference_mode():
        yield


@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_keys_shapes_and_types_are_the_published_ones(name):
    with torch.device("meta"):
        state = create(name).state_dict()
    ours = {key: [*value.shape, str(value.dtype).removeprefix("torch.")] for key, value in state.items()}
    assert ours == json.loads((GOLDEN / "manifests" / f"{name}.json").read_text())


def test_appearance_extractor():
    recorded = golden("appearance_extractor")
    image = seeded_input("appearance/image", (1, 3, 256, 256), "", 0, 1)
    volume = seeded("appearance_extractor")(image)
    assert volume.shape == (1, 32, 16, 64, 64)
    assert_same(volume[:, ::4, ::4, ::4, ::4], recorded["out.f_s"])
    assert_same(volume.mean().reshape(1), recorded["out.f_s_mean"])
    assert_same(volume.std().reshape(1), recorded["out.f_s_std"])


@pytest.mark.parametrize("form", FORMS)
def test_motion_extractor(form: Form):
    recorded = golden("motion_extractor")
    image = seeded_input("motion/image", (1, 3, 256, 256), "", 0, 1)
    outputs = form(seeded("motion_extractor"))(image)
    assert list(outputs) == ["pitch", "yaw", "roll", "t", "exp", "scale", "kp"]
    for name, value in outputs.items():
        assert_same(value, recorded[f"out.{name}"])


@pytest.mark.parametrize("form", FORMS)
def test_warp_network(form: Form):
    recorded = golden("warp_network")
    feature = seeded_input("warp/feature_3d", (1, 32, 16, 64, 64))
    network: Any = form(seeded("warp_network"))
    within: list[tuple[Tensor, Tensor]] = []
    hook = network.dense_motion_network.register_forward_hook(lambda *call: within.append(call[-1]))
    out = network(feature, recorded["in.kp_source"], recorded["in.kp_driving"])
    hook.remove()
    assert_same(out[:, ::8, ::2, ::2], recorded["out.out"])
    assert_same(out.mean().reshape(1), recorded["out.out_mean"])
    assert_same(out.std().reshape(1), recorded["out.out_std"])
    ((deformation, occlusion),) = within
    assert_same(deformation[:, ::3, ::8, ::8], recorded["out.deformation"])
    assert_same(occlusion[:, :, ::2, ::2], recorded["out.occlusion_map"])


@pytest.mark.parametrize("form", FORMS)
def test_decoder(form: Form):
    recorded = golden("decoder")
    image = form(seeded("decoder"))(seeded_input("decoder/feature", (1, 256, 64, 64)))
    assert image.shape == (1, 3, 512, 512)
    assert_same(image[:, :, ::4, ::4], recorded["out.image"])
    assert_same(image[:, :, 200:232, 100:132], recorded["out.image_patch"])
    assert_same(image.mean(dim=(2, 3)), recorded["out.image_mean"])


def test_stitch_network():
    recorded = golden("stitch_network")
    assert_same(
        seeded("stitch_network")(recorded["in.kp_source"], recorded["in.kp_driving"]), recorded["out.out"]
    )


@pytest.mark.parametrize("form", FORMS)
def test_lmdm_with_and_without_condition(form: Form):
    recorded = golden("lmdm")
    network: Any = form(seeded("lmdm"))
    inputs = recorded["in.x"], recorded["in.cond_frame"], recorded["in.cond"]
    for step in (0, 19, 500, 999):
        timestep = torch.tensor([step])
        with_condition = network(*inputs, timestep)
        without = network(*inputs, timestep, unconditional=True)
        assert_same(with_condition[:, ::2], recorded[f"out.cond.t{step}"])
        assert_same(without[:, ::2], recorded[f"out.uncond.t{step}"])
        guided = without + 2 * (with_condition - without)
        assert_same(guided[:, ::2], recorded[f"out.x_start.t{step}"])


def test_the_decoder_in_bfloat16_is_near():
    feature = seeded_input("decoder/feature", (1, 256, 16, 16))
    decoder = seeded("decoder")
    exact, near = decoder(feature), faster(decoder).to(torch.bfloat16)(feature)
    assert near.dtype == torch.float32
    assert (near - exact).abs().mean().item() <= 4e-3
    assert (near - exact).abs().max().item() <= 3e-2


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("depth", [(), (3,)])
def test_a_convolution_of_an_upsampled_map_at_the_small_size(scale: int, depth: tuple[int, ...]):
    x = torch.randn(2, 5, *depth, 4, 7, dtype=torch.float64)
    weight = torch.randn(6, 5, *depth, 3, 3, dtype=torch.float64)
    bias = torch.randn(6, dtype=torch.float64)
    factors = (*(1.0 for _ in depth), float(scale), float(scale))
    convolve = F.conv3d if depth else F.conv2d
    expected = convolve(F.interpolate(x, scale_factor=factors), weight, bias, padding=1)
    torch.testing.assert_close(UpsampledConv(weight, bias, scale)(x), expected)


@pytest.mark.parametrize("size", [(4, 16, 16), (2, 5, 40), (7, 33, 1)])
def test_a_convolution_by_fourier_transforms(size: tuple[int, ...]):
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    weight = torch.randn(4, 3, 7, 7, 7, dtype=torch.float64)
    bias = torch.randn(4, dtype=torch.float64)
    torch.testing.assert_close(FourierConv3d(weight, bias)(x), F.conv3d(x, weight, bias, padding=3))


def test_what_has_no_faster_form_stays_itself():
    network = create("stitch_network")
    assert faster(network) is network


def _image(batch: int, size: int) -> tuple[Tensor]:
    return (torch.rand(batch, 3, size, size),)


def _warp_inputs(batch: int, size: int) -> tuple[Tensor, ...]:
    keypoints = torch.rand(2, batch, 21, 3) - 0.5
    return torch.randn(batch, 32, 16, size, size), keypoints[0], keypoints[1]


def _feature(batch: int, size: int) -> tuple[Tensor]:
    return (torch.randn(batch, 256, size, size),)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("appearance_extractor", _image(2, 64)),
        ("warp_network", _warp_inputs(2, 32)),
        ("decoder", _feature(2, 8)),
    ],
)
def test_a_batch_equals_its_items_one_by_one_at_another_size(
    name: str, inputs: tuple[Tensor, ...], form: Form
):
    network: Callable[..., Tensor] = form(seeded(name))
    together = network(*inputs)
    for item in range(2):
        assert_same(together[item : item + 1], network(*(value[item : item + 1] for value in inputs)))


def test_an_unknown_network_is_named():
    with pytest.raises(InputError, match="'decodr'"):
        create("decodr")
