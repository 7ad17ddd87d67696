"""Checkpoints in other formats: written whole or not at all, and used as long as they are current."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.ditto_release import use_small_networks, write_release
from safetensors.torch import load_file, save_file

from ditto_core.__main__ import main
from ditto_core.ditto.checkpoints import find_checkpoints
from ditto_core.ditto.convert import load_network
from ditto_core.ditto.networks import NETWORK_NAMES
from ditto_core.errors import ModelError
from ditto_core.models.checkpoints import read_weights
from ditto_core.models.replacing import replacing
from ditto_core.models.safe_weights import safe_form, write_safely

WEIGHTS = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(2)}


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The release's PyTorch folder, with small networks."""
    use_small_networks(monkeypatch)
    return write_release(tmp_path / "release") / "ditto_pytorch"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "net.pth"
    torch.save({"inner": {f"module.{name}": value for name, value in WEIGHTS.items()}}, path)
    return path


def test_converted_weights_are_used_instead(checkpoint: Path):
    written = write_safely(checkpoint, {name: value + 1 for name, value in WEIGHTS.items()})
    assert written == checkpoint.with_suffix(".safetensors")
    read = read_weights(checkpoint, part="inner", prefix="module.")
    assert torch.equal(read["a"], WEIGHTS["a"] + 1)
    assert torch.equal(read_weights(written, part="inner", prefix="module.")["b"], WEIGHTS["b"] + 1)


def test_weights_that_share_memory_are_written(checkpoint: Path):
    whole = torch.arange(4.0)
    written = load_file(write_safely(checkpoint, {"whole": whole, "part": whole[::2], "same": whole}))
    assert written["part"].tolist() == [0, 2]
    assert torch.equal(written["same"], whole)


@pytest.mark.parametrize("change", ["larger", "newer", "damaged", "foreign"])
def test_what_is_not_from_this_checkpoint_is_not_used(
    change: str, checkpoint: Path, caplog: pytest.LogCaptureFixture
):
    written = write_safely(checkpoint, {name: value + 1 for name, value in WEIGHTS.items()})
    assert safe_form(checkpoint) == written
    if change == "larger":
        checkpoint.write_bytes(checkpoint.read_bytes() + b" ")
    elif change == "damaged":
        written.write_bytes(written.read_bytes()[:-5])
    elif change == "foreign":
        save_file(WEIGHTS, written)
    late = written.stat().st_mtime + (10 if change == "newer" else -10)
    os.utime(checkpoint, (late, late))
    assert safe_form(checkpoint) is None
    assert torch.equal(read_weights(checkpoint, "inner", "module.")["a"], WEIGHTS["a"])
    assert "net.safetensors" in caplog.text


def test_all_of_the_release_is_converted_once(release: Path, capfd: pytest.CaptureFixture[str]):
    command = ["convert", "safetensors", "--data_root", str(release)]
    assert main(command) == 0
    assert capfd.readouterr().out.count("Wrote ") == len(NETWORK_NAMES)
    assert len(list((release / "models").glob("*.safetensors"))) == len(NETWORK_NAMES)
    assert main(command) == 0
    assert "every file is there" in capfd.readouterr().out

    found = find_checkpoints([], data_root=release)
    networks = {name: load_network(name, found.formats[name]["pytorch"]) for name in NETWORK_NAMES}
    for path in (release / "models").glob("*.safetensors"):
        path.unlink()
    for name, network in networks.items():
        original = load_network(name, found.formats[name]["pytorch"]).state_dict()
        assert all(torch.equal(value, original[key]) for key, value in network.state_dict().items())


def test_the_checkpoints_may_be_deleted_afterwards(release: Path):
    assert main(["convert", "safetensors", "--data_root", str(release), "-q"]) == 0
    for path in (release / "models").glob("*.pth"):
        path.unlink()
    found = find_checkpoints([], data_root=release)
    assert not found.missing
    for name in NETWORK_NAMES:
        path = found.formats[name]["pytorch"]
        assert path.suffix == ".safetensors"
        load_network(name, path)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX limits")
def test_a_full_disk_is_told_and_leaves_nothing(checkpoint: Path):
    code = """if True:
        import resource, signal, sys, torch
        from pathlib import Path
        from ditto_core.errors import ModelError
        from ditto_core.models.safe_weights import write_safely
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            write_safely(Path(sys.argv[1]), {"a": torch.zeros(100000)})
        except ModelError as error:
            sys.stdout.write(str(error))
    """
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code, str(checkpoint)], cwd=root, capture_output=True, text=True, check=True
    )
    assert "net.safetensors cannot be written" in done.stdout
    assert "Make room" in done.stdout
    assert [path.name for path in checkpoint.parent.iterdir()] == ["net.pth"]


def test_a_damaged_checkpoint_is_not_converted(release: Path, capfd: pytest.CaptureFixture[str]):
    path = release / "models" / "decoder.pth"
    path.write_bytes(path.read_bytes()[:100])
    assert main(["convert", "safetensors", "--data_root", str(release)]) == 2
    assert "decoder.pth" in capfd.readouterr().err
    assert not path.with_suffix(".safetensors").exists()


def test_without_checkpoints_it_says_where_it_looked(tmp_path: Path):
    for command in (["safetensors"], ["onnx", "--onnx_dir", str(tmp_path / "onnx")]):
        assert main(["convert", *command, "--data_root", str(tmp_path)]) == 2
    assert not (tmp_path / "onnx").exists()


def test_a_mistyped_folder_is_not_made_up_for_by_its_neighbour(
    release: Path, capfd: pytest.CaptureFixture[str]
):
    assert main(["convert", "safetensors", "--data_root", str(release.with_name("mistyped"))]) == 2
    assert "There is no folder" in capfd.readouterr().err
    assert not list(release.rglob("*.safetensors"))


def test_what_is_missing_is_told_and_the_rest_converted(release: Path, capfd: pytest.CaptureFixture[str]):
    (release / "models" / "decoder.pth").unlink()
    assert main(["convert", "safetensors", "--data_root", str(release)]) == 0
    told = capfd.readouterr()
    assert "no PyTorch checkpoint to convert of decoder." in told.err
    assert told.out.count("Wrote") == len(NETWORK_NAMES) - 1


def test_onnx_files_that_are_there_stay(release: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    folder = tmp_path / "onnx"
    folder.mkdir()
    for name in NETWORK_NAMES:
        file = "lmdm_v0.4_hubert" if name == "lmdm" else name
        if name != "stitch_network":
            (folder / f"{file}.onnx").write_bytes(b"kept")
    assert main(["convert", "onnx", "--data_root", str(release), "--onnx_dir", str(folder)]) == 0
    told = capfd.readouterr()
    assert told.out == f"Wrote {folder / 'stitch_network.onnx'}.\n"
    assert told.err.count("is there already and stays") == len(NETWORK_NAMES) - 1
    assert (folder / "decoder.onnx").read_bytes() == b"kept"


def test_an_unwritable_folder_is_told(checkpoint: Path):
    blocked = checkpoint.with_suffix(".safetensors")
    blocked.mkdir()
    with pytest.raises(ModelError, match="cannot be written"):
        write_safely(checkpoint, WEIGHTS)


def test_a_file_in_place_of_the_folder_is_told(tmp_path: Path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(ModelError, match="cannot be written"),
        replacing(tmp_path / "file" / "a.onnx") as unfinished,
    ):
        unfinished.touch()


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX permissions")
def test_who_may_read_the_checkpoint_may_read_what_is_made_of_it(checkpoint: Path):
    checkpoint.chmod(0o644)
    assert write_safely(checkpoint, WEIGHTS).stat().st_mode & 0o777 == 0o644
