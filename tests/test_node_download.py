"""The node DittoDownload fetches when it is told to, never by being there."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.hub_server import Hub, serving
from helpers.stub_host import PACK, InterruptProcessingException, StubHost

CONTENT = bytes(range(256)) * 12_000
PLACE = "ditto_onnx/face_mesh.onnx"


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StubHost]:
    host = StubHost(tmp_path_factory.mktemp("host"))
    yield host
    host.close()


@pytest.fixture
def host(stub: StubHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StubHost]:
    """With a catalogue of one small set, and an empty model folder."""
    entry = {"place": PLACE, "use": "landmarks", "sets": ["mesh"], "repo": "some/one", "bytes": len(CONTENT)}
    content = {"sets": {"mesh": "landmarks"}, "repos": {"some/one": {"licence": "MIT"}}, "files": [entry]}
    path = tmp_path / "catalogue.json"
    path.write_text(json.dumps(content))
    catalogue = stub.core("models.catalogue")
    monkeypatch.setattr(catalogue, "CATALOGUE", path)
    monkeypatch.setattr(sys.modules[f"{PACK}.nodes.download"], "SETS", {"mesh": "mesh"})
    folders = sys.modules["folder_paths"].folder_names_and_paths["ditto"][0]
    monkeypatch.setattr(sys.modules["folder_paths"], "get_folder_paths", lambda _name: folders)
    folders[:] = [str(tmp_path / "extra"), str(tmp_path / "models" / "ditto")]
    stub.progress.clear()
    stub.interrupted = False
    stub.on_progress = lambda: None
    catalogue.catalogue.cache_clear()
    yield stub
    catalogue.catalogue.cache_clear()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(Hub({f"some/one/{PLACE}": CONTENT})) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        yield server


def test_it_only_looks_unless_switched_on(host: StubHost, hub: Hub, tmp_path: Path) -> None:
    schema = host.nodes["DittoDownload"].define_schema()
    assert schema.is_output_node
    assert {wanted.id: wanted.default for wanted in schema.inputs}["download"] is False
    (report,) = host.call("DittoDownload", files="mesh")
    assert report.startswith("mesh (landmarks): not there (3.1 MB). Get it: ")
    assert host.shown["text"] == (report,)
    assert hub.asked == []
    assert not (tmp_path / "extra").exists()


def test_switched_on_it_fetches_into_the_first_model_folder_with_progress(
    host: StubHost, hub: Hub, tmp_path: Path
) -> None:
    (report,) = host.call("DittoDownload", files="mesh", download=True)
    assert report == "mesh (landmarks): all 1 files are there"
    assert (tmp_path / "extra" / PLACE).read_bytes() == CONTENT
    assert host.progress[-1][:2] == (3, 4)
    asked = len(hub.asked)
    host.call("DittoDownload", files="mesh", download=True)
    assert len(hub.asked) == asked


def test_an_address_in_the_workflow_does_not_get_the_token(
    host: StubHost, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    host.call("DittoDownload", files="mesh", download=True, endpoint=hub.endpoint)
    assert len(hub.asked) == 2
    assert not [headers for _, _, headers in hub.asked if "Authorization" in headers]
    (tmp_path / "extra" / PLACE).unlink()
    host.call("DittoDownload", files="mesh", download=True)
    assert {headers["Authorization"] for _, _, headers in hub.asked[2:]} == {"Bearer hf_secret"}


def test_the_stop_button_keeps_what_has_arrived(host: StubHost, hub: Hub, tmp_path: Path) -> None:
    hub.stalls, hub.cut = True, {f"some/one/{PLACE}": 1_500_000}
    host.on_progress = lambda: setattr(host, "interrupted", host.progress[-1][0] >= 1)
    with pytest.raises(InterruptProcessingException):
        host.call("DittoDownload", files="mesh", download=True)
    (left,) = (path.name for path in (tmp_path / "extra" / "ditto_onnx").iterdir())
    assert left.endswith(".part")

    host.on_progress = lambda: None
    host.call("DittoDownload", files="mesh", download=True)
    assert (tmp_path / "extra" / PLACE).read_bytes() == CONTENT


def test_out_of_reach_it_says_what_to_put_where(host: StubHost, tmp_path: Path) -> None:
    dead = "http://127.0.0.1:9"
    with pytest.raises(host.core("errors").DownloadError, match="cannot be reached") as caught:
        host.call("DittoDownload", files="mesh", download=True, endpoint=dead)
    assert f"{tmp_path / 'extra' / PLACE} (3.1 MB, MIT)" in str(caught.value)
    assert f"{dead}/some/one/resolve/main/{PLACE}" in str(caught.value)


def test_another_set_is_refused_and_every_run_looks_again(host: StubHost) -> None:
    with pytest.raises(host.core("errors").InputError, match="choose one of mesh"):
        host.call("DittoDownload", files="messh")
    node = host.nodes["DittoDownload"]
    assert math.isnan(node.fingerprint_inputs(files="mesh", download=False, endpoint=""))


def test_the_engine_is_loaded_anew_when_files_came(host: StubHost, hub: Hub) -> None:
    node = host.nodes["DittoLoadEngine"]
    before = node.fingerprint_inputs(engine="auto")
    host.call("DittoDownload", files="mesh", download=True)
    assert node.fingerprint_inputs(engine="auto") != before
