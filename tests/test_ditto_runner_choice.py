"""Which runner executes each network on an NVIDIA GPU: nothing is loaded here, so none is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.ditto_release import CONFIG

from ditto_core.ditto import runners
from ditto_core.ditto.checkpoints import Checkpoints, find_checkpoints
from ditto_core.ditto.runners import HALF, NETWORKS, DittoNetworks
from ditto_core.errors import ModelError
from ditto_core.host import Host
from ditto_core.models import providers
from ditto_core.models.execution import Execution
from ditto_core.models.runners import OnnxRunner
from ditto_core.models.tensorrt import TensorRTRunner
from ditto_core.models.torch_runner import TorchRunner

CUDA = torch.device("cuda")
STEMS = {name: "lmdm_v0.4_hubert" if name == "lmdm" else name for name in NETWORKS}


@pytest.fixture(autouse=True)
def a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (8, 9))
    monkeypatch.setattr(runners, "_has_tensorrt", lambda: False)
    offered = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    for module in (runners, providers):
        monkeypatch.setattr(module, "available_providers", lambda: offered)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Empty files under the published names, in all three formats."""
    places = [
        *(f"ditto_pytorch/models/{stem}.pth" for stem in STEMS.values() if stem != "hubert"),
        "ditto_pytorch/aux_models/hubert_streaming_fix_kv.onnx",
        *(f"ditto_onnx/{stem}.onnx" for stem in STEMS.values()),
        *(f"ditto_trt_Ampere_Plus/{stem}_fp16.engine" for stem in STEMS.values()),
    ]
    for place in places:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    return tmp_path


def found_in(folder: Path, data_root: Path | None = None) -> Checkpoints:
    return find_checkpoints([folder], data_root, CONFIG)


def opened(checkpoints: Checkpoints, **execution: Any) -> DittoNetworks:
    return DittoNetworks(checkpoints, CUDA, Execution(**execution))


def test_auto_takes_pytorch_on_a_gpu_too(release: Path) -> None:
    networks = opened(found_in(release))
    assert networks.kinds == {**dict.fromkeys(NETWORKS, "pytorch"), "hubert": "onnx"}
    assert networks.dtype == torch.float16
    cast = {
        name for name, runner in networks.runners.items() if getattr(runner, "_autocast", None) is not None
    }
    assert cast == HALF


def test_engines_are_run_when_they_are_wanted(release: Path) -> None:
    networks = opened(found_in(release), runner="tensorrt")
    assert set(networks.kinds.values()) == {"tensorrt"}
    assert all(isinstance(runner, TensorRTRunner) for runner in networks.runners.values())
    decoder = networks.files["decoder"]
    assert decoder == release / "ditto_trt_Ampere_Plus" / "decoder_fp16.engine"


def test_engines_are_run_when_their_folder_is_named(release: Path) -> None:
    networks = opened(found_in(release, release / "ditto_trt_Ampere_Plus"))
    assert set(networks.kinds.values()) == {"tensorrt"}


def test_engines_are_passed_over_without_a_gpu(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    checkpoints = found_in(release, release / "ditto_trt_Ampere_Plus")
    networks = DittoNetworks(checkpoints, torch.device("cpu"), Execution())
    assert networks.kinds["decoder"] == "pytorch"


@pytest.mark.parametrize(
    ("has_tensorrt", "runner"),
    [(True, TensorRTRunner), (False, OnnxRunner)],
    ids=["package", "in ONNX Runtime"],
)
def test_an_engine_that_is_not_there_comes_from_the_onnx_file(
    has_tensorrt: bool, runner: type, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (release / "ditto_trt_Ampere_Plus" / "decoder_fp16.engine").unlink()
    monkeypatch.setattr(runners, "_has_tensorrt", lambda: has_tensorrt)
    networks = opened(found_in(release), runner="tensorrt", precision="fp32")
    decoder = networks.runners["decoder"]
    assert isinstance(decoder, runner)
    if isinstance(decoder, TensorRTRunner):
        assert decoder.path == release / "ditto_trt_custom" / "decoder_fp16.engine"
    else:
        (name, options), *_ = decoder._providers  # type: ignore[attr-defined]
        assert name == "TensorrtExecutionProvider"
        assert options["trt_fp16_enable"] is False
        assert options["trt_engine_cache_path"] == str(release / "ditto_onnx" / "onnxruntime_tensorrt")


def test_each_networks_precision_is_told_and_what_does_not_heed_the_choice(release: Path) -> None:
    other = {"decoder": "onnx", "warp_network": "tensorrt"}
    asked = opened(found_in(release), precision="fp16", networks=other)
    assert asked.told == (
        "cuda: pytorch in fp16 for appearance_extractor; "
        "pytorch in fp32 for motion_extractor, stitch_network, lmdm; "
        "tensorrt in fp16 for warp_network; onnx in fp32 for decoder, hubert"
    )
    assert asked.unheeded.startswith("Precision fp16 does not reach decoder: ")
    engines = opened(found_in(release), precision="fp32", networks={"decoder": "tensorrt"})
    assert engines.unheeded.startswith("Precision fp32 does not reach decoder: ")
    assert opened(found_in(release), runner="onnx").unheeded == "", "nothing was asked for"
    assert opened(found_in(release), runner="onnx", precision="fp32").unheeded == ""


def test_engines_that_are_about_to_be_used_are_built_where_the_host_sees_it(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[tuple[str, Host]] = []
    monkeypatch.setattr(TensorRTRunner, "prepare", lambda runner, host: built.append((runner.name, host)))
    networks, host = opened(found_in(release), networks={"decoder": "tensorrt", "lmdm": "tensorrt"}), Host()
    networks.prepare(("motion_extractor", "decoder"), host)
    assert built == [("decoder_fp16", host)]


def test_what_onnx_runtime_builds_at_first_is_told(release: Path) -> None:
    heard: list[str] = []

    class Listening(Host):
        def notice(self, message: str) -> None:
            heard.append(message)

    (release / "ditto_trt_Ampere_Plus" / "decoder_fp16.engine").unlink()
    networks = opened(found_in(release), networks={"decoder": "tensorrt"})
    networks.prepare(("motion_extractor", "decoder"), Listening())
    assert heard == ["ONNX Runtime builds TensorRT's engine of decoder first. This takes minutes."]
    (release / "ditto_onnx" / "onnxruntime_tensorrt").mkdir()
    networks.prepare(("decoder",), Listening())
    assert len(heard) == 1


def test_no_engine_and_no_tensorrt_is_named(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (release / "ditto_trt_Ampere_Plus" / "decoder_fp16.engine").unlink()
    monkeypatch.setattr(runners, "available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ModelError, match=r"decoder is to run on tensorrt.*decoder\.pth"):
        opened(found_in(release), runner="tensorrt")


@pytest.mark.parametrize("compile", ["default", "max-autotune", "graphs"])
def test_what_is_compiled(compile: str, release: Path) -> None:
    networks = opened(found_in(release), compile=compile)
    compiled = {
        name
        for name, runner in networks.runners.items()
        if isinstance(runner, TorchRunner) and runner._compile is not None
    }
    assert compiled == {"appearance_extractor", "motion_extractor", "warp_network", "decoder"}
