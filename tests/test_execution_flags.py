"""What the command line's flags of execution reach."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ditto_core import cli
from ditto_core.__main__ import main
from ditto_core.host import Host
from ditto_core.models.execution import Execution

COMMANDS = {
    "talk": ("load_engine", "talk --source a.png --audio b.wav --output c.mp4"),
    "inference": ("open_engine", "inference --source_path a.png --audio_path b.wav --output_path c.mp4"),
}


class Reached(Exception):
    pass


@pytest.fixture(params=COMMANDS)
def asked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the engine is opened with, by each kind of command."""
    function, command = COMMANDS[request.param]
    found: dict[str, Any] = {"command": command.split()}

    def note(_name: str, host: Host, *others: Any, **named: Any) -> None:
        found.update(device=host.device, execution=named.get("execution") or others[-1])
        raise Reached

    monkeypatch.setattr(cli, function, note)
    return found


def test_without_flags_everything_is_automatic(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    main(asked["command"])
    assert asked["device"] == torch.device("cpu")
    assert asked["execution"] == Execution()


@pytest.mark.parametrize(
    ("flags", "execution"),
    [
        (["--runner", "onnx", "--precision", "bf16"], Execution("onnx", "bf16")),
        (["--compile", "graphs"], Execution(compile="graphs")),
        (
            ["--runner", "pytorch, decoder=onnx,warp_network=tensorrt"],
            Execution("pytorch", networks={"decoder": "onnx", "warp_network": "tensorrt"}),
        ),
        (["--runner", "decoder=onnx"], Execution(networks={"decoder": "onnx"})),
    ],
)
def test_the_flags_are_what_the_engine_gets(
    flags: list[str], execution: Execution, asked: dict[str, Any]
) -> None:
    main([*asked["command"], "--device", "cpu", *flags])
    assert asked["execution"] == execution


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--device", "gpu"], "no device 'gpu'; choose auto, cpu"),
        (["--runner", "tensorflow"], "runner is 'tensorflow'; choose one of auto, pytorch, onnx, tensorrt"),
        (["--runner", "auto, decoder"], "'decoder' has no runner; write decoder=onnx"),
        (["--precision", "fp8"], "fp8"),
    ],
)
def test_what_is_unknown_is_one_line(
    flags: list[str], words: str, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*asked["command"], *flags]) == cli.BAD_INPUT
    told = capsys.readouterr().err
    assert words in told
    assert len(told.strip().splitlines()) == 1
    assert "execution" not in asked


def test_no_gpu_is_one_line(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main([*asked["command"], "--device", "cuda"]) == cli.BAD_INPUT
    assert "The device cuda was asked for" in capsys.readouterr().err
