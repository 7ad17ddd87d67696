"""The networks of super-resolution, read from their published files through spandrel.

Face restorers (GFPGAN, CodeFormer, RestoreFormer) repaint an aligned face of 512x512 pixels; upscalers
(Real-ESRGAN and whatever else spandrel detects) enlarge any picture. Both are called the same way here: RGB
in 0..1 in, RGB in 0..1 out.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError, ModelError
from ..models.checkpoints import holds_weights, read_checkpoint
from ..models.execution import DTYPES, PrecisionChoice
from ..models.runners import InFile
from .superres_plan import FACE_SIDE

Kind = Literal["GFPGAN", "CodeFormer", "RestoreFormer", "upscaler"]

TILE, TILE_MARGIN = 256, 16
"""An upscaler sees squares of this many pixels, and around each so many more of which nothing is kept."""


class Restorer(InFile):
    """One network and its file. It loads on its first use and again after `release`."""

    def __init__(
        self, path: Path, device: torch.device | None = None, precision: PrecisionChoice = "auto"
    ) -> None:
        """precision: what the network calculates in; auto is fp16 on a GPU where the network is made for
        it, fp32 elsewhere.

        Raises `ModelError` for a file that is missing, damaged or no network known here, and `InputError` for
        a precision the network is not made for.
        """
        self.path = path
        self.device = device or torch.device("cpu")
        self._precision: PrecisionChoice = precision
        self._lock = threading.Lock()
        self._network: Any = self._load()
        self.kind: Kind = _kind(self._network)
        self.scale: int = 1 if self.kind != "upscaler" else self._network.scale

    @property
    def network(self) -> Any:
        """spandrel's description of the network, loaded."""
        with self._lock:
            if self._network is None:
                self._network = self._load()
            return self._network

    def release(self) -> None:
        with self._lock:
            self._network = None

    @torch.inference_mode()
    def __call__(self, pictures: Tensor, fidelity: float = 0.5) -> Tensor:
        """RGB float32 (B, 3, h, w) in 0..1 to (B, 3, h·scale, w·scale) in 0..1; faces are of 512x512 pixels.

        fidelity: CodeFormer's weight, 0 the finest face .. 1 the given one.
        """
        network = self.network
        given = pictures.to(network.device, network.dtype).contiguous()  # GFPGAN takes no other order
        result = _enlarged(network, given) if self.kind == "upscaler" else self._repainted(given, fidelity)
        return result.float().cpu().clamp(0, 1)

    def _repainted(self, faces: Tensor, fidelity: float) -> Tensor:
        """Not spandrel's own call, which feeds 0..1 to these networks of -1..1, and GFPGAN new noise each
        time."""
        if faces.shape[2:] != (FACE_SIDE, FACE_SIDE):
            raise InputError(
                f"A face restorer takes faces of {FACE_SIDE}x{FACE_SIDE} pixels, not {faces.shape[2:]}."
            )
        options: dict[Kind, dict[str, Any]] = {
            "GFPGAN": {"return_rgb": False, "randomize_noise": False},
            "CodeFormer": {"weight": fidelity},
        }
        painted: Tensor = self.network.model(faces * 2 - 1, **options.get(self.kind, {}))[0]
        return (painted + 1) / 2

    def _load(self) -> Any:
        loaded = _described(self.path)
        loaded.eval().model.requires_grad_(False)
        if loaded.architecture.id == "CodeFormer":
            codebook = loaded.model.quantize
            codebook.get_codebook_feat = partial(looked_up, codebook.embedding)
        return loaded.to(self.device, self._dtype(loaded))

    def _dtype(self, loaded: Any) -> torch.dtype:
        allowed = {"fp32": True, "fp16": loaded.supports_half, "bf16": loaded.supports_bfloat16}
        if self._precision == "auto":
            return torch.float16 if self.device.type == "cuda" and loaded.supports_half else torch.float32
        if not allowed[self._precision]:
            usable = ", ".join(name for name, yes in allowed.items() if yes)
            raise InputError(f"{self.path.name} does not work in {self._precision}; use one of {usable}.")
        return DTYPES[self._precision]


OpenRestorers = Callable[[], Sequence[Restorer]]
"""Gives the networks of a method in their order, and loads them if need be."""


def looked_up(codebook: torch.nn.Embedding, codes: Tensor, shape: tuple[int, int, int, int]) -> Tensor:
    """The codebook's entries for codes (B·h·w), of shape (B, h, w, C), as (B, C, h, w).

    spandrel does this for CodeFormer by a product in fp32, which fails with weights in bf16.
    """
    return codebook(codes.flatten()).view(shape).permute(0, 3, 1, 2).contiguous()


def _described(path: Path) -> Any:
    """spandrel's description of the network in a file."""
    held = read_checkpoint(path)
    spandrel = import_spandrel("spandrel")
    held = spandrel.canonicalize_state_dict(held) if isinstance(held, dict) else held
    state: dict[str, Tensor] = held if holds_weights(held) else {}
    registries = [spandrel.MAIN_REGISTRY]
    if "ft_layers.0.self_attn.in_proj_weight" in state:  # CodeFormer: of other licences
        registries.append(import_spandrel("spandrel_extra_arches").EXTRA_REGISTRY)
    for registry in registries:
        try:
            return spandrel.ModelLoader(registry=registry).load_from_state_dict(state)
        except spandrel.UnsupportedModelError:
            continue
        except Exception as error:  # an architecture found by some names, whose other weights do not fit
            raise ModelError(
                f"The network in {path} is damaged or of an unknown variant: {_first_line(error)} "
                "Download the published file again."
            ) from error
    raise ModelError(
        f"{path} holds no network that enlarges pictures or restores faces. Use a published file of GFPGAN, "
        "CodeFormer, RestoreFormer or an upscaler such as RealESRGAN_x4plus."
    )


def _kind(network: Any) -> Kind:
    """What a network is used as."""
    name = str(network.architecture.id)
    if name in ("GFPGAN", "CodeFormer", "RestoreFormer"):
        return cast(Kind, name)
    takes_pictures = getattr(network, "input_channels", 0) == getattr(network, "output_channels", 0) == 3
    if network.purpose in ("SR", "Restoration") and takes_pictures:
        return "upscaler"
    raise ModelError(
        f"{name} is a network for {network.purpose} that does not take and give RGB pictures. Use a face "
        "restorer or an upscaler."
    )


def _enlarged(network: Any, picture: Tensor) -> Tensor:
    """A picture (B, 3, h, w) through an upscaler, tile by tile so that the memory it needs has a bound."""
    scale = network.scale
    batch, channels, height, width = picture.shape
    padded = F.pad(picture, [TILE_MARGIN] * 4, mode="replicate")
    result = picture.new_empty(batch, channels, height * scale, width * scale)
    for top, left in _corners(height, width):
        bottom, right = min(top + TILE, height), min(left + TILE, width)
        seen = padded[:, :, top : bottom + 2 * TILE_MARGIN, left : right + 2 * TILE_MARGIN]
        kept = slice(TILE_MARGIN * scale, -TILE_MARGIN * scale)
        tile = torch.cat([network(seen[number : number + 1]) for number in range(batch)])
        result[:, :, top * scale : bottom * scale, left * scale : right * scale] = tile[:, :, kept, kept]
    return result


def _corners(height: int, width: int) -> Iterator[tuple[int, int]]:
    return ((top, left) for top in range(0, height, TILE) for left in range(0, width, TILE))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def import_spandrel(name: str) -> Any:
    """The module `spandrel` or `spandrel_extra_arches`, imported when it is needed: it takes seconds."""
    try:
        with _torchvision():
            return importlib.import_module(name)
    except ImportError as error:
        raise ModelError(
            f"Super-resolution needs the package {name}, which is missing: {error}. "
            "Install it with `pip install -r requirements.txt` in the pack's folder."
        ) from error


@contextmanager
def _torchvision() -> Generator[None]:
    """Lets spandrel be imported where torchvision is missing or made for another build of PyTorch.

    spandrel takes three names from it, for uses that are not ours.
    """
    try:
        import torchvision.transforms.functional  # pyright: ignore  # noqa: F401
    except (ImportError, RuntimeError):
        names = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")
    else:
        names = ()
    for name in names:
        sys.modules[name] = _StandIn(name)
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


class _StandIn(ModuleType):
    """A module that has every name, for imports."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return object
