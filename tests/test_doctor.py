"""The doctor finds what is wrong, and says it to people and to programs."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from helpers.ditto_release import use_small_networks, write_release

from ditto_core import doctor
from ditto_core.__main__ import main
from ditto_core.errors import ModelError
from ditto_core.models.bundled import FOLDER


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the bundled files that the doctor looks at."""
    copy = tmp_path / "bundled"
    shutil.copytree(FOLDER, copy)
    monkeypatch.setattr(doctor, "BUNDLED", copy)
    return copy


@pytest.fixture
def no_render(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "talk", lambda *_arguments, **_more: None)


def test_here_everything_works(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    told, notices = capfd.readouterr()
    assert notices == ""
    assert "The Lite engine works." in told
    assert "torch 2." in told
    assert "CPUExecutionProvider" in told
    assert "h264 encoder" in told
    assert "Rendered and encoded 3 frames" in told
    assert "!!" not in told
    assert "??" not in told


def test_a_defect_of_a_library_does_not_keep_it_from_reporting(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_arguments: object, **_more: object) -> None:
        raise RuntimeError("a bad library")

    monkeypatch.setattr(doctor, "talk", broken)
    assert main(["doctor"]) == 1
    told = capfd.readouterr().out
    assert "It cannot render: a bad library" in told
    assert "torch 2." in told


@pytest.mark.usefixtures("no_render")
def test_programs_get_json(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["ok"] is True
    assert {finding["topic"] for finding in report["findings"]} == {
        "Libraries",
        "Devices",
        "Models",
        "ComfyUI",
        "Lite",
    }


@pytest.mark.usefixtures("no_render")
@pytest.mark.parametrize("how", ["missing", "damaged"])
def test_a_bundled_file_that_is_not_whole_is_named(
    how: str, bundled: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    network = bundled / "face_det.onnx"
    if how == "missing":
        network.unlink()
    else:
        network.write_bytes(network.read_bytes()[:-1])
    assert main(["doctor"]) == 1
    told = capfd.readouterr().out
    (line,) = (line for line in told.splitlines() if "!!  " in line)
    assert "face_det.onnx" in line
    assert "Reinstall the pack." in line


def test_an_engine_that_cannot_render_is_told(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_arguments: object, **_more: object) -> Path:
        raise ModelError("The network is too old.")

    monkeypatch.setattr(doctor, "talk", fail)
    assert main(["doctor"]) == 1
    assert "It cannot render: The network is too old." in capfd.readouterr().out


@pytest.mark.usefixtures("no_render")
def test_a_missing_library_is_told_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    installed = doctor.metadata.version

    def version(name: str) -> str:
        if name == "spandrel":
            raise doctor.metadata.PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(doctor.metadata, "version", version)
    assert main(["doctor"]) == 0
    told = capfd.readouterr().out
    assert "spandrel is missing, which super-resolution needs: pip install spandrel" in told


@pytest.mark.usefixtures("no_render")
def test_what_pip_left_of_a_package_does_not_keep_it_from_reporting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "~umpy-1.26.0.dist-info").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["doctor"]) == 0


@pytest.mark.usefixtures("no_render")
def test_model_folders_are_shown_as_the_user_set_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DITTO_MODELS", str(tmp_path / "my models"))
    assert main(["doctor"]) == 0
    assert f"{tmp_path / 'my models'} is not there" in capfd.readouterr().out


@pytest.mark.usefixtures("no_render")
def test_what_ditto_runs_on_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    use_small_networks(monkeypatch)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("DITTO_MODELS", str(write_release(tmp_path / "models")))
    main(["doctor"])
    told = capfd.readouterr().out
    assert "Ditto's networks would run on cpu: pytorch in fp32 for appearance_extractor" in told
    assert "lmdm; onnx in fp32 for hubert" in told
    assert "Not as published: appearance_extractor.pth" in told


@pytest.mark.usefixtures("no_render")
def test_what_is_absent_or_damaged_is_not_called_ok(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DITTO_MODELS", str(tmp_path))
    (tmp_path / "ditto_onnx").mkdir()
    (tmp_path / "ditto_onnx" / "decoder.onnx").write_bytes(b"<!doctype html>")
    (tmp_path / "superres").mkdir()
    (tmp_path / "superres" / "codeformer.pth").write_bytes(b"cut off")
    assert main(["doctor"]) == 0
    told = capfd.readouterr().out
    marks = {line[6:].split(" ")[0]: line[2:4] for line in told.splitlines() if line.startswith("  ")}
    assert (marks["ditto-onnx"], marks["codeformer"], marks["superres"]) == ("??", "??", "--")
    assert f"{tmp_path / 'ditto_onnx' / 'decoder.onnx'} (a web page)" in told
    assert "codeformer.pth (7 bytes instead of 376,637,898 bytes)" in told
    assert "The Lite engine works. The lines with ?? say what else is wrong." in told


def test_the_list_of_bundled_files_is_complete_and_true() -> None:
    """After a change: cd ditto_core/models/bundled && sha256sum *.onnx *.npz > SHA256SUMS"""
    listed = dict(reversed(line.split()) for line in (FOLDER / "SHA256SUMS").read_text().splitlines())
    there = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in FOLDER.iterdir()
        if path.suffix in (".onnx", ".npz")
    }
    assert listed == there
