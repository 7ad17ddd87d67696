"""Ditto's networks as ONNX files: the published names, any number of items, the numbers of PyTorch."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
import torch
from helpers.golden import FOLDER as GOLDEN
from helpers.seeded_weights import fill_
from safetensors.torch import load_file
from torch import Tensor, nn

from ditto_core.ditto.export import FORMS, GuidedLMDM, export_network, exportable
from ditto_core.ditto.networks import NETWORK_NAMES, create
from ditto_core.errors import ModelError
from ditto_core.models.onnx_graph import decomposed, halved, load_model

PUBLISHED = json.loads((GOLDEN / "ditto" / "manifests" / "onnx_io.json").read_text())["ditto_onnx"]
SMALL = ("stitch_network", "appearance_extractor")
HEAVY = ("warp_network", "decoder")
LARGE = (pytest.mark.slow, pytest.mark.timeout(900))
ALL = [name if name in SMALL else pytest.param(name, marks=LARGE) for name in NETWORK_NAMES]


@lru_cache(maxsize=1)
def seeded(name: str) -> nn.Module:
    salt = "lmdm_v0.4_hubert" if name == "lmdm" else name
    return fill_(create(name), f"ditto/{salt}", keep=("freqs",) if name == "lmdm" else ())


@pytest.fixture(scope="module")
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, nn.Module, Path]]:
    """A network's name, the network, and its file; that is not left behind."""
    name: str = request.param
    network = seeded(name)
    path = export_network(name, network, tmp_path_factory.mktemp(name))
    yield name, network, path
    path.unlink()


def inputs_of(name: str, batch: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(batch)
    given = {
        key: torch.randn(batch, *shape, generator=generator) for key, shape in FORMS[name].inputs.items()
    }
    given.update({key: value.sigmoid() - 0.5 for key, value in given.items() if key.startswith("kp_")})
    given.update({key: value.sigmoid() for key, value in given.items() if key == "image"})
    if "time_cond" in given:
        given["time_cond"] = torch.tensor([999, 500, 19])[:batch]
    return given


def computed(network: nn.Module, given: dict[str, Tensor]) -> list[Tensor]:
    with torch.inference_mode():
        result: Any = network(**given)
    if isinstance(result, Tensor):
        return [result]
    return list(result.values() if isinstance(result, dict) else result)


def run(model: onnx.ModelProto | Path, given: dict[str, Tensor]) -> list[Tensor]:
    content = str(model) if isinstance(model, Path) else model.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # several wait for each other actively, which a busy machine punishes
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    feed = {name: value.numpy() for name, value in given.items()}
    return [torch.from_numpy(each) for each in session.run(None, feed)]


def difference(ours: list[Tensor], expected: list[Tensor]) -> float:
    """The largest one, as a part of each output's range."""
    assert [each.shape for each in ours] == [each.shape for each in expected]
    return max(
        ((a - b).abs().max() / (b.max() - b.min()).clamp(min=1e-3)).item()
        for a, b in zip(ours, expected, strict=True)
    )


@pytest.mark.parametrize("exported", ALL, indirect=True)
def test_the_file_has_the_published_names_and_the_numbers_of_pytorch(exported: tuple[str, nn.Module, Path]):
    name, network, path = exported
    published = PUBLISHED[path.name]
    graph = onnx.load(path, load_external_data=False).graph
    for values, known in ((graph.input, published["in"]), (graph.output, published["out"])):
        assert [value.name for value in values] == list(known)
        for value in values:
            first, *others = value.type.tensor_type.shape.dim
            assert first.dim_param, f"{value.name} takes any number of items"
            if isinstance(known[value.name], list):
                assert [size.dim_value for size in others] == known[value.name][1:]
    for batch in (1,) if name in HEAVY else (1, 3):  # written from an example of two
        given = inputs_of(name, batch)
        assert difference(run(path, given), computed(exportable(network), given)) <= 1e-3


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("exported", ["warp_network"], indirect=True)
def test_our_warping_network_samples_the_same_in_simpler_operators_and_in_half(
    exported: tuple[str, nn.Module, Path],
):
    name, network, path = exported
    given = inputs_of(name, 2)
    expected = computed(network, given)
    model = load_model(path)
    simple = decomposed(model)
    assert "GridSample" not in {node.op_type for node in simple.graph.node}
    assert difference(run(simple, given), expected) <= 1e-3
    assert difference(run(decomposed(halved(model)), given), expected) <= 2e-2


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("exported", ["decoder"], indirect=True)
def test_our_decoder_has_only_constant_weights_and_bears_half_precision(
    exported: tuple[str, nn.Module, Path],
):
    name, network, path = exported
    model = load_model(path)
    constants = {each.name for each in model.graph.initializer}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert all(node.input[1] in constants for node in convolutions)
    given = inputs_of(name, 1)
    assert difference(run(halved(model), given), computed(network, given)) <= 5e-3


@pytest.mark.parametrize("step", [0, 19, 500, 999])
def test_the_guided_motion_decoder_gives_what_the_published_one_gave(step: int):
    recorded = load_file(GOLDEN / "ditto" / "net_lmdm_forward.safetensors")
    given = {name: recorded[f"in.{name}"] for name in ("x", "cond_frame", "cond")}
    noise, clean = computed(GuidedLMDM(seeded("lmdm")), {**given, "time_cond": torch.tensor([step])})
    for ours, name in ((noise, "pred_noise"), (clean, "x_start")):
        published = recorded[f"out.{name}.t{step}"]
        assert (ours[:, ::2] - published).abs().max() <= 1e-4 * max(1, published.abs().max().item())


def test_exporting_leaves_the_network_as_it_was():
    network = create("decoder")
    names = list(network.state_dict())
    assert list(exportable(network).state_dict()) != names
    assert list(network.state_dict()) == names


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ModelError, match="pip install onnx onnxscript"):
        export_network("stitch_network", create("stitch_network"), tmp_path)
    assert not list(tmp_path.iterdir())
