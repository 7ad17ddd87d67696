"""One call for every network, whatever executes it."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from ditto_core.errors import ModelError
from ditto_core.models import providers, runners
from ditto_core.models.runners import OnnxRunner, in_batches_of, run_bound
from ditto_core.models.torch_runner import TorchRunner

CPU = torch.device("cpu")


@pytest.mark.parametrize(("total", "count", "calls"), [(1, 1, 1), (3, 1, 3), (4, 2, 2), (3, 2, 2), (1, 4, 1)])
def test_a_network_of_a_fixed_batch_takes_any_number_of_items(total: int, count: int, calls: int) -> None:
    seen: list[int] = []

    def run(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        seen.append(len(inputs["a"]))
        return {"sum": inputs["a"] + inputs["b"], "a": inputs["a"]}

    a, b = torch.randn(total, 3), torch.randn(total, 3)
    out = in_batches_of(count, run, {"a": a, "b": b})
    assert seen == [count] * calls
    assert torch.equal(out["sum"], a + b)
    assert torch.equal(out["a"], a)


def adding(path: Path, batch: int | str | None, kind: int = TensorProto.FLOAT) -> Path:
    """A network that adds `a` and `b` (batch, 3), and gives `a` as its second output."""
    values = [helper.make_tensor_value_info(name, kind, (batch, 3)) for name in ("a", "b", "sum", "same")]
    nodes = [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Identity", ["a"], ["same"])]
    graph = helper.make_graph(nodes, "adding", values[:2], values[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("batch", [1, 2, "n", None])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_an_onnx_file_takes_any_number_of_items(batch: int | str | None, count: int, tmp_path: Path) -> None:
    runner = OnnxRunner(adding(tmp_path / "adding.onnx", batch))
    a, b = torch.randn(count, 3), torch.randn(count, 3)
    outputs = runner(a=a, b=b)
    assert list(outputs) == ["sum", "same"]
    assert torch.equal(outputs["sum"], a + b)
    assert torch.equal(outputs["same"], a)
    assert runner.inputs == ("a", "b")
    assert (runner.name, runner.nbytes) == ("adding", runner.path.stat().st_size)


@pytest.mark.parametrize(("batch", "takes"), [("n", True), (None, False), (1, False), (2, False)])
def test_only_a_named_axis_of_all_inputs_and_outputs_is_a_batch(
    batch: int | str | None, takes: bool, tmp_path: Path
) -> None:
    path = adding(tmp_path / "adding.onnx", batch)
    assert OnnxRunner(path).takes_batches == takes
    model = onnx.load(path)
    model.graph.output[1].type.tensor_type.shape.dim[0].dim_param = "rows"
    onnx.save(model, path)
    assert not OnnxRunner(path).takes_batches


def test_half_precision_stays_inside(tmp_path: Path) -> None:
    runner = OnnxRunner(adding(tmp_path / "half.onnx", "n", TensorProto.FLOAT16))
    outputs = runner(a=torch.ones(2, 3), b=torch.ones(2, 3))
    assert outputs["sum"].dtype == torch.float32
    assert torch.equal(outputs["sum"], torch.full((2, 3), 2.0))


@pytest.mark.parametrize("batch", [2, "n", None])
def test_tensors_are_bound_where_they_lie(batch: int | str | None, tmp_path: Path) -> None:
    """The way tensors on a GPU take, here with the CPU's; an output of unknown shape is copied."""
    session = OnnxRunner(adding(tmp_path / "adding.onnx", batch))._load()
    a, b = torch.randn(2, 3), torch.randn(3, 2).T  # not contiguous
    outputs = run_bound(session, {"a": a, "b": b}, CPU)
    assert torch.equal(outputs["sum"], a + b)
    assert torch.equal(outputs["same"], a)


def test_other_inputs_than_the_files_are_named(tmp_path: Path) -> None:
    runner = OnnxRunner(adding(tmp_path / "adding.onnx", 1))
    with pytest.raises(ModelError, match=r"adding\.onnx takes a, b instead of image"):
        runner(image=torch.zeros(1, 3))
    with pytest.raises(ModelError, match=r"adding\.onnx failed"):
        runner(a=torch.zeros(1, 4), b=torch.zeros(1, 4))


def test_many_threads_call_one_runner_while_it_is_released(tmp_path: Path) -> None:
    runner = OnnxRunner(adding(tmp_path / "adding.onnx", "n"))
    wrong: list[object] = []

    def call(number: int) -> None:
        try:
            for _ in range(50):
                given = torch.full((2, 3), float(number))
                if not torch.equal(runner(a=given, b=given)["sum"], 2 * given):
                    wrong.append(number)
                runner.release()
        except Exception as error:  # noqa: BLE001  told below
            wrong.append(error)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(("provider", "most"), [("DmlExecutionProvider", 1), ("CUDAExecutionProvider", 2)])
def test_a_session_on_directml_serves_one_thread_at_a_time(
    provider: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running: list[int] = []
    seen: list[int] = []

    def run(_session: object, feed: dict[str, Tensor]) -> dict[str, Tensor]:
        running.append(1)
        time.sleep(0.3)  # long enough for the other thread to come in, if it may
        seen.append(len(running))
        running.pop()
        return feed

    monkeypatch.setattr(runners, "_run_on_host", run)
    runner = OnnxRunner(adding(tmp_path / "adding.onnx", 1), providers=[provider])
    monkeypatch.setattr(runner, "_session", OnnxRunner(runner.path)._load())
    x = torch.zeros(1, 3)
    threads = [threading.Thread(target=lambda: runner(a=x, b=x)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(seen) == most


def test_which_providers_were_taken_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="ditto_core"):
        OnnxRunner(adding(tmp_path / "adding.onnx", 1))(a=torch.zeros(1, 3), b=torch.zeros(1, 3))
    assert "adding.onnx runs on CPUExecutionProvider" in caplog.text


@pytest.mark.parametrize(
    ("device", "available", "taken"),
    [
        ("cpu", ["CUDAExecutionProvider", "CPUExecutionProvider"], []),
        ("cuda:1", ["TensorrtExecutionProvider", "CUDAExecutionProvider"], ["CUDAExecutionProvider"]),
        ("cuda", ["CPUExecutionProvider"], []),
        ("mps", ["CoreMLExecutionProvider"], ["CoreMLExecutionProvider"]),
        ("privateuseone", ["DmlExecutionProvider"], ["DmlExecutionProvider"]),
    ],
)
def test_the_providers_of_each_device(
    device: str,
    available: list[str],
    taken: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(providers, "available_providers", lambda: available)
    chosen = providers.providers_for(torch.device(device))
    assert [each if isinstance(each, str) else each[0] for each in chosen] == taken
    assert bool(caplog.text) == (device == "cuda")  # the GPU stays unused: that is said
    if device == "cuda:1":
        assert chosen[0][1]["device_id"] == 1  # type: ignore[index]


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_does_not_start_leaves_the_cpu(tmp_path: Path) -> None:
    """ONNX Runtime goes on without a provider whose libraries are missing; tensors are not bound then."""
    path, cuda = adding(tmp_path / "adding.onnx", "n"), torch.device("cuda")
    runner = OnnxRunner(path, device=cuda, providers=["CUDAExecutionProvider"])
    outputs = runner(a=torch.ones(1, 3), b=torch.ones(1, 3))
    assert outputs["sum"].device == CPU
    assert torch.equal(outputs["sum"], torch.full((1, 3), 2.0))


class Heads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, image: Tensor) -> Any:
        return {"one": self.linear(image), "two": image}


class Single(Heads):
    def forward(self, image: Tensor) -> Any:
        return self.linear(image)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "small.pth"
    torch.save(Heads().state_dict(), path)
    return path


def test_a_pytorch_network_gives_named_outputs(checkpoint: Path) -> None:
    image = torch.randn(4, 3)
    one, many = TorchRunner(Single, checkpoint, output="pred"), TorchRunner(Heads, checkpoint)
    assert list(one(image=image)) == ["pred"]
    assert list(many(image=image)) == ["one", "two"]
    assert torch.equal(one(image=image)["pred"], many(image=image)["one"])
    assert one.inputs == ("image",)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_ends_at_the_border(dtype: torch.dtype, checkpoint: Path) -> None:
    seen: list[torch.dtype] = []

    def spy(network: nn.Module) -> Any:
        def call(**inputs: Tensor) -> Any:
            result = network(**inputs)
            seen.append(result.dtype)
            return result

        return call

    image = torch.randn(4, 3)
    half = TorchRunner(Single, checkpoint, autocast=dtype, compile=spy)(image=image)["out"]
    assert seen == [dtype]
    assert half.dtype == torch.float32
    assert torch.allclose(half, TorchRunner(Single, checkpoint)(image=image)["out"], atol=0.05)
