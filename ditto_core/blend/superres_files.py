"""Which files super-resolution uses: found in our own folder and in those ComfyUI's users have already."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from weakref import WeakValueDictionary

from ..errors import InputError, ModelError
from ..host import Host
from ..models.catalogue import catalogue
from ..models.execution import PrecisionChoice
from ..models.inventory import download_command
from .restorers import Kind, OpenRestorers, Restorer
from .superres_plan import Method, SuperResOptions

OUR_FOLDER = "superres"
SHARED_FOLDERS = ("facerestore_models", "upscale_models")
SUFFIXES = (".pth", ".safetensors", ".pt", ".ckpt")

PUBLISHED: dict[Kind, tuple[str, ...]] = {
    "GFPGAN": ("GFPGANv1.4", "GFPGANv1.3"),
    "CodeFormer": ("codeformer", "codeformer-v0.1.0"),
    "RestoreFormer": ("RestoreFormer",),
}
"""The names of the published files without their ending, the best first."""


KINDS: dict[Method, tuple[Kind, ...]] = {
    "GFPGAN": ("GFPGAN",),
    "CodeFormer": ("CodeFormer",),
    "both": ("GFPGAN", "CodeFormer"),
    "RestoreFormer": ("RestoreFormer",),
}
"""The networks of each method, in their order."""

CODEFORMER_LICENCE = (
    "CodeFormer is used, as you chose. Its licence (S-Lab License 1.0) allows non-commercial use only."
)


_in_use: WeakValueDictionary[tuple[object, ...], Restorer] = WeakValueDictionary()


def prepare_restorers(options: SuperResOptions, host: Host) -> OpenRestorers:
    """What opens the networks of a method, with everything said that can be said before the work.

    When every face is to be enhanced they are opened here; otherwise perhaps none is needed, and that a file
    is missing is a notice. Raises what `open_restorers` raises.
    """
    if options.off and options.model is not None:
        host.notice(f"{options.model.name} is not used: super-resolution is off.")
    if options.when == "always":
        opened = open_restorers(options, host)
        return lambda: opened
    try:
        _check_files(options, host)
    except ModelError as error:
        host.notice(f"This stops the work if a face turns out to lack resolution: {error}")
    return partial(open_restorers, options, host)


def open_restorers(
    options: SuperResOptions, host: Host, loaded: Restorer | None = None
) -> tuple[Restorer, ...]:
    """The networks of a method, loaded and in their order; none when super-resolution is off.

    loaded: a network that is used instead of a method's own file; for the method `model`, the network.
    Raises `ModelError` for files that are missing or something else.
    """
    if options.off:
        return ()
    if loaded is None and options.model is not None:
        loaded = _opened(_named(options.model, host), host, options.precision)
    chosen = tuple(_of_kinds(options, host, loaded)) if options.method != "model" else (_given(loaded),)
    for restorer in chosen:
        if restorer.kind == "CodeFormer":
            host.notice(CODEFORMER_LICENCE)
        host.manage(restorer)
    return chosen


def open_model(name: str, host: Host, precision: PrecisionChoice = "auto") -> Restorer:
    """The network in one of `model_names`; a `ModelError` says where to get a published one."""
    file = model_files(host).get(name)
    if file is None:
        raise ModelError(_missing(Path(name), host))
    return _opened(file, host, precision)


def model_names(host: Host) -> list[str]:
    """The names of all files there are, then those of published files that are not there."""
    found = model_files(host)
    stems = {Path(name).stem.lower() for name in found}
    return [*found, *(name for name in _downloads() if Path(name).stem.lower() not in stems)]


def model_state(name: str, host: Host) -> str:
    """Changes when the file of this name does."""
    return _state(model_files(host).get(name))


def method_state(method: Method, host: Host) -> str:
    """Changes when the method would use another file, or a file it uses does."""
    return "\n".join(_state(_found(kind, host)) for kind in KINDS.get(method, ()))


def model_files(host: Host) -> dict[str, Path]:
    """All files that may hold a network for super-resolution, by name; the first of a name counts."""
    found: dict[str, Path] = {}
    for folder in _folders(host):
        files = folder.rglob("*") if folder.is_dir() else ()
        for file in sorted(file for file in files if file.suffix.lower() in SUFFIXES):
            found.setdefault(file.relative_to(folder).as_posix(), file)
    return found


def _check_files(options: SuperResOptions, host: Host) -> None:
    """Raise for a file that is named and not there, or not named and needed."""
    if options.off:
        return
    if options.model is not None:
        _named(options.model, host)
    elif options.method == "model":
        _given(None)
    else:
        for kind in KINDS[options.method]:
            _file_of(kind, host)


def _named(model: Path, host: Host) -> Path:
    """A file by its path, or by its name in one of the folders."""
    file = model if model.is_file() else model_files(host).get(model.as_posix())
    if file is None:
        raise ModelError(_missing(model, host))
    return file


def _of_kinds(options: SuperResOptions, host: Host, loaded: Restorer | None) -> Iterator[Restorer]:
    kinds = KINDS[options.method]
    if loaded is not None and loaded.kind not in kinds:
        raise InputError(
            f"{loaded.path.name} is a network of kind {loaded.kind}, which the super-resolution method "
            f"{options.method} does not use. Choose the method model to use it."
        )
    for kind in kinds:
        if loaded is not None and loaded.kind == kind:
            yield loaded
        else:
            yield _checked(_opened(_file_of(kind, host), host, options.precision), kind)


def _given(loaded: Restorer | None) -> Restorer:
    if loaded is None:
        raise InputError("The super-resolution method model needs a model; name or connect one.")
    return loaded


def _checked(restorer: Restorer, kind: Kind) -> Restorer:
    if restorer.kind != kind:
        raise ModelError(
            f"{restorer.path} is no network of kind {kind} but one of kind {restorer.kind}. "
            f"Get the published file with: {_download(_best(kind))}"
        )
    return restorer


def _file_of(kind: Kind, host: Host) -> Path:
    file = _found(kind, host)
    if file is None:
        raise ModelError(_missing(Path(_best(kind)), host))
    return file


def _found(kind: Kind, host: Host) -> Path | None:
    """The best of the published files of a kind that there are."""
    files = {file.stem.lower(): file for file in reversed(model_files(host).values())}
    return next((files[name.lower()] for name in PUBLISHED[kind] if name.lower() in files), None)


def _state(file: Path | None) -> str:
    return f"{file} {file.stat().st_size} {file.stat().st_mtime_ns}" if file else "missing"


def _best(kind: Kind) -> str:
    return f"{PUBLISHED[kind][0]}.pth"


def _missing(file: Path, host: Host) -> str:
    places = _places(host) if file.name == str(file) else f"{file.parent}, nor in {_places(host)}"
    published = file.name in _downloads()
    what, name = ("it", file.name) if published else ("a published one", _best("GFPGAN"))
    return (
        f"Super-resolution needs the file {file.name}, which is not in {places}. Put it there, or get {what} "
        f"with the node DittoDownload or with: {_download(name)}"
    )


def _download(name: str) -> str:
    """The command that fetches a published file and those that belong to it."""
    return download_command(_downloads()[name])


def _downloads() -> dict[str, str]:
    """The published files by name, each with the set it is downloaded in."""
    ours = (file for file in catalogue().files if file.place.startswith(f"{OUR_FOLDER}/"))
    return {file.name: file.sets[0] for file in ours if file.sets}


def _places(host: Host) -> str:
    return ", ".join(str(folder) for folder in _folders(host))


def _opened(path: Path, host: Host, precision: PrecisionChoice) -> Restorer:
    """The network in a file; one that is in use somewhere is shared."""
    changed = path.stat().st_mtime_ns if path.is_file() else 0
    key = (path, changed, host.device, precision)
    restorer = _in_use.get(key) or Restorer(path, host.device, precision)
    _in_use[key] = restorer
    return restorer


def _folders(host: Host) -> list[Path]:
    shared = [folder for kind in SHARED_FOLDERS for folder in host.shared_folders(kind)]
    return [*(folder / OUR_FOLDER for folder in host.model_folders()), *shared]
