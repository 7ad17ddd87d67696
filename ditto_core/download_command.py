"""The command `ditto download`: fetches sets of model files, or tells what there is to fetch."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from .console import ConsoleHost, say
from .errors import DONE, DownloadError
from .models.catalogue import ModelFile, catalogue
from .models.download import by_hand, download, free_space
from .models.inventory import take_inventory, tell_set, total_size
from .sizes import size_of

_BY_HAND = "By hand: put each file where its first line says, from the address below it."


def add_download(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.set_defaults(command=_download)
    parser.add_argument(
        "sets", nargs="*", metavar="SET", help=f"any of {', '.join(catalogue().sets)}, or a file"
    )
    told = "model folder to put them into (default: DITTO_MODELS, or models/ditto, in ComfyUI its own)"
    parser.add_argument("--dir", type=Path, metavar="FOLDER", help=told)
    parser.add_argument("--dry-run", action="store_true", help="only tell what would be fetched, from where")
    told = "hub to ask instead of HF_ENDPOINT or huggingface.co"
    parser.add_argument("--endpoint", default="", metavar="URL", help=told)


def _download(arguments: argparse.Namespace) -> int:
    with closing(ConsoleHost(arguments.quiet, unit="MB")) as host:
        folders: list[Path] = [arguments.dir] if arguments.dir else host.model_folders()
        files = catalogue().chosen(arguments.sets)
        wanted = take_inventory(files, folders).wanted
        if not arguments.sets:
            say("\n".join(tell_set(name, folders) for name in catalogue().sets))
        elif not wanted:
            say("Nothing to fetch: every file is there.")
        elif arguments.dry_run:
            say(_plan(wanted, folders[0], arguments.endpoint))
        else:
            _fetch(files, folders, host, arguments.endpoint)
    return DONE


def _fetch(files: Sequence[ModelFile], folders: Sequence[Path], host: ConsoleHost, endpoint: str) -> None:
    try:
        written = download(files, folders, host, endpoint)
    except DownloadError:
        host.close()
        say(f"{_BY_HAND}\n{by_hand(take_inventory(files, folders).wanted, folders[0], endpoint)}")
        raise
    host.close()
    say(f"Files written into {folders[0].absolute()}: {len(written)}.")


def _plan(wanted: Sequence[ModelFile], folder: Path, endpoint: str) -> str:
    free = size_of(free_space(folder.absolute()))
    return (
        f"Files to fetch: {len(wanted)} ({total_size(wanted)}); {free} are free.\n"
        f"{by_hand(wanted, folder, endpoint)}"
    )
