"""ComfyUI seen as a `Host`: its progress bar, its interrupt button, its device, folders and memory."""

from __future__ import annotations

import logging
import uuid
import weakref
from pathlib import Path
from typing import Any

import folder_paths
import torch
from comfy import model_management
from comfy.model_patcher import ModelPatcher
from comfy.utils import ProgressBar
from comfy_api.latest import ui
from PIL import Image

from ..ditto_core.blend.superres_files import SHARED_FOLDERS
from ..ditto_core.host import Host, Releasable

MODEL_FOLDER = "ditto"
EXTENSIONS = {".onnx", ".pth", ".pt", ".bin", ".ckpt", ".safetensors", ".pkl", ".engine"}
PREVIEW_SIZE = 512

_log = logging.getLogger(__name__)
_managed: weakref.WeakKeyDictionary[Releasable, ManagedModel] = weakref.WeakKeyDictionary()


def register_model_folder() -> None:
    """Make our model folders known, after those `extra_model_paths.yaml` named."""
    for kind in (MODEL_FOLDER, *SHARED_FOLDERS):
        folder_paths.add_model_folder_path(kind, str(Path(folder_paths.models_dir) / kind))
    # A new key accepts every file; the set is extended in place so that folders read earlier stay.
    folder_paths.folder_names_and_paths[MODEL_FOLDER][1].update(EXTENSIONS)


class ModelFolders(Host):
    """ComfyUI's model folders, which can be asked for before anything executes."""

    def model_folders(self) -> list[Path]:
        return [Path(folder) for folder in folder_paths.get_folder_paths(MODEL_FOLDER)]

    def shared_folders(self, kind: str) -> list[Path]:
        known = kind in folder_paths.folder_names_and_paths
        return [Path(folder) for folder in folder_paths.get_folder_paths(kind)] if known else []


class ComfyHost(ModelFolders):
    """One node's view of ComfyUI while it executes."""

    def __init__(self) -> None:
        self.device = model_management.get_torch_device()
        self.notices: list[str] = []
        self._bar = ProgressBar(1)

    def progress(
        self,
        stage: str,  # noqa: ARG002  ComfyUI's bar has no caption
        done: int,
        total: int,
        preview: torch.Tensor | None = None,
    ) -> None:
        picture = None if preview is None else Image.fromarray(preview.cpu().numpy())
        self._bar.update_absolute(done, total, picture and ("JPEG", picture, PREVIEW_SIZE))

    def check_interrupted(self) -> None:
        model_management.throw_exception_if_processing_interrupted()

    def notice(self, message: str) -> None:
        _log.info(message)
        self.notices.append(message)

    def manage(self, model: Releasable) -> None:
        if model not in _managed:
            _managed[model] = ManagedModel(model)
        model_management.load_models_gpu([_managed[model]])

    def free_memory(self) -> int:
        """Bytes of main memory that are free."""
        return model_management.get_free_memory(torch.device("cpu"))

    def shown_notices(self) -> dict[str, Any]:
        """What was noticed, for `web/notices.js` to show on the node; empty text clears an earlier notice."""
        return ui.PreviewText("\n".join(self.notices)).as_dict()


def new_temporary_video() -> Path:
    """A free name in ComfyUI's temporary folder, which ComfyUI empties when it starts."""
    return Path(folder_paths.get_temp_directory()) / f"ditto_{uuid.uuid4().hex}.mp4"


class ManagedModel(ModelPatcher):
    """A model that moves itself, in the terms of ComfyUI's memory management.

    ComfyUI counts its size, and calls `detach` when the memory is wanted for something else. The model loads
    itself again on its next use.
    """

    def __init__(self, model: Releasable) -> None:
        # ComfyUI keeps a patcher while the model lives, so the patcher must not keep the model.
        self.releasable = weakref.ref(model)
        # One that runs on the CPU takes no memory of the GPU, for which others would have to make room.
        super().__init__(
            torch.nn.Module(), load_device=model.device, offload_device=torch.device("cpu"), size=model.nbytes
        )

    def model_size(self) -> int:
        """What it really holds once it was loaded, an estimate before that."""
        model = self.releasable()
        if model is not None:
            self.size = model.nbytes
        return self.size

    def loaded_size(self) -> int:
        return self.model_size()

    def partially_load(self, *_args: object, **_kwargs: object) -> int:
        return self.size

    def partially_unload(self, *_args: object, **_kwargs: object) -> int:
        return 0

    def detach(self, unpatch_all: bool = True) -> torch.nn.Module:
        model = self.releasable()
        if unpatch_all and model is not None:
            model.release()
        return self.model
