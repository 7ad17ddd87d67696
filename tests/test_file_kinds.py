"""A model file under a wrong name is told apart from a damaged one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from onnx import TensorProto, helper, save
from safetensors.torch import save_file

from ditto_core.errors import ModelError
from ditto_core.models.catalogue import ModelFile
from ditto_core.models.checkpoints import read_weights
from ditto_core.models.configs import read_config
from ditto_core.models.file_kinds import wrong_kind
from ditto_core.models.inventory import take_inventory
from ditto_core.models.onnx_file import read_facts


def written(path: Path, kind: str) -> Path:
    """A file of a kind under any name."""
    if kind == "a PyTorch checkpoint":
        torch.save({"weight": torch.zeros(2)}, path)
    elif kind == "a .safetensors file":
        save_file({"weight": torch.zeros(2)}, path)
    elif kind == "an ONNX network":
        value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1,)) for name in ("a", "b")]
        graph = helper.make_graph([helper.make_node("Neg", ["a"], ["b"])], "negate", value[:1], value[1:])
        save(helper.make_model(graph), str(path), format="protobuf")
    else:
        beginnings = {
            "a TensorRT engine": b"ftrt\0\0",
            "a web page": b"<!doctype html>",
            "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\n",
        }
        path.write_bytes(beginnings[kind])
    return path


KINDS = (
    *("a PyTorch checkpoint", "a .safetensors file", "an ONNX network", "a TensorRT engine", "a web page"),
    "a Git LFS pointer",
)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_file_is(kind: str, tmp_path: Path) -> None:
    for suffix, own in ((".pth", KINDS[0]), (".safetensors", KINDS[1]), (".onnx", KINDS[2])):
        assert wrong_kind(written(tmp_path / f"model{suffix}", kind)) == ("" if kind == own else kind)


@pytest.mark.parametrize("content", [b"", b"\x08", b"nothing of the kind"])
def test_what_cannot_be_told(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    assert wrong_kind(path) == ""


def test_the_readers_say_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"decoder\.pth .* is an ONNX network, no PyTorch checkpoint\. "):
        read_weights(written(tmp_path / "decoder.pth", "an ONNX network"))
    with pytest.raises(ModelError, match=r"decoder\.onnx .* is a PyTorch checkpoint, no ONNX file\. "):
        read_facts(written(tmp_path / "decoder.onnx", "a PyTorch checkpoint"))


def test_files_that_may_not_be_read_are_said_to_be_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = [
        written(tmp_path / f"decoder{suffix}", "a PyTorch checkpoint") for suffix in (".pth", ".onnx", ".pkl")
    ]

    def refuse(*_arguments: object, **_more: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    for path, read in zip(locked, (read_weights, read_facts, read_config), strict=True):
        assert wrong_kind(path) == "not readable: Permission denied"
        with pytest.raises(ModelError, match=rf"{path.name} cannot be read: Permission denied\. Allow"):
            read(path)
    file = ModelFile("decoder.pth", "decoding", "MIT")
    assert take_inventory([file], [tmp_path]).flawed == ((file, locked[0], wrong_kind(locked[0])),)
