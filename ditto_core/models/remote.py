"""What the servers say of a file of the catalogue: where it is, how long, and its checksum."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from .. import __version__
from ..errors import DownloadError, InputError
from ..sizes import exact_size
from .catalogue import ModelFile

PUBLIC_HUB = "https://huggingface.co"
PATIENCE = 20.0
"""Seconds without an answer, or new bytes, after which a server is not asked again."""


@dataclass(frozen=True)
class Remote:
    """A file on a server.

    git: the checksum of a file that the hub keeps without LFS. headers: what to ask with; the hub's hold the
    token, which is for this server, and for no other one.
    """

    url: str
    bytes: int | None = None
    sha256: str = ""
    git: str = ""
    headers: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def version(self) -> str:
        """A short text that differs between versions of the file."""
        return (self.sha256 or self.git or "new")[:12]


def hub_endpoint(chosen: str = "") -> str:
    """The hub to ask: `chosen`, or `HF_ENDPOINT`, or the public one; `InputError` for no web address."""
    endpoint = (chosen or os.environ.get("HF_ENDPOINT") or PUBLIC_HUB).rstrip("/")
    if not endpoint.startswith(("https://", "http://")):
        raise InputError(f"The endpoint {endpoint!r} is no web address; it begins with https://.")
    return endpoint


def url_of(file: ModelFile, endpoint: str) -> str:
    """The address of a file."""
    return file.url or f"{endpoint}/{file.repo}/resolve/{file.revision}/{file.path}"


def ask(
    files: Iterable[ModelFile], endpoint: str, *, send_token: bool = True
) -> dict[ModelFile, Remote | str]:
    """Where each file is, or in a text why it cannot be had.

    Raises `DownloadError` when the hub is out of reach or `HF_HUB_OFFLINE` is set.
    """
    if _hub("huggingface_hub.constants").HF_HUB_OFFLINE:
        raise DownloadError("HF_HUB_OFFLINE is set, so nothing is downloaded.")
    token: str = _hub("huggingface_hub").get_token() or "" if send_token else ""
    answers: dict[ModelFile, Remote | str] = {}
    repositories: dict[tuple[str, str], list[ModelFile]] = {}
    for file in files:
        if file.repo:
            repositories.setdefault((file.repo, file.revision), []).append(file)
        else:
            answers[file] = Remote(file.url, file.bytes, file.sha256, headers=_headers())
    for (repo, revision), wanted in repositories.items():
        answers.update(_ask_repository(repo, revision, wanted, endpoint, token))
    return answers


def _ask_repository(
    repo: str, revision: str, files: list[ModelFile], endpoint: str, token: str
) -> dict[ModelFile, Remote | str]:
    hub = _hub("huggingface_hub")
    try:
        info = hub.HfApi(endpoint=endpoint, token=token or False).model_info(
            repo, revision=revision, files_metadata=True, timeout=PATIENCE
        )
    except Exception as error:  # the hub's library raises its own errors and those of two others
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status is None or status >= 500:
            said = str(error).strip().splitlines()
            raise DownloadError(
                f"{endpoint} cannot be reached ({said[0] if said else type(error).__name__})."
            ) from error
        return dict.fromkeys(files, _refusal(repo, revision, status))
    listed = {sibling.rfilename: sibling for sibling in info.siblings or ()}
    return {
        file: _remote(file, listed[file.path], endpoint, token)
        if file.path in listed
        else f"{repo} at {revision} has no file {file.path}"
        for file in files
    }


def _refusal(repo: str, revision: str, status: int) -> str:
    if status in (401, 403):
        return f"{repo} is refused by the hub ({status}); set HF_TOKEN if you have access, or correct it"
    return f"the hub has no {repo} at {revision} ({status})"


def _remote(file: ModelFile, sibling: Any, endpoint: str, token: str) -> Remote | str:
    sha256 = sibling.lfs.sha256 if sibling.lfs else ""
    if file.bytes and sibling.size and file.bytes != sibling.size:
        sizes = f"{exact_size(sibling.size)} instead of {exact_size(file.bytes)}"
        return f"the hub's {file.path} is another one ({sizes})"
    if file.sha256 and sha256 and file.sha256 != sha256:
        return f"the hub's {file.path} is another one (SHA-256 {sha256} instead of {file.sha256})"
    git = "" if sha256 else sibling.blob_id or ""
    return Remote(url_of(file, endpoint), sibling.size, sha256 or file.sha256, git, _headers(token))


def _headers(token: str = "") -> dict[str, str]:
    """Who asks, and with what token; and that the bytes are wanted as they are."""
    built: dict[str, str] = _hub("huggingface_hub.utils").build_hf_headers(
        token=token or False, library_name="ComfyUI-Ditto", library_version=__version__
    )
    return {**built, "Accept-Encoding": "identity"}


def _hub(module: str) -> Any:
    """A module of the hub's library, which takes a while to load, and whose types differ between releases."""
    try:
        return import_module(module)
    except ImportError as error:
        raise DownloadError(
            "The package huggingface_hub is missing. Install it: pip install huggingface_hub"
        ) from error
