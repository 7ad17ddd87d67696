"""ONNX networks become what every runtime can execute, and read nothing outside their folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from helpers.ditto_release import write_hubert
from onnx import TensorProto, helper, numpy_helper

from ditto_core.errors import ModelError
from ditto_core.models.onnx_file import check_stays_inside, read_facts
from ditto_core.models.onnx_graph import (
    decomposed,
    halved,
    load_model,
    needs_rewrite,
    rewritten,
    standard,
    usable,
)
from ditto_core.models.runners import OnnxRunner

SIZES = ((1, 3, 5, 7, 6), (2, 3, 5, 7, 6))


def sampling_model(operator: str, opset: int, **attributes: Any) -> onnx.ModelProto:
    """A sampled volume among operators that opsets 18 to 20 changed, when it is below them."""
    nodes = [
        helper.make_node("ReduceMean", ["volume"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Split", ["grid"], ["upper", "lower"], axis=1),
        helper.make_node("Concat", ["lower", "upper"], ["swapped"], axis=1),
        helper.make_node("Resize", ["volume", "", "scales"], ["enlarged"], mode="nearest"),
        helper.make_node("Resize", ["mean", "", "scales"], ["mean_enlarged"], mode="nearest"),
        helper.make_node(operator, ["volume", "swapped"], ["sampled"]),
    ]
    nodes[-1].attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
    if opset >= 18:
        del nodes[:2], nodes[-2]
        nodes[0] = helper.make_node("Identity", ["grid"], ["swapped"])
    outputs = ["sampled", "enlarged"] if opset >= 18 else ["sampled", "enlarged", "mean_enlarged"]
    graph = helper.make_graph(
        nodes,
        "stand-in",
        [
            helper.make_tensor_value_info("volume", TensorProto.FLOAT, ["n", 3, 5, 7, 6]),
            helper.make_tensor_value_info("grid", TensorProto.FLOAT, ["n", 4, 8, 9, 3]),
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.array([1, 1, 1, 2, 2], np.float32), "scales")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def run(model: onnx.ModelProto | bytes, *names: str, **inputs: torch.Tensor) -> list[torch.Tensor]:
    content = model if isinstance(model, bytes) else model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    outputs = session.run(list(names), {name: value.numpy() for name, value in inputs.items()})
    return [torch.from_numpy(each) for each in outputs]


def volume_and_grid(shape: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """Positions within, at the border and outside."""
    generator = torch.Generator().manual_seed(5)
    grid = torch.rand(shape[0], 4, 8, 9, 3, generator=generator) * 3 - 1.5
    grid[0, 0, 0, 0], grid[0, 0, 0, 1] = torch.tensor([1.0, -1.0, 1.0]), torch.tensor([-1.0, 0.0, 40.0])
    return {"volume": torch.randn(shape, generator=generator), "grid": grid}


def sampled_by_torch(
    volume: torch.Tensor, grid: torch.Tensor, padding_mode: str = "zeros", align_corners: bool = False
) -> torch.Tensor:
    return F.grid_sample(volume, grid, padding_mode=padding_mode, align_corners=align_corners)


def swapped(grid: torch.Tensor) -> torch.Tensor:
    return torch.cat([grid[:, 2:], grid[:, :2]], dim=1)


# --- the published operator -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "attributes",
    [
        {"mode": "bilinear", "padding_mode": "zeros", "align_corners": 0},  # as PyTorch's exporter wrote them
        {"interpolation_mode": 0, "padding_mode": 0, "align_corners": 0},  # as the plugin has them
        {"name": "GridSample3D", "version": 1, "namespace": ""},  # as tools for TensorRT leave them
    ],
)
def test_the_custom_operator_becomes_the_standard_one(attributes: dict[str, Any], tmp_path: Path):
    path = tmp_path / "warp_network.onnx"
    onnx.save(sampling_model("GridSample3D", 17, **attributes), path)
    assert needs_rewrite(path)
    content = usable(path)
    assert content == rewritten(path)
    model = onnx.load_from_string(content)
    assert [each.version for each in model.opset_import] == [20]
    onnx.checker.check_model(model)

    given = volume_and_grid(SIZES[1])
    sampled, enlarged, mean = run(model, "sampled", "enlarged", "mean_enlarged", **given)
    torch.testing.assert_close(sampled, sampled_by_torch(given["volume"], swapped(given["grid"])))
    torch.testing.assert_close(enlarged, F.interpolate(given["volume"], scale_factor=(1, 2, 2)))
    expected = F.interpolate(given["volume"].mean(dim=1, keepdim=True), scale_factor=(1, 2, 2))
    torch.testing.assert_close(mean, expected)


def test_other_files_are_used_as_they_are(tmp_path: Path):
    path = tmp_path / "warp_network_ori.onnx"
    onnx.save(sampling_model("GridSample", 20), path)
    assert not needs_rewrite(path)
    assert usable(path) == str(path)
    assert read_facts(path).operators == {"Identity", "Concat", "Resize", "GridSample"} - {"Concat"}


# --- simpler operators ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("padding_mode", ["zeros", "border"])
@pytest.mark.parametrize("align_corners", [0, 1])
def test_sampling_in_simpler_operators_is_the_same(
    align_corners: int, padding_mode: str, shape: tuple[int, ...]
):
    how = {"padding_mode": padding_mode, "align_corners": align_corners}
    model = decomposed(sampling_model("GridSample", 20, mode="linear", **how))
    assert not {"GridSample", "SampleVolume"} & {node.op_type for node in model.graph.node}
    assert not model.functions
    given = volume_and_grid(shape)
    (sampled,) = run(model, "sampled", **given)
    expected = sampled_by_torch(given["volume"], given["grid"], padding_mode, bool(align_corners))
    torch.testing.assert_close(sampled, expected)


def test_several_samplings_in_one_network(tmp_path: Path):
    model = sampling_model("GridSample3D", 17)
    again = helper.make_node("GridSample3D", ["sampled", "swapped"], ["twice"], name="again")
    model.graph.node.append(again)
    model.graph.output.append(helper.make_tensor_value_info("twice", TensorProto.FLOAT, None))
    given = volume_and_grid(SIZES[1])
    grid = swapped(given["grid"])
    (twice,) = run(decomposed(model), "twice", **given)
    torch.testing.assert_close(twice, sampled_by_torch(sampled_by_torch(given["volume"], grid), grid))


@pytest.mark.parametrize("how", [{"mode": "nearest"}, {"padding_mode": "reflection"}])
def test_other_kinds_of_sampling_are_refused(how: dict[str, str]):
    with pytest.raises(ModelError, match="only linear with zeros or border"):
        decomposed(sampling_model("GridSample", 20, **how))


def test_a_changed_model_leaves_its_original_alone():
    model = sampling_model("GridSample3D", 17)
    before = model.SerializeToString()
    for change in (standard, decomposed, halved):
        change(model)
    assert model.SerializeToString() == before


# --- half precision -------------------------------------------------------------------------------------


def test_half_precision_keeps_sampling_inputs_and_outputs_in_float32():
    model = halved(standard(sampling_model("GridSample3D", 17)))
    given = volume_and_grid(SIZES[1])
    for changed in (model, decomposed(model)):
        sampled, enlarged, mean = run(changed, "sampled", "enlarged", "mean_enlarged", **given)
        assert sampled.dtype == enlarged.dtype == torch.float32
        torch.testing.assert_close(mean[:, 0, :, ::2, ::2], given["volume"].mean(1), atol=2e-3, rtol=1e-3)
    types = {value.name: value.type.tensor_type.elem_type for value in model.graph.value_info}
    sampling = next(node for node in model.graph.node if node.op_type == "GridSample")
    assert all(types.get(name, TensorProto.FLOAT) == TensorProto.FLOAT for name in sampling.input)
    assert TensorProto.FLOAT16 in types.values()


# --- what a file may say --------------------------------------------------------------------------------


def model_with_weights_in(location: str, *, in_a_node: bool = False) -> onnx.ModelProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="length", value="16")
    tensor.external_data.add(key="location", value=location)
    value = helper.make_tensor_value_info
    made = helper.make_node("Constant", [], ["w"], value=tensor) if in_a_node else None
    nodes = [*([made] if made else []), helper.make_node("Add", ["x", "w"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "g",
        [value("x", TensorProto.FLOAT, [4])],
        [value("y", TensorProto.FLOAT, [4])],
        [] if in_a_node else [tensor],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("in_a_node", [False, True])
@pytest.mark.parametrize(
    "location", ["../secret.bin", "weights/../../secret.bin", "..\\secret.bin", "{root}"]
)
def test_weights_outside_the_folder_are_refused(location: str, in_a_node: bool, tmp_path: Path):
    (tmp_path / "secret.bin").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    folder = tmp_path / "models"
    folder.mkdir()
    told = location.replace("{root}", str(tmp_path / "secret.bin"))
    path = folder / "network.onnx"
    path.write_bytes(model_with_weights_in(told, in_a_node=in_a_node).SerializeToString())
    for look in (check_stays_inside, usable, load_model, rewritten, lambda file: OnnxRunner(file).inputs):
        with pytest.raises(ModelError, match="outside its own folder"):
            look(path)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path):
    (tmp_path / "secret.bin").write_bytes(bytes(16))
    folder = tmp_path / "models"
    folder.mkdir()
    try:
        (folder / "weights.bin").symlink_to(tmp_path / "secret.bin")
    except OSError:
        pytest.skip("links cannot be made here")
    path = folder / "network.onnx"
    path.write_bytes(model_with_weights_in("weights.bin").SerializeToString())
    with pytest.raises(ModelError, match="outside its own folder"):
        usable(path)


def test_weights_in_the_folder_are_read(tmp_path: Path):
    path = tmp_path / "network.onnx"
    path.write_bytes(model_with_weights_in("weights.bin").SerializeToString())
    with pytest.raises(ModelError, match=r"weights\.bin, which is missing"):
        usable(path)
    (tmp_path / "weights.bin").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    assert usable(path) == str(path)
    assert read_facts(path).beside == {"weights.bin"}
    (added,) = run(load_model(path), "y", x=torch.ones(4))
    assert added.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("kept", [0, 1, 60, -1])
def test_a_damaged_file_is_named(kept: int, tmp_path: Path):
    path = tmp_path / "hubert.onnx"
    write_hubert(path)
    assert "Conv" in read_facts(path).operators
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelError, match=r"hubert\.onnx .* is damaged or no ONNX file"):
        usable(path)


def test_another_or_no_file_is_named(tmp_path: Path):
    (tmp_path / "text.onnx").write_text("<!DOCTYPE html><html>not found</html>" * 20)
    with pytest.raises(ModelError, match="no ONNX file"):
        usable(tmp_path / "text.onnx")
    with pytest.raises(ModelError, match=r"gone\.onnx is missing"):
        usable(tmp_path / "gone.onnx")


def test_a_missing_package_is_named_when_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    plain, custom = tmp_path / "plain.onnx", tmp_path / "custom.onnx"
    onnx.save(sampling_model("GridSample", 20), plain)
    onnx.save(sampling_model("GridSample3D", 17), custom)
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert usable(plain) == str(plain)
    with pytest.raises(ModelError, match="pip install onnx"):
        usable(custom)
