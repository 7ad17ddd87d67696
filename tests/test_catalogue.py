"""The catalogue of model files is sound, and nothing in one leads out of the model folder."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ditto_core.errors import InputError, ModelError
from ditto_core.models.catalogue import CATALOGUE, catalogue, read_catalogue
from ditto_core.models.inventory import download_command, how_to_get, remedy, tell_set
from ditto_core.models.remote import PUBLIC_HUB, url_of
from ditto_core.sizes import size_of

PUBLISHED_BYTES = 2_314_719_638
"""Of Ditto's files for PyTorch with the face networks, as counted by others."""


def written(target: Path, **changes: Any) -> Path:
    entry = {"place": "a/b.pth", "use": "a network", "sets": ["one"], "repo": "some/one", **changes}
    content = {"sets": {"one": "the first"}, "repos": {"some/one": {"licence": "MIT"}}, "files": [entry]}
    target.write_text(json.dumps(content))
    return target


def test_every_file_says_where_it_comes_from_what_for_and_under_which_licence() -> None:
    files = catalogue().files
    assert len({file.place for file in files}) == len(files)
    for file in files:
        assert file.use, file.place
        assert file.licence, file.place
        assert url_of(file, PUBLIC_HUB).startswith("https://"), file.place
        assert re.fullmatch(r"([0-9a-f]{64})?", file.sha256), file.place
        assert file.repo or file.sha256, f"{file.place}: nothing tells whether it is the right one"
        assert file.bytes is None or file.bytes > 0


def test_every_set_has_files_and_every_file_known_sets() -> None:
    named = {name for file in catalogue().files for name in file.sets}
    assert named == set(catalogue().sets)


def test_the_sizes_of_dittos_pytorch_files_add_up() -> None:
    files = [file for file in catalogue().files if file.place.startswith("ditto_pytorch/")]
    config = catalogue().chosen(["v0.4_hubert_cfg_pytorch.pkl"])
    assert sum(file.bytes or 0 for file in (*files, *config)) == PUBLISHED_BYTES


def test_what_may_not_be_sold_comes_only_with_sets_that_say_so() -> None:
    restricted = {name for file in catalogue().files if file.non_commercial for name in file.sets}
    assert restricted == {"ditto-faces", "codeformer", "diffdub", "v-express"}
    for name in restricted:
        assert "for non-commercial use only" in tell_set(name, [])
    for name in ("det_10g", "2d106det", "insightface_det", "landmark106"):
        assert all(file.non_commercial for file in catalogue().files if name in file.name)


def test_roles_have_places_in_their_order() -> None:
    assert catalogue().places("hubert") == (
        "ditto_pytorch/aux_models/hubert_streaming_fix_kv.onnx",
        "ditto_onnx/hubert.onnx",
    )
    assert catalogue().places("warp_network") == (
        "ditto_pytorch/models/warp_network.pth",
        "ditto_onnx/warp_network_ori.onnx",
        "ditto_onnx/warp_network.onnx",
    )
    assert catalogue().places("nothing") == ()


def test_sets_and_single_files_can_be_chosen_together() -> None:
    chosen = catalogue().chosen(["codeformer", "GFPGANv1.3.pth", "superres/codeformer.pth"])
    assert [file.name for file in chosen] == ["codeformer.pth", "GFPGANv1.3.pth"]
    with pytest.raises(InputError, match="no set of model files 'ditto'; the sets are ditto-pytorch"):
        catalogue().chosen(["ditto"])


@pytest.mark.parametrize(
    "place",
    [
        "../evil.pth",
        "a/../../evil.pth",
        "/etc/evil",
        "C:/evil",
        "C:evil",
        "\\\\server\\evil",
        "a\\..\\evil",
        "a//b",
        "a/./b",
        "a/",
        "",
        "a/b\0.pth",
        "~/evil",
    ],
)
@pytest.mark.parametrize("which", ["place", "path"])
def test_a_path_that_leads_elsewhere_is_refused(place: str, which: str, tmp_path: Path) -> None:
    if (place, which) == ("", "path"):
        return  # no path of its own: it is the place
    with pytest.raises(ModelError, match=r"damaged.*Reinstall the pack"):
        read_catalogue(written(tmp_path / "catalogue.json", **{which: place}))


@pytest.mark.parametrize(
    "changes",
    [{"repo": ""}, {"url": "https://b.example/c"}, {"unknown": 1}, {"sets": None}, {"repo": "some/other"}],
)
def test_an_unsound_entry_is_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Reinstall the pack"):
        read_catalogue(written(tmp_path / "catalogue.json", **changes))


def test_a_damaged_catalogue_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.json"
    path.write_text(CATALOGUE.read_text()[:-40])
    with pytest.raises(ModelError, match=re.escape(str(path))):
        read_catalogue(path)


def test_a_set_is_told_with_what_is_there_missing_and_damaged(tmp_path: Path) -> None:
    assert tell_set("ditto-pytorch", [tmp_path]).endswith(
        f": not there (2.2 GB). Get it: {download_command('ditto-pytorch')}"
    )
    (tmp_path / "superres").mkdir()
    for name, size in (("GFPGANv1.4.pth", 348_632_874), ("RestoreFormer.pth", 12)):
        with (tmp_path / "superres" / name).open("wb") as file:
            file.truncate(size)
    told = tell_set("superres", [tmp_path])
    assert "1 of 4 files are there, missing: superres/RealESRGAN_x4plus.pth, " in told
    assert (
        "damaged or not the published one: "
        f"{tmp_path / 'superres/RestoreFormer.pth'} (12 bytes instead of 290,785,322 bytes)"
    ) in told
    for name, size in (("RestoreFormer", 290785322), ("RealESRGAN_x4plus", 67040989)):
        with (tmp_path / "superres" / f"{name}.pth").open("wb") as file:
            file.truncate(size)
    with (tmp_path / "superres" / "RealESRGAN_x2plus.pth").open("wb") as file:
        file.truncate(67061725)
    assert tell_set("superres", [tmp_path]).endswith(": all 4 files are there")


def test_networks_the_user_exported_himself_are_not_called_damaged_alone(tmp_path: Path) -> None:
    (tmp_path / "ditto_onnx").mkdir()
    exported, page = tmp_path / "ditto_onnx" / "warp_network.onnx", tmp_path / "ditto_onnx" / "hubert.onnx"
    exported.write_bytes(b"\x08\x0a\x12\x07pytorch")
    page.write_bytes(b"<!doctype html>")
    told = tell_set("ditto-onnx", [tmp_path])
    assert (
        f", not the published one (written by `ditto convert onnx`?) or damaged: {exported} (11 byt" in told
    )
    assert f", damaged or not the published one: {page} (" in told


def test_sizes_are_written_for_people() -> None:
    assert [size_of(count) for count in (None, 7, 31_002, 2_393_098, 1_460_740_880)] == [
        "size unknown",
        "7 bytes",
        "31.0 kB",
        "2.4 MB",
        "1.5 GB",
    ]


def test_the_remedy_for_a_broken_file_knows_published_ones(tmp_path: Path) -> None:
    assert remedy(tmp_path / "mine.pth").startswith("Put another copy of it there")
    assert remedy(tmp_path / "any folder" / "decoder.pth").endswith(download_command("ditto-pytorch"))
    assert how_to_get(tmp_path / "decoder.pth") == f"Get it with: {download_command('ditto-pytorch')}"
    assert remedy(tmp_path / "ditto_pytorch" / "models" / "decoder.pth") == (
        "The published one has 221,813,590 bytes. Delete it, and get it again with: "
        + download_command("ditto-pytorch")
    )
