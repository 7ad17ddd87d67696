"""TensorRT's engines: built for this GPU, recognised when they do not fit, run on tensors where they lie.

No TensorRT runs here: the stand-in has the calls of the real bindings.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from helpers.ditto_release import write_hubert, write_onnx
from helpers.fake_tensorrt import fake_tensorrt
from helpers.hosts import Told
from onnx import TensorProto, helper

from ditto_core.__main__ import main
from ditto_core.ditto.checkpoints import find_checkpoints
from ditto_core.errors import Interrupted, ModelError
from ditto_core.host import Host
from ditto_core.models.tensorrt import TensorRTRunner
from ditto_core.models.tensorrt_build import TIMING_CACHE, build_engine, convert_folder
from ditto_core.models.tensorrt_files import precision_of, read_record, record_path, version

HERE = torch.device("cpu")  # where the stand-in computes
OLD, NEW = "10.13.3.9", "11.4.0.106"


def use(monkeypatch: pytest.MonkeyPatch, release: str = OLD, capability: tuple[int, int] = (8, 6)) -> Any:
    """A machine with this TensorRT and this GPU."""
    module = fake_tensorrt(release, f"sm_{capability[0]}{capability[1]}")
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    for name, value in {
        "is_available": lambda: True,
        "get_device_capability": lambda _device: capability,
        "get_device_name": lambda _device: f"GPU {capability}",
        "device": lambda _device: contextlib.nullcontext(),
        "current_stream": lambda _device: types.SimpleNamespace(cuda_stream=0),
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    return module


@pytest.fixture
def trt(monkeypatch: pytest.MonkeyPatch) -> Any:
    return use(monkeypatch)


@pytest.fixture
def onnx_dir(tmp_path: Path) -> Path:
    """Stand-ins of every kind of network that conversion treats in its own way."""
    folder = tmp_path / "ditto_onnx"
    folder.mkdir()
    write_mix(folder / "decoder.onnx", batch="n")
    write_mix(folder / "landmark203.onnx", batch=1)
    write_mix(folder / "lmdm_v0.4_hubert.onnx", batch="n")
    write_warp(folder / "warp_network.onnx")
    shutil.copy(folder / "decoder.onnx", folder / "warp_network_ori.onnx")
    write_hubert(folder / "hubert.onnx", width=8)
    return folder


def write_mix(path: Path, batch: int | str) -> None:
    """x (batch, 2, 4, 4) to y, a tenth of its channels' mix."""
    weight = np.arange(6, dtype=np.float32).reshape(3, 2, 1, 1) / 10
    write_onnx(path, [helper.make_node("Conv", ["x", "w"], ["y"])], {}, {}, {"w": weight})
    model = onnx.load(path)
    for values, name, channels in ((model.graph.input, "x", 2), (model.graph.output, "y", 3)):
        values.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, channels, 4, 4]))
    onnx.save(model, path)


def mixed(x: torch.Tensor) -> torch.Tensor:
    return F.conv2d(x, torch.arange(6.0).view(3, 2, 1, 1) / 10)


def write_warp(path: Path) -> None:
    node = helper.make_node("GridSample3D", ["volume", "grid"], ["out"])
    inputs = {"volume": (1, 2, 3, 4, 4), "grid": (1, 3, 4, 4, 3)}
    write_onnx(path, [node], inputs, {"out": (1, 2, 3, 4, 4)}, {})


def engines_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.engine"))


def built(onnx_dir: Path, trt_dir: Path, host: Host | None = None) -> Any:
    return convert_folder(onnx_dir, trt_dir, HERE, host or Host())


# --- building -------------------------------------------------------------------------------------------


def test_every_network_becomes_an_engine_of_the_published_name(trt: Any, onnx_dir: Path, tmp_path: Path):
    trt_dir = tmp_path / "trt"
    host = Told()
    result = built(onnx_dir, trt_dir, host)
    assert not result.failed
    assert engines_in(trt_dir) == [
        "decoder_fp16.engine",
        "hubert_fp32.engine",
        "landmark203_fp16.engine",
        "lmdm_v0.4_hubert_fp32.engine",
        "warp_network_fp16.engine",
    ]
    assert all(facts["typed"] and facts["level"] == 5 for facts in trt.built)
    assert {"engines", "build decoder_fp16"} <= set(host.stages)
    assert not list(trt_dir.glob(".ditto-*"))
    profiles = [facts["profile"] for facts in trt.built]
    assert profiles[0]["x"] == ((1, 2, 4, 4), (4, 2, 4, 4), (8, 2, 4, 4))
    assert profiles[1]["input_values"] == ((1, 3240), (1, 6480), (1, 12960))
    assert profiles[2] == {}, "its sizes are fixed"
    assert (trt_dir / TIMING_CACHE).read_bytes().count(b"measured") == len(result.built)


def test_hubert_takes_several_chunks_where_its_file_keeps_them_apart(trt: Any, tmp_path: Path):
    source, engine = tmp_path / "hubert.onnx", tmp_path / "hubert_fp32.engine"
    write_hubert(source, width=8, batched=True)
    build_engine(source, engine, "fp32", HERE, Host())
    assert trt.built[0]["profile"]["input_values"] == ((1, 3240), (4, 6480), (8, 12960))
    runner, samples = TensorRTRunner(engine, HERE), torch.randn(3, 6480)
    assert runner.takes_batches
    together = runner(input_values=samples)["encoding_out"]
    alone = [runner(input_values=each[None])["encoding_out"] for each in samples]
    torch.testing.assert_close(together, torch.cat(alone))


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("motion_extractor", "fp32"),
        ("hubert", "fp32"),
        ("wavlm", "fp32"),
        ("lmdm_v0.4_hubert", "fp32"),
        *((name, "fp16") for name in ("appearance_extractor", "warp_network", "stitch_network", "face_mesh")),
    ],
)
def test_precisions_are_the_published_ones(name: str, precision: str):
    assert precision_of(name) == precision


@pytest.mark.parametrize(
    ("release", "samples"), [(OLD, False), ("11.1.0", False), ("11.2.1", True), (NEW, True)]
)
def test_volumes_are_sampled_by_tensorrt_where_it_can(
    release: str, samples: bool, onnx_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    use(monkeypatch, release)
    engine = tmp_path / "warp_network_fp16.engine"
    build_engine(onnx_dir / "warp_network.onnx", engine, "fp16", HERE, Host())
    runner = TensorRTRunner(engine, HERE)
    volume, grid = torch.randn(1, 2, 3, 4, 4), torch.rand(1, 3, 4, 4, 3) * 3 - 1.5
    sampled = runner(volume=volume, grid=grid)["out"]
    # In fp16 the network's inputs are rounded first; what samples them computes in fp32.
    volume, grid = volume.half().float(), grid.half().float()
    torch.testing.assert_close(
        sampled, F.grid_sample(volume, grid, align_corners=False), atol=2e-3, rtol=1e-3
    )
    assert (b"GridSample" in engine.read_bytes()) == samples


def test_engines_that_fit_are_kept_and_others_built_again(
    trt: Any, onnx_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    trt_dir = tmp_path / "trt"
    first = built(onnx_dir, trt_dir)
    assert len(built(onnx_dir, trt_dir).kept) == len(first.built)
    write_mix(onnx_dir / "decoder.onnx", batch=1)
    again = built(onnx_dir, trt_dir)
    assert [path.name for path in again.built] == ["decoder_fp16.engine"]
    use(monkeypatch, OLD, (12, 0))
    host = Told()
    assert len(built(onnx_dir, trt_dir, host).built) == len(first.built)
    assert "compute capability 8.6" in host.notices[0]
    assert (trt_dir / TIMING_CACHE).read_bytes().startswith(f"{OLD} sm_120".encode())


def test_one_network_that_cannot_be_built_does_not_stop_the_others(trt: Any, onnx_dir: Path, tmp_path: Path):
    (onnx_dir / "blaze_face.onnx").write_bytes(b"<html>")
    write_onnx(
        onnx_dir / "open.onnx",
        [helper.make_node("Relu", ["x"], ["y"])],
        {"x": (1, None)},
        {"y": (1, None)},
        {},
    )
    result = built(onnx_dir, tmp_path / "trt")
    assert set(result.failed) == {"blaze_face.onnx", "open.onnx"}
    assert len(result.built) == 5
    assert "no ONNX" in result.failed["blaze_face.onnx"]


def test_what_tensorrt_says_is_passed_on(trt: Any, onnx_dir: Path, tmp_path: Path, monkeypatch: Any):
    monkeypatch.setattr("ditto_core.models.tensorrt_build.decomposed", lambda model: model)
    with pytest.raises(ModelError, match="No importer registered for op: GridSample"):
        build_engine(onnx_dir / "warp_network.onnx", tmp_path / "w.engine", "fp16", HERE, Host())
    monkeypatch.setattr("ditto_core.models.tensorrt_build._add_profile", lambda *_: None)
    with pytest.raises(ModelError, match="no optimization profile"):
        build_engine(onnx_dir / "decoder.onnx", tmp_path / "d.engine", "fp16", HERE, Host())
    assert engines_in(tmp_path) == []


def test_building_stops_when_the_host_says_so(trt: Any, onnx_dir: Path, tmp_path: Path):
    class Stops(Host):
        def progress(self, stage: str, *_others: Any, **_more: Any) -> None:
            if stage.startswith("build"):
                raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        built(onnx_dir, tmp_path / "trt", Stops())
    assert engines_in(tmp_path) == []


# --- running --------------------------------------------------------------------------------------------


@pytest.fixture
def engine(trt: Any, onnx_dir: Path, tmp_path: Path) -> Path:
    path = tmp_path / "decoder_fp16.engine"
    build_engine(onnx_dir / "decoder.onnx", path, "fp16", HERE, Host())
    return path


@pytest.mark.parametrize("count", [1, 3, 8, 19])
def test_any_number_of_items_is_computed(count: int, engine: Path):
    runner = TensorRTRunner(engine, HERE)
    x = torch.randn(count, 2, 4, 4)
    result = runner(x=x.transpose(2, 3).contiguous().transpose(2, 3))["y"]  # laid out another way
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, mixed(x), atol=5e-3, rtol=5e-3)


def test_a_fixed_batch_takes_any_number_too(trt: Any, onnx_dir: Path, tmp_path: Path):
    path = tmp_path / "landmark203_fp32.engine"
    build_engine(onnx_dir / "landmark203.onnx", path, "fp32", HERE, Host())
    x = torch.randn(3, 2, 4, 4)
    torch.testing.assert_close(TensorRTRunner(path, HERE)(x=x)["y"], mixed(x))


def test_it_is_a_runner(engine: Path, trt: Any):
    runner = TensorRTRunner(engine, HERE)
    assert runner.name == "decoder_fp16"
    assert runner.nbytes == engine.stat().st_size
    assert trt.runtimes == 0, "nothing is opened before it is used"
    assert runner.inputs == ("x",)
    runner(x=torch.zeros(1, 2, 4, 4))
    assert trt.runtimes == 1
    runner.release()
    runner(x=torch.zeros(1, 2, 4, 4))
    assert trt.runtimes == 2


def test_wrong_inputs_are_named(engine: Path):
    runner = TensorRTRunner(engine, HERE)
    with pytest.raises(ModelError, match="takes x instead of z"):
        runner(z=torch.zeros(1, 2, 4, 4))
    with pytest.raises(ModelError, match=r"does not take x of \(1, 2, 4, 5\)"):
        runner(x=torch.zeros(1, 2, 4, 5))


MISFITS = [
    ((OLD, (8, 9)), r"built for GPU \(8, 6\) \(compute capability 8.6\), and this is GPU \(8, 9\)"),
    ((NEW, (8, 6)), "built by TensorRT 10.13.3.9, and this is 11.4.0.106"),
]


@pytest.mark.parametrize(("machine", "words"), MISFITS)
def test_an_engine_that_does_not_fit_is_not_opened(
    machine: tuple[str, tuple[int, int]], words: str, engine: Path, monkeypatch: pytest.MonkeyPatch
):
    module = use(monkeypatch, *machine)
    with pytest.raises(ModelError, match=words) as caught:
        TensorRTRunner(engine, HERE)(x=torch.zeros(1, 2, 4, 4))
    assert "convert tensorrt" in str(caught.value)
    assert module.runtimes == 0


@pytest.mark.parametrize("machine", [(OLD, (8, 9)), (NEW, (8, 6)), (OLD, (8, 6))])
def test_it_is_built_again_when_the_onnx_file_is_at_hand(
    machine: tuple[str, tuple[int, int]],
    engine: Path,
    onnx_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    module = use(monkeypatch, *machine)
    changed = machine == (OLD, (8, 6))
    if changed:
        write_mix(onnx_dir / "decoder.onnx", batch=1)
    x = torch.ones(2, 2, 4, 4)
    result = TensorRTRunner(engine, HERE, source=onnx_dir / "decoder.onnx")(x=x)["y"]
    torch.testing.assert_close(result, mixed(x), atol=5e-3, rtol=5e-3)
    assert len(module.built) == 1
    assert "Building decoder_fp16.engine again" in caplog.text
    record = read_record(engine)
    assert record is not None
    assert (record.precision, record.tensorrt) == ("fp16", machine[0])


def test_the_first_build_is_shown_and_may_be_stopped(trt: Any, onnx_dir: Path, tmp_path: Path):
    engine = tmp_path / "trt" / "decoder_fp16.engine"
    runner = TensorRTRunner(engine, HERE, source=onnx_dir / "decoder.onnx")

    class Stops(Host):
        def check_interrupted(self) -> None:
            raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        runner.prepare(Stops())
    assert engines_in(tmp_path / "trt") == []

    host = Told()
    runner.prepare(host)
    assert host.notices == ["Building decoder_fp16.engine since it is not there. This takes minutes."]
    assert set(host.stages) == {"build decoder_fp16"}
    runner(x=torch.zeros(1, 2, 4, 4))
    runner.prepare(host)
    assert len(trt.built) == 1, "the one that was stopped is none"
    assert len(host.notices) == 1


def test_another_build_of_the_same_version_fits(engine: Path, monkeypatch: pytest.MonkeyPatch):
    told = json.loads(record_path(engine).read_text())
    record_path(engine).write_text(json.dumps({**told, "tensorrt": "10.13.3.9.post1", "more": 1}))
    TensorRTRunner(engine, HERE)(x=torch.zeros(1, 2, 4, 4))
    assert version("10.13.3.9.post1") == (10, 13, 3, 9)


def test_an_engine_without_a_record_is_tried(engine: Path, monkeypatch: pytest.MonkeyPatch):
    record_path(engine).unlink()
    TensorRTRunner(engine, HERE)(x=torch.zeros(1, 2, 4, 4))
    use(monkeypatch, NEW)
    with pytest.raises(ModelError, match=r"cannot be opened by TensorRT 11\.4"):
        TensorRTRunner(engine, HERE)(x=torch.zeros(1, 2, 4, 4))


# --- without TensorRT -----------------------------------------------------------------------------------


def test_what_is_missing_is_named(onnx_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    engine = tmp_path / "decoder_fp16.engine"
    engine.write_bytes(b"plan")
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(ModelError, match="pip install tensorrt"):
        TensorRTRunner(engine, HERE)(x=torch.zeros(1))
    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt("8.6.1"))
    with pytest.raises(ModelError, match=r"TensorRT 8\.6\.1 is too old"):
        TensorRTRunner(engine, HERE)(x=torch.zeros(1))
    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt(OLD))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ModelError, match="needs an NVIDIA GPU"):
        TensorRTRunner(engine, HERE)(x=torch.zeros(1))


def test_the_command_has_the_documented_flags(
    onnx_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    command = ["convert", "tensorrt", "--onnx_dir", str(onnx_dir), "--trt_dir", str(tmp_path / "trt")]
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    assert main(command) == 2
    assert "pip install tensorrt" in capfd.readouterr().err
    use(monkeypatch)
    monkeypatch.setattr("ditto_core.convert_command.open_device", lambda _name: HERE)
    (onnx_dir / "blaze_face.onnx").write_bytes(b"<html>")
    assert main(command) == 2, "one could not be built"
    told = capfd.readouterr()
    assert told.out.count("Wrote ") == 5
    assert "blaze_face.onnx" in told.err
    assert main(command) == 2
    assert capfd.readouterr().out == "", "nothing is written, and not every file is there"
    (onnx_dir / "blaze_face.onnx").unlink()
    assert main(command) == 0
    assert "every file is there" in capfd.readouterr().out


def test_engines_built_here_come_before_published_ones(trt: Any, onnx_dir: Path, tmp_path: Path):
    (tmp_path / "ditto_trt_Ampere_Plus").mkdir()
    (tmp_path / "ditto_trt_Ampere_Plus" / "decoder_fp16.engine").write_bytes(b"for TensorRT 8.6")
    built(onnx_dir, tmp_path / "ditto_trt_custom")
    found = find_checkpoints([tmp_path]).formats["decoder"]
    assert found["tensorrt"] == tmp_path / "ditto_trt_custom" / "decoder_fp16.engine"
    assert found["onnx"] == onnx_dir / "decoder.onnx"
