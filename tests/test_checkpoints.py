"""Checkpoints load with every weight in place, or say what is wrong with them."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.seeded_weights import fill_
from torch import Tensor, nn

from ditto_core.ditto.networks import create
from ditto_core.errors import ModelError
from ditto_core.models.checkpoints import fill, read_weights
from ditto_core.models.torch_runner import TorchRunner


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def weights() -> dict[str, Tensor]:
    return dict(Small().state_dict())


def test_a_state_dict_and_its_published_wrappings(tmp_path: Path):
    ours = weights()
    wrapped = {"part": {f"module.{name}": value for name, value in ours.items()}, "epoch": 3}
    for path, options in (
        (saved(tmp_path / "plain.pth", ours), {}),
        (saved(tmp_path / "wrapped.pth", wrapped), {"part": "part", "prefix": "module."}),
    ):
        read = read_weights(path, **options)
        assert read.keys() == ours.keys()
        assert all(torch.equal(read[name], ours[name]) for name in ours)


def test_a_network_gets_its_weights_once_and_again_after_release(tmp_path: Path):
    ours = weights()
    network = TorchRunner(Small, saved(tmp_path / "small.pth", ours))
    module = network.module
    assert module is network.module
    assert not module.training
    assert torch.equal(module.linear.weight, ours["linear.weight"])
    assert (network.name, network.nbytes) == ("small", sum(4 * value.numel() for value in ours.values()))

    network.release()
    again = network.module
    assert again is not module
    assert torch.equal(again(torch.ones(1, 3)), module(torch.ones(1, 3)))


def test_weights_of_half_precision_become_the_networks(tmp_path: Path):
    half = {name: value.half() for name, value in weights().items()}
    network = TorchRunner(Small, saved(tmp_path / "half.pth", half))
    assert network.module.linear.weight.dtype == torch.float32


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"linear.weight": torch.zeros(2, 4)}, r"1 of another shape \(linear.weight\)"),
        ({"other": torch.zeros(1)}, r"1 unexpected \(other\)"),
        ({"linear.bias": None}, r"1 missing \(linear.bias\)"),
    ],
)
def test_a_checkpoint_of_something_else_is_named(changed: dict[str, Any], words: str, tmp_path: Path):
    other = {name: value for name, value in {**weights(), **changed}.items() if value is not None}
    path = saved(tmp_path / "other.pth", other)
    with pytest.raises(ModelError, match=words) as caught:
        fill(Small(), read_weights(path), path)
    assert str(path) in str(caught.value)


def truncated(path: Path) -> Path:
    saved(path, {"weights": torch.zeros(1000)})
    path.write_bytes(path.read_bytes()[:-1500])
    return path


def text(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


class Code:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("run",)


def in_the_old_format(path: Path) -> Path:
    torch.save({"a": Code()}, path, _use_new_zipfile_serialization=False)
    return path


def leading_outside(path: Path) -> Path:
    """A zip of the published kind whose pickle runs code, with names that leave the folder."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("../../evil/data.pkl", "/etc/evil", "archive/data.pkl"):
            archive.writestr(name, pickle.dumps(Code()))
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (truncated, "bytes.*damaged, incomplete"),
        (lambda path: text(path, b""), "0 bytes"),
        (lambda path: text(path, b"version https://git-lfs.github.com/spec/v1\noid"), "git lfs pull"),
        (lambda path: text(path, b"<html>404</html>"), "16 bytes"),
        (lambda path: saved(path, {"a": Code()}), "more than weights"),
        (in_the_old_format, "more than weights"),
        (leading_outside, "more than weights"),
        (lambda path: text(path, pickle.dumps(Code(), protocol=2)), "more than weights"),
        (lambda path: text(path, pickle.dumps(Code(), protocol=4)), "more than weights"),
        (lambda path: text(path, b"\x08\x09\x12\x05ditto" * 9), "is an ONNX network"),
        (lambda path: saved(path, [torch.zeros(2)]), "no named weights"),
        (lambda path: saved(path, {}), "no named weights"),
    ],
    ids=[
        *("cut off", "empty", "pointer", "web page", "code", "code in the old format", "leading outside"),
        *("a pickle", "a newer pickle", "another format", "list", "nothing"),
    ],
)
def test_an_unreadable_checkpoint_is_named(
    make: Any, words: str, tmp_path: Path, capfd: Any, recwarn: pytest.WarningsRecorder
):
    path = make(tmp_path / "bad.pth")
    with pytest.raises(ModelError, match=words) as caught:
        read_weights(path)
    assert not recwarn.list  # one message is enough
    assert str(path) in str(caught.value)
    assert "run" not in capfd.readouterr().out
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_file_or_part_is_named(tmp_path: Path):
    with pytest.raises(ModelError, match=r"gone\.pth is missing"):
        read_weights(tmp_path / "gone.pth")
    with pytest.raises(ModelError, match=r"no weights under .retarget_shoulder.; .* Put another copy"):
        read_weights(saved(tmp_path / "a.pth", weights()), part="retarget_shoulder")


def test_the_file_of_something_else_says_how_to_get_the_right_one(tmp_path: Path):
    with pytest.raises(ModelError, match=r"no named weights; .* Delete it, and get it .*ditto-pytorch$"):
        read_weights(saved(tmp_path / "decoder.pth", [torch.zeros(2)]))
    with pytest.raises(ModelError, match=r"decoder\.pth is missing .* Get it with: .*ditto-pytorch$"):
        read_weights(tmp_path / "gone" / "decoder.pth")


@pytest.mark.parametrize("name", ["stitch_network", "appearance_extractor"])
def test_a_real_network_loads_as_it_was_saved(name: str, tmp_path: Path):
    original = fill_(create(name), f"ditto/{name}")
    network = TorchRunner(lambda: create(name), saved(tmp_path / f"{name}.pth", original.state_dict()))
    loaded = network.module.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in original.state_dict().items())
