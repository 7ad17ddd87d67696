"""The catalogue: every model file of every system, where it comes from and where it belongs.

`catalogue.json` holds the facts. What is searched, downloaded, examined and said about model files is read
from there. A file's place is its path under a model folder, with `/` between the parts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import InputError, ModelError
from ..sizes import size_of

CATALOGUE = Path(__file__).with_name("catalogue.json")

_PLAIN_PLACE = re.compile(r"[A-Za-z0-9._+-]+(/[A-Za-z0-9._+-]+)*")


@dataclass(frozen=True)
class ModelFile:
    """One published file.

    place: path in the model folder. use: what it is for. sets: the downloads it belongs to. role: the network
    it holds, for the systems that look it up. It comes from `path` in the hub's repository `repo` at
    `revision`, or from `url`. bytes, sha256: where they are known.
    """

    place: str
    use: str
    licence: str
    sets: tuple[str, ...] = ()
    role: str = ""
    repo: str = ""
    path: str = ""
    revision: str = "main"
    url: str = ""
    bytes: int | None = None
    sha256: str = ""
    non_commercial: bool = False

    @property
    def name(self) -> str:
        return PurePosixPath(self.place).name

    @property
    def told(self) -> str:
        """Its place, size and licence, for people."""
        return f"{self.place} ({size_of(self.bytes)}, {self.licence})"


@dataclass(frozen=True)
class Catalogue:
    """The files, best first where several have one role, and what each set of them is for."""

    sets: dict[str, str]
    files: tuple[ModelFile, ...]

    def of_set(self, name: str) -> tuple[ModelFile, ...]:
        return tuple(file for file in self.files if name in file.sets)

    def chosen(self, names: Iterable[str]) -> tuple[ModelFile, ...]:
        """The files of sets, or single files by name or place, each once; `InputError` for unknown names."""
        found: dict[str, ModelFile] = {}
        for name in names:
            files = self.of_set(name) or [file for file in self.files if name in (file.place, file.name)]
            if not files:
                raise InputError(
                    f"There is no set of model files {name!r}; the sets are {', '.join(self.sets)}."
                )
            found.update((file.place, file) for file in files)
        return tuple(found.values())

    def told(self, place: str) -> str:
        """A place with its file's size and licence, for people."""
        return next((file.told for file in self.files if file.place == place), place)

    def places(self, role: str) -> tuple[str, ...]:
        """Where the files of a role lie, best first."""
        return tuple(file.place for file in self.files if file.role == role)


@cache
def catalogue() -> Catalogue:
    """What comes with the pack."""
    return read_catalogue(CATALOGUE)


def read_catalogue(path: Path) -> Catalogue:
    """A catalogue from its file; `ModelError` for one that is damaged or leads out of the model folder."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        files = tuple(_model_file(entry, content["repos"]) for entry in content["files"])
        return Catalogue(dict(content["sets"]), files)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"The catalogue of model files {path} is damaged: {error}. Reinstall the pack."
        ) from error


def _model_file(entry: dict[str, Any], repos: dict[str, dict[str, Any]]) -> ModelFile:
    """An entry with what holds for its whole repository."""
    known = {field.name for field in fields(ModelFile)}
    given: dict[str, Any] = {**repos.get(entry.get("repo", ""), {}), **entry}
    if unknown := given.keys() - known:
        raise ValueError(f"{entry['place']} has {', '.join(sorted(unknown))}")
    given.update(sets=tuple(entry["sets"]), path=entry.get("path") or entry["place"])
    file = ModelFile(**given)
    if not (_stays_inside(file.place) and _stays_inside(file.path)):
        raise ValueError(f"{file.place!r} would lie outside the model folder")
    if bool(file.repo) == bool(file.url):
        raise ValueError(f"{file.place} needs either a repo or a url")
    return file


def _stays_inside(place: str) -> bool:
    """Whether a path is a plain relative one, on every system."""
    return bool(_PLAIN_PLACE.fullmatch(place)) and not {".", ".."} & set(place.split("/"))
