"""Downloads arrive whole, go on where they stopped, and never leave a broken file under its name."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import huggingface_hub
import huggingface_hub.constants
import pytest
from helpers.download_place import BIG, LOOSE, REPO, WHOLE, Place, WatchingHost, whole_pieces
from helpers.hub_server import Hub, serving

import ditto_core
from ditto_core.errors import DownloadError
from ditto_core.host import Host
from ditto_core.models import download as downloading
from ditto_core.models import transfer
from ditto_core.models.catalogue import ModelFile
from ditto_core.models.download import by_hand, download
from ditto_core.models.inventory import take_inventory


def test_everything_arrives_whole_with_progress(place: Place) -> None:
    host = WatchingHost()
    written = place.download(host)
    assert place.contents() == WHOLE
    assert list(written) == [place.folder / name for name in WHOLE]
    assert {stage for stage, _, _ in host.seen} == {"Download"}
    assert host.seen == sorted(set(host.seen))
    assert host.seen[-1][1] == 3
    assert host.heard == []


def test_a_second_call_does_nothing_and_asks_nobody(place: Place) -> None:
    place.download()
    before = len(place.hub.asked)
    assert place.download() == ()
    assert len(place.hub.asked) == before


def test_files_that_lie_in_another_model_folder_are_not_fetched(place: Place, tmp_path: Path) -> None:
    other = tmp_path / "upstream" / "checkpoints" / "nets" / "big.pth"
    other.parent.mkdir(parents=True)
    other.write_bytes(BIG)
    download(place.files, [place.folder, tmp_path / "upstream"], Host(), place.hub.endpoint)
    assert sorted(place.contents()) == ["cfg/small.pkl", "superres/loose.pth"]


@pytest.mark.parametrize("content", [BIG[:1000], b"version https://git-lfs.github.com/spec/v1\noid sha256:1"])
def test_a_damaged_file_is_replaced(place: Place, content: bytes) -> None:
    (place.folder / "nets").mkdir(parents=True)
    (place.folder / "nets" / "big.pth").write_bytes(content)
    place.download()
    assert place.contents() == WHOLE


def test_a_broken_connection_goes_on_where_it_stopped(place: Place) -> None:
    place.hub.cut[f"{REPO}/nets/big.pth"] = 1_000_000
    place.download()
    assert place.contents() == WHOLE
    first, second = place.hub.asked_for("resolve/main/nets")
    assert "Range" not in first[2]
    assert second[2]["Range"] == f"bytes={whole_pieces(1_000_000)}-"


def test_a_server_without_ranges_starts_again(place: Place) -> None:
    place.hub.ignores_range = True
    place.hub.cut = {f"{REPO}/nets/big.pth": 1_000_000, "releases/loose.pth": 10_000}
    place.download()
    assert place.contents() == WHOLE


def test_a_part_of_another_version_is_not_used(place: Place) -> None:
    place.folder.joinpath("nets").mkdir(parents=True)
    (place.folder / "nets" / "big.pth.ffffffffffff.part").write_bytes(b"older")
    place.download()
    assert place.contents() == WHOLE


def test_a_part_that_is_whole_already_only_needs_its_name(place: Place) -> None:
    part = place.folder / "superres" / f"loose.pth.{place.files[2].sha256[:12]}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(LOOSE)
    place.download()
    assert place.contents() == WHOLE


@pytest.mark.parametrize("content", [BIG[:1_000_000], BIG[1:] + b"!", BIG + b"and more"])
def test_a_part_that_is_spoilt_is_begun_anew(place: Place, content: bytes) -> None:
    part = place.folder / "nets" / f"big.pth.{hashlib.sha256(BIG).hexdigest()[:12]}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(content[::-1])
    place.download()
    assert place.contents() == WHOLE


@pytest.mark.parametrize("name", [f"{REPO}/nets/big.pth", f"{REPO}/cfg/small.pkl", "releases/loose.pth"])
def test_a_wrong_checksum_is_thrown_away_and_the_rest_is_kept(place: Place, name: str) -> None:
    wrong = bytearray(place.hub.files[name])
    wrong[0] ^= 1
    place.hub.sent[name] = bytes(wrong)
    with pytest.raises(DownloadError, match=rf"{Path(name).name} sent a file with the wrong checksum"):
        place.download()
    kept = {path: content for path, content in WHOLE.items() if Path(path).name != Path(name).name}
    assert place.contents() == kept


def test_no_more_is_taken_than_was_promised(place: Place) -> None:
    place.hub.sent[f"{REPO}/nets/big.pth"] = BIG + bytes(5 * 10**6)
    place.download()
    assert place.contents() == WHOLE


def test_another_file_than_the_catalogues_is_refused_before_it_is_fetched(place: Place) -> None:
    place.hub.files[f"{REPO}/nets/big.pth"] = b"a longer or shorter one"
    with pytest.raises(DownloadError, match=r"another one \(23 bytes instead of 3,072,000 bytes\)"):
        place.download()
    assert not place.hub.asked_for("nets/big")


def test_a_file_the_hub_does_not_have_is_named(place: Place) -> None:
    del place.hub.files[f"{REPO}/nets/big.pth"]
    with pytest.raises(DownloadError, match=r"someone/model at main has no file nets/big\.pth"):
        place.download()
    assert sorted(place.contents()) == ["cfg/small.pkl", "superres/loose.pth"]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        (REPO, 404, "the hub has no someone/model"),
        (REPO, 401, "set HF_TOKEN"),
        ("releases/loose.pth", 404, r"loose\.pth is refused \(404"),
    ],
)
def test_what_a_server_refuses_is_explained(place: Place, path: str, status: int, words: str) -> None:
    place.hub.refused[path] = status
    with pytest.raises(DownloadError, match=words):
        place.download()
    assert not [name for name in place.contents() if name.endswith(".part")]


def test_a_busy_server_is_asked_again(place: Place) -> None:
    place.hub.busy["releases/loose.pth"] = 2
    place.download()
    assert place.contents() == WHOLE


def test_a_server_that_stays_busy_is_out_of_reach(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "PATIENCE", 1.0)
    place.hub.busy["releases/loose.pth"] = 99
    with pytest.raises(DownloadError, match=r"loose\.pth cannot be reached \(503"):
        place.download()
    assert len(place.hub.asked_for("loose")) >= 3


@pytest.mark.parametrize("certificates", ["", "/nowhere/ca.pem"])
def test_an_address_elsewhere_is_out_of_reach(place: Place, certificates: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(transfer, "PATIENCE", 0.5)
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, certificates)
    dead = dataclasses.replace(place.files[2], url="https://127.0.0.1:9/loose.pth")
    with pytest.raises(DownloadError, match=r"https://127\.0\.0\.1:9/loose\.pth cannot be reached \(.+\)"):
        download([dead], [place.folder], Host())
    assert place.contents() == {}


def test_a_connection_that_stalls_is_given_up_and_goes_on(place: Place, monkeypatch: Any) -> None:
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "1")
    place.hub.stalls = True
    place.hub.cut[f"{REPO}/nets/big.pth"] = 500_000
    place.download()
    assert place.contents() == WHOLE
    assert place.hub.asked_for("nets/big")[-1][2]["Range"] == f"bytes={whole_pieces(500_000)}-"


def test_without_a_network_it_says_so_and_what_to_put_where(place: Place) -> None:
    dead = "http://127.0.0.1:9"
    with pytest.raises(DownloadError, match=r"http://127\.0\.0\.1:9 cannot be reached"):
        download(place.files, [place.folder], Host(), dead)
    told = by_hand(place.files, place.folder, dead)
    assert f"{place.folder / 'nets/big.pth'} (3.1 MB, MIT)" in told
    assert f"{dead}/{REPO}/resolve/main/nets/big.pth" in told
    assert place.files[2].url in told


def test_offline_mode_is_honoured(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    for files in (place.files, place.files[2:]):
        with pytest.raises(DownloadError, match="HF_HUB_OFFLINE"):
            download(files, [place.folder], Host(), place.hub.endpoint)
    assert place.hub.asked == []


def test_the_endpoint_comes_from_the_environment(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", place.hub.endpoint + "/")
    download(place.files, [place.folder], Host())
    assert place.contents() == WHOLE


def test_the_hubs_library_asks_for_every_byte(place: Place) -> None:
    place.download()
    told = f"ComfyUI-Ditto/{ditto_core.__version__}; hf_hub/{huggingface_hub.__version__}; "
    asked = [*place.hub.asked_for("/resolve/"), *place.hub.asked_for("/releases/")]
    assert len(asked) == 3
    assert all(headers["User-Agent"].startswith(told) for _, _, headers in asked)


def test_the_token_goes_to_the_hub_and_to_nobody_else(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with serving(Hub(dict(place.hub.files))) as store:
        place.hub.redirects_to = f"{store.endpoint}"
        place.download()
        assert place.contents() == WHOLE
        assert {headers.get("Authorization") for _, _, headers in store.asked} == {None}
    to_the_hub = place.hub.asked_for(REPO)
    assert {headers.get("Authorization") for _, _, headers in to_the_hub} == {"Bearer hf_secret"}
    assert "Authorization" not in place.hub.asked_for("loose")[0][2]


def test_the_token_follows_within_the_hub(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    place.hub.redirects_to = "/cache"
    place.download()
    assert place.contents() == WHOLE
    assert place.hub.asked_for("/cache")
    assert all(
        headers["Authorization"] == "Bearer hf_secret" for _, _, headers in place.hub.asked_for("/cache")
    )


def test_too_little_room_is_found_before_anything_is_fetched(place: Place, monkeypatch: Any) -> None:
    full = shutil.disk_usage("/")._replace(free=10**6)
    monkeypatch.setattr(downloading.shutil, "disk_usage", lambda _path: full)
    with pytest.raises(DownloadError, match=r"needs 3\.1 MB, and .* has 1\.0 MB free"):
        place.download()
    assert place.contents() == {}
    assert not place.hub.asked_for("resolve")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
def test_a_full_disk_is_explained(place: Place) -> None:
    part = place.folder / "nets" / f"big.pth.{hashlib.sha256(BIG).hexdigest()[:12]}.part"
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    with pytest.raises(DownloadError, match=r"big\.pth cannot be written: No space left"):
        place.download()
    assert len(place.contents()) == 0


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX limits")
def test_what_fits_on_the_disk_is_kept_for_the_next_call(place: Place) -> None:
    with room_for(500_000), pytest.raises(DownloadError, match=r"big\.pth cannot be written: File too large"):
        place.download()
    assert [(name.endswith(".part"), len(part)) for name, part in place.contents().items()] == [
        (True, 500_000)
    ]
    place.download()
    assert place.contents() == WHOLE
    assert place.hub.asked_for("nets/big")[-1][2]["Range"] == "bytes=500000-"


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file can become larger."""
    resource = import_module("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_folder_that_cannot_be_made_is_explained(place: Place) -> None:
    place.folder.parent.mkdir()
    place.folder.write_text("a file where the folder should be")
    with pytest.raises(DownloadError, match="cannot be written"):
        place.download()


def test_a_licence_that_forbids_selling_is_told(place: Place) -> None:
    given = {**vars(place.files[0]), "licence": "InsightFace, non-commercial", "non_commercial": True}
    host = WatchingHost()
    download([ModelFile(**given)], [place.folder], host, place.hub.endpoint)
    assert host.heard == ["Not for commercial use: big.pth (InsightFace, non-commercial)."]


def test_names_in_the_hubs_answer_lead_nowhere(place: Place, tmp_path: Path) -> None:
    place.hub.extra_names = ["../../evil.pth", "/etc/evil", "nets/../../../evil.pth"]
    place.download()
    assert place.contents() == WHOLE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models"]


def test_the_inventory_of_a_download(place: Place) -> None:
    assert take_inventory(place.files, [place.folder]).missing == tuple(place.files)
    place.download()
    (place.folder / "nets" / "big.pth").write_bytes(b"")
    found = take_inventory(place.files, [place.folder])
    assert json.dumps([found.flawed[0][2], len(found.there)]) == '["0 bytes instead of 3,072,000 bytes", 2]'
