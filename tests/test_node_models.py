"""Models in ComfyUI: how its memory management counts and releases them, and where they are found."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
import torch
from helpers.counted_model import CountedModel
from helpers.stub_host import StubHost


@pytest.fixture
def host(stub: StubHost) -> StubHost:
    stub.patchers.clear()
    return stub


def test_a_model_is_counted_once_and_released_when_comfyui_wants_the_memory(host: StubHost) -> None:
    model = CountedModel()
    comfy = host.pack.nodes.comfy_host.ComfyHost()
    comfy.manage(model)
    comfy.manage(model)
    first, again = host.patchers
    assert first is again
    assert first.loaded_size() == 1000
    model.nbytes = 3000  # what it really holds, known once it is loaded
    assert first.model_size() == first.loaded_size() == 3000
    first.detach(unpatch_all=False)  # ComfyUI only moves it within its list
    assert model.released == 0
    first.detach()
    assert model.released == 1


def test_a_model_takes_the_memory_of_the_device_it_runs_on(host: StubHost) -> None:
    model = CountedModel()
    comfy = host.pack.nodes.comfy_host.ComfyHost()
    comfy.device = torch.device("meta")  # stands for a GPU
    comfy.manage(model)
    assert host.patchers.pop().load_device == torch.device("cpu")


def test_a_patcher_does_not_keep_its_model_alive(host: StubHost) -> None:
    model = CountedModel()
    host.pack.nodes.comfy_host.ComfyHost().manage(model)
    patcher = host.patchers.pop()
    del model
    gc.collect()
    assert patcher.releasable() is None


def test_models_are_found_in_models_ditto(host: StubHost) -> None:
    folders = host.pack.nodes.comfy_host.ComfyHost().model_folders()
    assert folders == [host.folder / "models" / "ditto"]


def test_folders_of_extra_model_paths_come_first(
    host: StubHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = host.modules["folder_paths"].folder_names_and_paths
    # ComfyUI reads extra_model_paths.yaml before it loads the pack.
    monkeypatch.setitem(known, "ditto", ([str(tmp_path)], set()))
    host.pack.nodes.comfy_host.register_model_folder()
    folders = host.pack.nodes.comfy_host.ComfyHost().model_folders()
    assert folders == [tmp_path, host.folder / "models" / "ditto"]
