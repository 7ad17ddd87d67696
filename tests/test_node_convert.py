"""The node DittoConvertTensorRT tells about engines, and builds them when it is told to."""

from __future__ import annotations

import contextlib
import re
import sys
import types
from pathlib import Path

import onnx
import pytest
import torch
from helpers.fake_tensorrt import fake_tensorrt
from helpers.stub_host import StubHost
from onnx import TensorProto, helper


@pytest.fixture
def host(stub: StubHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StubHost:
    """With one ONNX file in its model folder, and a GPU with TensorRT."""
    folder = tmp_path / "models" / "ditto"
    (folder / "ditto_onnx").mkdir(parents=True)
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [value("x", TensorProto.FLOAT, [1, 3])],
        [value("y", TensorProto.FLOAT, [1, 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "ditto_onnx" / "stitch_network.onnx")
    monkeypatch.setattr(sys.modules["folder_paths"], "get_folder_paths", lambda _name: [str(folder)])
    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt("10.13.3.9"))
    for name, made in {
        "is_available": lambda: True,
        "get_device_capability": lambda _device: (8, 6),
        "get_device_name": lambda _device: "GPU",
        "device": lambda _device: contextlib.nullcontext(),
        "current_stream": lambda _device: types.SimpleNamespace(cuda_stream=0),
    }.items():
        monkeypatch.setattr(torch.cuda, name, made)
    return stub


def test_it_only_tells_unless_switched_on(host: StubHost, tmp_path: Path) -> None:
    (report,) = host.call("DittoConvertTensorRT")
    folder = tmp_path / "models" / "ditto" / "ditto_trt_custom"
    assert report == f"{folder / 'stitch_network_fp16.engine'}: to be built, since it is not there"
    assert not folder.exists()


def test_it_builds_when_switched_on(host: StubHost, tmp_path: Path) -> None:
    (report,) = host.call("DittoConvertTensorRT", build=True, trt_dir="ditto_trt_mine")
    engine = tmp_path / "models" / "ditto" / "ditto_trt_mine" / "stitch_network_fp16.engine"
    assert report == f"{engine}: fits"
    assert engine.is_file()


@pytest.mark.parametrize(
    "name", ["../other", "/tmp", "a/../../b", "..\\other", "C:\\other", "C:other", "", "."]
)
def test_no_folder_leads_out_of_the_model_folders(name: str, host: StubHost) -> None:
    for which in ("onnx_dir", "trt_dir"):
        with pytest.raises(Exception, match="is no folder within the model folders"):
            host.call("DittoConvertTensorRT", build=True, **{which: name})


def test_a_missing_folder_is_named(host: StubHost) -> None:
    said = r"There is no folder .*nothing with ONNX files"
    with pytest.raises(host.core("errors").ModelError, match=said):
        host.call("DittoConvertTensorRT", onnx_dir="nothing", build=True)
    (report,) = host.call("DittoConvertTensorRT", onnx_dir="nothing")
    assert re.match(said, report)
    assert host.shown["text"] == (report,)


def test_to_look_is_no_error_without_tensorrt_or_gpu(host: StubHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "PyTorch sees none" in host.call("DittoConvertTensorRT")[0]
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    assert "TensorRT is not installed" in host.call("DittoConvertTensorRT")[0]
    with pytest.raises(host.core("errors").ModelError, match="TensorRT is not installed"):
        host.call("DittoConvertTensorRT", build=True)
