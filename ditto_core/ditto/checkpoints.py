"""Where Ditto's published files lie, in each of the formats they are published in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ..errors import ModelError
from ..models.catalogue import catalogue
from ..models.inventory import download_command, searched
from ..models.tensorrt_files import record_path
from .named_files import named_files

RELEASE, ONNX_SET, FACES_SET = "ditto-pytorch", "ditto-onnx", "ditto-faces"
"""The sets of files to download: what suffices everywhere, the same as ONNX, and `FACES` with `MESH`."""

ENGINES = "ditto_trt_*"
_PYTORCH, _ONNX = "ditto_pytorch", "ditto_onnx"

RUNS_ON = {".pth": "pytorch", ".safetensors": "pytorch", ".onnx": "onnx", ".engine": "tensorrt"}
"""The runner of each format."""

_STEMS = {
    "appearance_extractor": "appearance_extractor",
    "motion_extractor": "motion_extractor",
    "warp_network": "warp_network",
    "decoder": "decoder",
    "stitch_network": "stitch_network",
    "lmdm": "lmdm_v0.4_hubert",
    "hubert": "hubert",
}
_ENGINES = {role: f"{ENGINES}/{stem}_fp*.engine" for role, stem in _STEMS.items()}


def _places(*roles: str) -> dict[str, tuple[str, ...]]:
    """Each file's places in the release, best first; a `.pth` may have been converted, and deleted."""
    return {
        role: tuple(each for place in catalogue().places(role) for each in _forms(place)) for role in roles
    }


def _forms(place: str) -> tuple[str, ...]:
    """A place, and for a `.pth` the one where `ditto convert safetensors` keeps its weights."""
    stem = place.removesuffix(".pth")
    return (place,) if stem == place else (place, f"{stem}.safetensors")


_NEEDED = _places("config", *_STEMS)

FACES = _places("detector", "landmarks_106", "landmarks_203")
"""InsightFace's are for non-commercial use; the built-in mesh stands in for all three."""

MESH = _places("blaze_face", "face_mesh")


@dataclass(frozen=True)
class Checkpoints:
    """The files that were found, by role, and what was not: paths within the release.

    formats: for each network, its files by the runner they are for, best first; `found` has the first.
    to_get: the command that fetches what is missing.
    """

    found: dict[str, Path]
    missing: tuple[str, ...]
    folders: tuple[Path, ...]
    formats: dict[str, dict[str, Path]]
    to_get: str

    def have(self, roles: Sequence[str]) -> bool:
        return all(role in self.found for role in roles)

    def require(self) -> None:
        """Raise a `ModelError` that says what to put where, unless all that is needed is there."""
        if self.missing:
            looked = ", ".join(str(folder) for folder in self.folders)
            missing = ", ".join(catalogue().told(place) for place in self.missing)
            raise ModelError(
                f"Ditto's files are not complete. Missing: {missing}. Looked in {looked}. Get them with the "
                f"node DittoDownload or with: {self.to_get} (or choose lite or auto to go on "
                "without)."
            )


def find_checkpoints(
    folders: Sequence[Path], data_root: Path | None = None, cfg_pkl: Path | None = None
) -> Checkpoints:
    """Look for the files of the release.

    folders: each may hold the release's folders (`ditto_cfg`, `ditto_pytorch`, `ditto_onnx`, `ditto_trt_…`),
    or the release in `checkpoints`, as its documents name it; a file may lie in any of them. data_root: the
    `ditto_pytorch`, `ditto_onnx` or `ditto_trt_…` to use instead, under whatever name; what it lacks is taken
    from the folders beside it. cfg_pkl: the configuration to use. Files that the configuration names within
    data_root, or `ditto_pytorch`, come first.
    """
    roots = searched(folders) if data_root is None else (data_root.absolute(),)
    beside = data_root is not None
    found: dict[str, Path] = {}
    formats: dict[str, dict[str, Path]] = {}
    configs = [cfg_pkl] if cfg_pkl else _there(_NEEDED["config"], roots, beside=beside)[:1]
    own = roots if beside else [root / _PYTORCH for root in roots]
    named = named_files(configs[0], own) if configs else {}
    for role, places in {**_NEEDED, **FACES, **MESH}.items():
        engines = (_ENGINES[role],) if role in _ENGINES and torch.cuda.is_available() else ()
        there = _there((*places, *engines), roots, beside=beside)
        there = [named[role], *there] if role in named else there
        if there:
            found[role] = there[0]
            formats[role] = {}
            for path in there:
                formats[role].setdefault(RUNS_ON.get(path.suffix, ""), path)
    release = ONNX_SET if _only_onnx(formats, data_root) else RELEASE
    of_release = {file.role: file.place for file in reversed(catalogue().of_set(release))}
    first = {role: of_release.get(role, places[0]) for role, places in _NEEDED.items()}
    if cfg_pkl is not None:
        first["config"] = str(cfg_pkl)
        found.pop("config", None)
        found.update({"config": cfg_pkl} if cfg_pkl.is_file() else {})
    missing = tuple(place for role, place in first.items() if role not in found)
    to_get = download_command(release, *([] if data_root is None else ["--dir", str(roots[0].parent)]))
    return Checkpoints(found, missing, roots, formats, to_get)


def _only_onnx(formats: dict[str, dict[str, Path]], data_root: Path | None) -> bool:
    """Whether the release that is there, or was begun, is the one of ONNX files."""
    kinds = {kind for role in _STEMS if role != "hubert" for kind in formats.get(role, {})}
    return "pytorch" not in kinds and ("onnx" in kinds or (data_root is not None and data_root.name == _ONNX))


def _there(places: Sequence[str], roots: Sequence[Path], *, beside: bool) -> list[Path]:
    """The files at these places, which may hold wildcards, best first.

    With `beside` the roots are themselves one of the release's folders: their own files come first, then
    those of the folders beside them.
    """
    within = [(root, place) for place in places for root in roots]
    if beside:
        own = [(root, place.partition("/")[2]) for place in places for root in roots]
        within = [*own, *((root.parent, place) for root, place in within)]
    return [path for root, place in within for path in sorted(root.glob(place), key=_rank) if path.is_file()]


def _rank(path: Path) -> tuple[bool, Path]:
    """Engines that were built here come before the published ones, which fit few machines."""
    return not record_path(path).is_file(), path
