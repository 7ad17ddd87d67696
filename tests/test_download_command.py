"""`ditto download` and `install.py`: what they say, what they leave, and their exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.hub_server import Hub, serving, wait_until

from ditto_core.__main__ import main
from ditto_core.host import Host
from ditto_core.models import catalogue as catalogue_module
from ditto_core.models import transfer
from ditto_core.models.hub_process import PIECE

ROOT = Path(__file__).parent.parent
CONTENT = bytes(range(256)) * 8000


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A catalogue of two sets with a file each, in place of the pack's."""
    files = [
        {
            "place": f"{name}/a.pth",
            "use": "a network",
            "sets": [name],
            "repo": "some/one",
            "bytes": len(CONTENT),
        }
        for name in ("first", "second")
    ]
    path = tmp_path / "catalogue.json"
    sets = {"first": "what comes first", "second": "what comes then"}
    path.write_text(json.dumps({"sets": sets, "repos": {"some/one": {"licence": "MIT"}}, "files": files}))
    monkeypatch.setattr(catalogue_module, "CATALOGUE", path)
    catalogue_module.catalogue.cache_clear()
    yield path
    catalogue_module.catalogue.cache_clear()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(transfer, "PAUSE", 0.01)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(Hub({f"some/one/{name}/a.pth": CONTENT for name in ("first", "second")})) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        yield server


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "my models"
    monkeypatch.setenv("DITTO_MODELS", str(path))
    return path


def contents(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.usefixtures("listed", "hub")
def test_a_set_is_fetched_once(folder: Path, hub: Hub, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["download", "first"]) == 0
    assert capfd.readouterr().out == f"Files written into {folder}: 1.\n"
    assert contents(folder) == ["first/a.pth"]
    asked = len(hub.asked)
    assert main(["download", "first"]) == 0
    assert capfd.readouterr().out == "Nothing to fetch: every file is there.\n"
    assert len(hub.asked) == asked


@pytest.mark.usefixtures("listed", "hub")
def test_another_folder_and_hub_can_be_chosen(
    folder: Path, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    chosen = ["--dir", str(tmp_path / "there"), "--endpoint", hub.endpoint]
    assert main(["download", "first", "second", *chosen]) == 0
    assert contents(tmp_path / "there") == ["first/a.pth", "second/a.pth"]
    assert not folder.exists()


@pytest.mark.usefixtures("listed")
def test_a_dry_run_tells_everything_and_fetches_nothing(
    folder: Path, hub: Hub, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["download", "first", "--dry-run"]) == 0
    told = capfd.readouterr().out
    assert "Files to fetch: 1 (2.0 MB)" in told
    assert (
        f"{folder / 'first/a.pth'} (2.0 MB, MIT)\n    {hub.endpoint}/some/one/resolve/main/first/a.pth"
        in told
    )
    assert hub.asked == []
    assert not folder.exists()


@pytest.mark.usefixtures("listed", "folder", "hub")
def test_without_a_set_it_lists_them(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["download", "second"]) == 0
    capfd.readouterr()
    assert main(["download"]) == 0
    first, second = capfd.readouterr().out.splitlines()
    assert first.startswith("first (what comes first): not there (2.0 MB). Get it: ")
    assert second == "second (what comes then): all 1 files are there"


@pytest.mark.usefixtures("listed", "folder")
def test_an_unknown_set_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["download", "frist"]) == 2
    told = capfd.readouterr()
    assert told.out == ""
    assert "the sets are first, second" in told.err
    assert len(told.err.splitlines()) == 1


@pytest.mark.usefixtures("listed")
def test_out_of_reach_it_says_what_to_put_where(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert main(["download", "first"]) == 2
    told = capfd.readouterr()
    assert "By hand" in told.out
    assert f"{folder / 'first/a.pth'} (2.0 MB, MIT)" in told.out
    assert "http://127.0.0.1:9/some/one/resolve/main/first/a.pth" in told.out
    assert re.fullmatch(r"ditto: error: http://127\.0\.0\.1:9 cannot be reached \(.+\)\.\n", told.err)
    assert not folder.exists()


@pytest.mark.usefixtures("listed", "folder")
@pytest.mark.parametrize("endpoint", ["file:///etc", "hub.example", "ftp://hub.example"])
def test_an_endpoint_that_is_no_web_address_is_refused(
    endpoint: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["download", "first", "--endpoint", endpoint]) == 2
    told = f"ditto: error: The endpoint {endpoint!r} is no web address; it begins with https://.\n"
    assert capfd.readouterr().err == told


def test_a_folder_that_cannot_be_looked_into_is_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["download", "ditto-onnx", "--dry-run", "--dir", str(tmp_path / ("x" * 300))]) == 2
    told = capfd.readouterr()
    assert told.out == ""
    assert re.fullmatch(r"ditto: error: The model folder .+x cannot be read: .+\n", told.err)


RUN = """
import sys
from pathlib import Path
from ditto_core.models import catalogue
catalogue.CATALOGUE = Path(sys.argv[1])
from ditto_core.__main__ import main
sys.exit(main(sys.argv[2:]))
"""


def start(listed: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RUN, str(listed), "download", *arguments]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_stopped_by_the_user_it_leaves_a_part_and_goes_on_from_it(
    listed: Path, hub: Hub, folder: Path
) -> None:
    hub.stalls, hub.cut = True, {"some/one/first/a.pth": 1_000_000}
    process = start(listed, "first")
    wait_until(lambda: any(path.stat().st_size == 3 * PIECE for path in folder.glob("first/*.part")), 60)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert process.communicate()[1].splitlines()[-1] == "Interrupted."
    (name,) = contents(folder)
    assert name.endswith(".part")

    hub.stalls = False
    assert main(["download", "first"]) == 0
    assert (folder / "first" / "a.pth").read_bytes() == CONTENT
    assert hub.asked_for("resolve")[-1][2]["Range"] == f"bytes={3 * PIECE}-"


def test_offline_mode_of_the_environment_counts(
    listed: Path, hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    process = start(listed, "first")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "HF_HUB_OFFLINE is set" in err
    assert f"{hub.endpoint}/some/one/resolve/main/first/a.pth" in out
    assert hub.asked == []


def test_in_comfyui_the_files_go_into_its_model_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DITTO_MODELS", raising=False)
    assert Host().model_folders() == [Path("models/ditto")]
    installed = tmp_path / "ComfyUI" / "custom_nodes" / "ComfyUI-Ditto" / "ditto_core" / "host.py"
    monkeypatch.setattr("ditto_core.host.__file__", str(installed))
    assert Host().model_folders() == [tmp_path / "ComfyUI" / "models" / "ditto"]
    monkeypatch.setenv("DITTO_MODELS", str(tmp_path))
    assert Host().model_folders() == [tmp_path]


def install(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "install.py"), *arguments]
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=60, check=False)


@pytest.mark.usefixtures("folder")
def test_install_downloads_nothing_unasked(hub: Hub, folder: Path) -> None:
    done = install()
    assert done.returncode == 0
    assert f'"{sys.executable}" "{ROOT / "install.py"}" ditto-pytorch' in done.stdout
    assert hub.asked == []
    assert not folder.exists()


def test_install_with_a_set_is_the_download(hub: Hub, folder: Path) -> None:
    done = install("ditto-pytorch", "--dry-run")
    assert done.returncode == 0
    assert done.stdout.startswith("Files to fetch: 8 (2.2 GB)")
    assert str(folder / "ditto_pytorch" / "models" / "decoder.pth") in done.stdout
