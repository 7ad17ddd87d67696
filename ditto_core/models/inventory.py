"""Which files of the catalogue are there: what the doctor, the downloads and the error messages say."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from ..errors import InputError, ModelError
from ..sizes import exact_size, size_of
from .catalogue import ModelFile, catalogue
from .file_kinds import POINTER, wrong_kind

_INSTALL = Path(__file__).absolute().parents[2] / "install.py"


def searched(folders: Iterable[Path]) -> tuple[Path, ...]:
    """Where files are looked for: the model folders, then `checkpoints` in them, as the documents name it.

    Raises an `InputError` for a folder that cannot be read.
    """
    folders = tuple(folder.absolute() for folder in folders)
    return (*folders, *(inner for folder in folders if _is_folder(inner := folder / "checkpoints")))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:
        raise InputError(
            f"The model folder {path.parent} cannot be read: {error.strerror or error}. Choose another "
            "one, or allow reading it."
        ) from error


def find(place: str, folders: Sequence[Path]) -> Path | None:
    """The file in the first of the folders that has it, whole or not."""
    return next((path for folder in searched(folders) if (path := folder / place).is_file()), None)


def model_subfolder(folders: Sequence[Path], name: str) -> Path:
    """The folder of that name in the first model folder that has it, or in the first one.

    Raises an `InputError` for a name that leads out of there: it may come with somebody else's workflow.
    """
    parts = PureWindowsPath(name)  # which knows / and \\ and drives
    if not parts.parts or parts.anchor or ".." in parts.parts:
        raise InputError(f"{name!r} is no folder within the model folders; give a name such as ditto_onnx.")
    places = [root.joinpath(*parts.parts) for root in searched(folders)]
    return next((place for place in places if place.is_dir()), places[0])


def check_readable(path: Path, what: str) -> None:
    """Raise a `ModelError` when a file, a `what`, is not there or cannot be read."""
    if not path.is_file():
        raise ModelError(f"The {what} {path.name} is missing from {path.parent}. {how_to_get(path)}")
    try:
        path.open("rb").close()
    except OSError as error:
        raise ModelError(
            f"The {what} {path} cannot be read: {error.strerror or error}. Allow reading it, or put another "
            "copy there."
        ) from error


def flaw(path: Path, file: ModelFile) -> str:
    """What is visibly wrong with a file that was found, "" when nothing is. Only its beginning is read."""
    size, kind = path.stat().st_size, wrong_kind(path)
    if kind != POINTER and file.bytes is not None and size != file.bytes:
        return f"{exact_size(size)} instead of {exact_size(file.bytes)}"
    return kind if size else "empty"


@dataclass(frozen=True)
class Inventory:
    """What is there of some files: in full, not at all, and with what wrong."""

    there: tuple[ModelFile, ...]
    missing: tuple[ModelFile, ...]
    flawed: tuple[tuple[ModelFile, Path, str], ...]

    @property
    def wanted(self) -> tuple[ModelFile, ...]:
        """What has to be fetched."""
        return (*self.missing, *(file for file, _, _ in self.flawed))


def take_inventory(files: Iterable[ModelFile], folders: Sequence[Path]) -> Inventory:
    """Look for files in the model folders."""
    there: list[ModelFile] = []
    missing: list[ModelFile] = []
    flawed: list[tuple[ModelFile, Path, str]] = []
    for file in files:
        path = find(file.place, folders)
        if path is None:
            missing.append(file)
        elif wrong := flaw(path, file):
            flawed.append((file, path, wrong))
        else:
            there.append(file)
    return Inventory(tuple(there), tuple(missing), tuple(flawed))


def tell_set(name: str, folders: Sequence[Path]) -> str:
    """One set in a line: what it is for, what is there, and how to get the rest."""
    files = catalogue().of_set(name)
    found = take_inventory(files, folders)
    told = f"{name} ({catalogue().sets[name]}{_restriction(files)}): "
    if not found.wanted:
        return f"{told}all {len(files)} files are there"
    if not found.there and not found.flawed:
        told += f"not there ({total_size(files)})"
    else:
        told += f"{len(found.there)} of {len(files)} files are there"
        if found.missing:
            told += f", missing: {', '.join(file.place for file in found.missing)}"
        for _, path, wrong in found.flawed:
            told += f", {_suspicion(path)}: {path} ({wrong})"
    return f"{told}. Get it: {download_command(name)}"


def _suspicion(path: Path) -> str:
    """What a file that is not as published is taken for."""
    if path.suffix == ".onnx" and not wrong_kind(path):
        return "not the published one (written by `ditto convert onnx`?) or damaged"
    return "damaged or not the published one"


def download_command(*sets: str) -> str:
    """What to type to get sets of files."""
    start = [sys.executable, str(_INSTALL)] if _INSTALL.is_file() else ["ditto", "download"]
    return " ".join(f'"{word}"' if " " in word else word for word in (*start, *sets))


def remedy(path: Path) -> str:
    """What to do about a broken file: where it is a published one, its true size and the command too."""
    file = _published(path)
    if file is None:
        return "Put another copy of it there, from where it came from."
    size = f"The published one has {exact_size(file.bytes)}. " if file.bytes else ""
    return f"{size}Delete it, and get it again with: {download_command(file.sets[0])}"


def how_to_get(path: Path) -> str:
    """What to do about a file that is not there: where it is a published one, the command."""
    file = _published(path)
    return "Put it there." if file is None else f"Get it with: {download_command(file.sets[0])}"


def _published(path: Path) -> ModelFile | None:
    """The file of the catalogue that belongs at a path; in another folder, the only one of that name."""
    files = [file for file in catalogue().files if file.sets]
    placed = [file for file in files if path.as_posix().endswith(f"/{file.place}")]
    named = [file for file in files if file.name == path.name]
    return placed[0] if placed else named[0] if len(named) == 1 else None


def total_size(files: Iterable[ModelFile]) -> str:
    """Of files whose sizes may not all be known."""
    files = tuple(files)
    known = sum(file.bytes or 0 for file in files)
    if all(file.bytes is not None for file in files):
        return size_of(known)
    return f"more than {size_of(known)}" if known else "size unknown"


def _restriction(files: Iterable[ModelFile]) -> str:
    return "; for non-commercial use only" if any(file.non_commercial for file in files) else ""
