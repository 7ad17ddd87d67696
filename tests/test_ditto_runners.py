"""Ditto gives the same on every runner and says clearly what it cannot run on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np
import pytest
import torch
from helpers.ditto_release import use_small_networks, write_release
from helpers.hosts import FolderHost
from helpers.media import tone, write_sound
from helpers.onnx_release import write_onnx_release
from torch import Tensor

from ditto_core.__main__ import main
from ditto_core.data import Audio
from ditto_core.demo import PORTRAIT
from ditto_core.ditto.engine import DittoEngine
from ditto_core.ditto.runners import NETWORKS
from ditto_core.engines import load_engine, shared_engine
from ditto_core.errors import InputError, ModelError
from ditto_core.host import Host
from ditto_core.media.images import read_image
from ditto_core.media.source import as_source
from ditto_core.models.execution import Execution
from ditto_core.models.memory import OutOfMemory
from ditto_core.models.runners import OnnxRunner
from ditto_core.models.torch_runner import TorchRunner
from ditto_core.options import AvatarOptions, MotionOptions
from ditto_core.talking_head import TalkOptions, render


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A release with PyTorch's and ONNX's files of the same networks."""
    with pytest.MonkeyPatch.context() as patch:
        use_small_networks(patch)
        yield write_onnx_release(write_release(tmp_path_factory.mktemp("release")))


@pytest.fixture
def own(both: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(both, tmp_path / "own"))


@pytest.fixture
def onnx_only(own: Path) -> Path:
    shutil.rmtree(own / "ditto_pytorch")
    (own / "ditto_cfg" / "v0.4_hubert_cfg_pytorch.pkl").unlink()
    return own


def ditto(folder: Path, **execution: Any) -> DittoEngine:
    engine = load_engine("ditto", FolderHost(folder), execution=Execution(**execution))
    assert isinstance(engine, DittoEngine)
    return engine


def picture() -> np.ndarray:
    return cv2.resize(read_image(PORTRAIT).numpy(), (256, 256), interpolation=cv2.INTER_AREA)


def frames_of(engine: DittoEngine, count: int = 3) -> Tensor:
    samples = 0.1 * torch.randn(1, 640 * count, generator=torch.Generator().manual_seed(1))
    options = TalkOptions(motion=MotionOptions(sampling_timesteps=4))
    return render(engine, as_source(picture()), Audio(samples, 16000), options, Host()).images[:]


def close(a: Tensor, b: Tensor) -> None:
    difference = (a.int() - b.int()).abs()
    assert difference.max() <= 1
    assert (difference > 0).float().mean() < 0.01


def test_pytorchs_files_are_taken_first_and_onnxs_where_they_are_missing(own: Path) -> None:
    (own / "ditto_pytorch" / "models" / "decoder.pth").unlink()
    kinds = ditto(own).networks.kinds
    assert kinds == {**dict.fromkeys(NETWORKS, "pytorch"), "decoder": "onnx", "hubert": "onnx"}


def test_the_onnx_release_alone_renders_what_pytorch_renders(onnx_only: Path, both: Path) -> None:
    engine = ditto(onnx_only)
    assert set(engine.networks.kinds.values()) == {"onnx"}
    close(frames_of(engine), frames_of(ditto(both, runner="pytorch")))


def test_auto_takes_ditto_with_the_onnx_release_alone(onnx_only: Path) -> None:
    host = FolderHost(onnx_only)
    assert load_engine("auto", host).name == "ditto"
    assert "ditto_onnx" in host.notices[0]


def test_single_networks_run_on_another_runner(both: Path) -> None:
    engine = ditto(both, networks={"warp_network": "onnx", "lmdm": "onnx"})
    runners = engine.networks.runners
    assert isinstance(runners["warp_network"], OnnxRunner)
    assert isinstance(runners["decoder"], TorchRunner)
    close(frames_of(engine), frames_of(ditto(both)))


def test_the_onnx_folder_is_a_data_root(both: Path) -> None:
    host = FolderHost(both / "nothing")
    engine = load_engine("ditto", host, data_root=both / "ditto_onnx")
    assert isinstance(engine, DittoEngine)
    assert engine.networks.kinds["decoder"] == "onnx"
    assert engine.networks.files["hubert"] == both / "ditto_onnx" / "hubert.onnx"


def test_onnx_files_that_do_not_follow_the_precision_are_told(onnx_only: Path) -> None:
    for load in (load_engine, shared_engine):
        host = FolderHost(onnx_only)
        load("ditto", host, execution=Execution(precision="bf16"))
        assert [told.partition(":")[0] for told in host.notices] == ["Precision bf16 does not reach decoder"]
        load("ditto", host, execution=Execution())
        assert len(host.notices) == 1


@pytest.mark.parametrize("online", [(), ("--online",)], ids=["offline", "online"])
def test_the_onnx_release_alone_speaks_by_the_documented_command(
    online: tuple[str, ...], onnx_only: Path, tmp_path: Path
) -> None:
    """PyTorch's networks have their full size here, so nothing could run on them unseen."""
    cv2.imwrite(str(tmp_path / "person.png"), picture()[..., ::-1])
    write_sound(tmp_path / "speech.wav", tone(0.3, 16000)[None], 16000, "pcm_f32le", "flt")
    output = tmp_path / "out.mp4"
    command = [
        *("inference", "--data_root", onnx_only / "ditto_onnx", "--engine", "ditto", *online),
        *("--cfg_pkl", onnx_only / "ditto_cfg" / "v0.4_hubert_cfg_trt.pkl", "--sampling_timesteps", 4),
        *("--source_path", tmp_path / "person.png", "--audio_path", tmp_path / "speech.wav"),
        *("--output_path", output),
    ]
    assert main([str(each) for each in command]) == 0
    with av.open(output) as video:
        assert len(list(video.decode(video=0))) == 8


def test_what_a_begun_onnx_release_lacks_is_named_as_onnx(onnx_only: Path) -> None:
    (onnx_only / "ditto_onnx" / "decoder.onnx").unlink()
    with pytest.raises(ModelError, match=r"Missing: ditto_onnx/decoder\.onnx \(.*ditto-onnx \(or"):
        ditto(onnx_only)
    host = FolderHost(onnx_only / "nothing")
    root = onnx_only / "ditto_onnx"
    assert load_engine("auto", host, data_root=root).name == "lite"
    (told,) = host.notices
    assert f"not found in {root}: ditto_onnx/decoder.onnx. To get them: " in told
    assert told.endswith(f"ditto-onnx --dir {onnx_only}")


def test_the_warp_file_that_needs_no_plugin_is_preferred(onnx_only: Path) -> None:
    folder = onnx_only / "ditto_onnx"
    shutil.copy(folder / "warp_network.onnx", folder / "warp_network_ori.onnx")
    assert ditto(onnx_only).networks.files["warp_network"] == folder / "warp_network_ori.onnx"


def test_a_runner_without_its_file_is_named(onnx_only: Path) -> None:
    with pytest.raises(
        ModelError, match=r"appearance_extractor is to run on pytorch.*only .*\.onnx.*ditto-pytorch"
    ):
        ditto(onnx_only, runner="pytorch")


@pytest.mark.parametrize(
    ("execution", "error", "words"),
    [
        ({"runner": "tensorrt"}, InputError, "needs an NVIDIA GPU"),
        ({"precision": "fp16"}, InputError, "fp16 is for GPUs"),
        ({"compile": "graphs"}, InputError, "compile is for CUDA GPUs"),
        ({"runner": "torch"}, InputError, "runner is 'torch'; choose one of auto, pytorch"),
        ({"precision": "int8"}, InputError, "precision is 'int8'"),
        ({"networks": {"decoder": "gpu"}}, InputError, "the runner of decoder is 'gpu'"),
        ({"networks": {"decodr": "onnx"}}, InputError, "no network 'decodr'"),
    ],
)
def test_what_cannot_be_is_refused(
    execution: dict[str, Any], error: type[Exception], words: str, both: Path
) -> None:
    with pytest.raises(error, match=words):
        ditto(both, **execution)


@pytest.mark.parametrize(
    ("name", "other", "words"),
    [
        ("warp_network", "decoder", "takes feature instead of feature_3d"),
        ("appearance_extractor", "motion_extractor", "gives pitch, yaw, .* instead of pred"),
        ("decoder", None, "damaged or no ONNX file"),
    ],
)
def test_the_file_of_another_network_is_named(
    name: str, other: str | None, words: str, onnx_only: Path
) -> None:
    path = onnx_only / "ditto_onnx" / f"{name}.onnx"
    if other is None:
        path.write_bytes(path.read_bytes()[:-500])
    else:
        shutil.copy(path.with_name(f"{other}.onnx"), path)
    with pytest.raises(ModelError, match=words) as caught:
        frames_of(ditto(onnx_only))
    assert str(path) in str(caught.value)
    assert str(caught.value).endswith("ditto-onnx")


def test_bf16_on_the_cpu_is_the_decoders_only(both: Path) -> None:
    engine = ditto(both, precision="bf16")
    types = {
        name: next(runner.module.parameters()).dtype
        for name, runner in engine.networks.runners.items()
        if isinstance(runner, TorchRunner)
    }
    assert types.pop("decoder") == torch.bfloat16
    assert set(types.values()) == {torch.float32}
    # The stand-in takes its input as it comes; the real one turns it into its own precision.
    feature = torch.randn(1, 256, 64, 64).bfloat16()
    assert engine.networks.value("decoder", feature=feature).dtype == torch.float32


def crowded(engine: DittoEngine, name: str, room: int) -> list[int]:
    """Let a network have memory for `room` items at once, and note how many it is given."""
    network, given = engine.networks.runners[name], []

    def call(**inputs: Tensor) -> dict[str, Tensor]:
        given.append(len(next(iter(inputs.values()))))
        if given[-1] > room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return network(**inputs)

    engine.networks.runners[name] = cast(Any, call)
    return given


@pytest.mark.parametrize("name", ["warp_network", "decoder"])
def test_a_network_short_of_memory_gets_fewer_frames(name: str, both: Path) -> None:
    engine = ditto(both)
    engine._rendering.size = 4
    given = crowded(engine, name, room=2)
    frames = frames_of(engine, 5)
    assert given[0] == 4
    assert max(given[1:]) == 2
    assert engine.batch == 2
    assert torch.equal(frames, frames_of(ditto(both), 5))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("motion_extractor", "does not suffice for measuring a frame"),
        ("appearance_extractor", "does not suffice for extracting a frame's appearance"),
        ("lmdm", "does not suffice for drawing motion"),
        ("decoder", "does not suffice for decoding a frame"),
    ],
)
def test_a_network_without_memory_says_what_helps(name: str, words: str, onnx_only: Path) -> None:
    engine = ditto(onnx_only)
    crowded(engine, name, room=0)
    with pytest.raises(OutOfMemory, match=rf"{words}.*template_n_frames"):
        frames_of(engine)


def test_warming_up_runs_the_rendering_networks_once(both: Path) -> None:
    engine = ditto(both)
    person = engine.register(as_source(picture()), AvatarOptions(), Host())
    given = [crowded(engine, name, room=1) for name in ("appearance_extractor", "warp_network", "decoder")]
    engine.warm_up(person)
    assert given == [[1], [1], [1]]


def test_the_same_engine_is_shared_until_something_changes(own: Path) -> None:
    host = FolderHost(own)
    first = shared_engine("ditto", host)
    assert shared_engine("ditto", host) is first
    assert shared_engine("auto", host) is first
    assert host.notices  # `auto` says what it took each time

    other = shared_engine("ditto", host, Execution(precision="bf16"))
    assert other is not first
    (own / "ditto_pytorch" / "models" / "decoder.pth").touch()
    assert shared_engine("ditto", host, Execution(precision="bf16")) is not other
    with pytest.raises(ModelError, match="Missing"):
        shared_engine("ditto", FolderHost(own / "nothing"))


def test_a_loaded_network_tells_the_memory_it_holds(both: Path) -> None:
    runner = ditto(both).networks.runners["decoder"]
    assert isinstance(runner, TorchRunner)
    assert runner.nbytes == runner.path.stat().st_size
    parameters = list(runner.module.parameters())
    assert runner.nbytes == sum(4 * parameter.numel() for parameter in parameters)
    runner.release()
    assert runner.nbytes == sum(4 * parameter.numel() for parameter in parameters)
