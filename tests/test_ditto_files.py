"""The files of the Ditto engine: which are found, what is missing, and which cannot be used."""

from __future__ import annotations

import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from helpers.ditto_engine import portrait, sound
from helpers.ditto_release import write_hubert
from helpers.hosts import FolderHost

from ditto_core.ditto.engine import DittoEngine
from ditto_core.engines import load_engine
from ditto_core.errors import ModelError
from ditto_core.media.source import as_source
from ditto_core.models.configs import read_config
from ditto_core.talking_head import TalkOptions, render, talk


@pytest.fixture
def own_release(release: Path, tmp_path: Path) -> Path:
    """A copy a test may damage."""
    return Path(shutil.copytree(release, tmp_path / "own"))


def test_a_portrait_speaks_into_a_file(release: Path, tmp_path: Path):
    host = FolderHost(release)
    samples = sound(0.1).samples[0]
    path = talk(portrait(), (samples, 16000), tmp_path / "out.mp4", engine="ditto", host=host)
    with av.open(path) as file:
        pictures = list(file.decode(video=0))
    assert len(pictures) == 3
    assert (pictures[0].width, pictures[0].height) == (256, 256)
    assert list(dict.fromkeys(host.stages))[:4] == ["register", "measure", "listen", "motion"]
    assert {"decoder", "warp_network", "lmdm_v0.4_hubert", "hubert_streaming_fix_kv"} <= set(host.managed)


def test_auto_takes_ditto_when_its_files_are_there(release: Path):
    host = FolderHost(release)
    assert load_engine("auto", host).name == "ditto"
    assert len(host.notices) == 1
    assert "Engine: Ditto" in host.notices[0]
    assert str(release / "ditto_pytorch" / "models") in host.notices[0]


def test_auto_takes_lite_and_says_what_is_missing(own_release: Path, tmp_path: Path):
    (own_release / "ditto_pytorch" / "models" / "decoder.pth").unlink()
    host = FolderHost(own_release)
    assert load_engine("auto", host).name == "lite"
    assert "Lite" in host.notices[0]
    assert "ditto_pytorch/models/decoder.pth" in host.notices[0]
    assert "warp_network" not in host.notices[0]
    assert str(own_release) in host.notices[0]

    nothing = FolderHost(tmp_path / "nothing")
    assert load_engine("auto", nothing).name == "lite"
    assert "None of Ditto's files" in nothing.notices[0]


@pytest.mark.parametrize(
    "name",
    [
        "ditto_cfg/v0.4_hubert_cfg_pytorch.pkl",
        "ditto_pytorch/models/stitch_network.pth",
        "ditto_pytorch/aux_models/hubert_streaming_fix_kv.onnx",
    ],
)
def test_what_is_missing_is_listed_with_where_it_belongs(name: str, own_release: Path):
    (own_release / name).unlink()
    with pytest.raises(ModelError) as caught:
        load_engine("ditto", FolderHost(own_release))
    told = str(caught.value)
    assert f"Missing: {name} (" in told
    assert told.index("install.py ditto-pytorch")
    assert str(own_release) in told
    assert "lite" in told


def test_an_explicit_root_and_configuration_are_used(release: Path, tmp_path: Path):
    root = Path(shutil.copytree(release / "ditto_pytorch", tmp_path / "any name"))
    config = Path(shutil.copy(release / "ditto_cfg" / "v0.4_hubert_cfg_pytorch.pkl", tmp_path / "mine.pkl"))
    host = FolderHost(tmp_path / "nothing")
    loaded = load_engine("ditto", host, data_root=root, cfg_pkl=config)
    assert isinstance(loaded, DittoEngine)
    assert loaded.networks.files["decoder"] == root / "models" / "decoder.pth"
    assert loaded.config.blink_table is not None
    with pytest.raises(ModelError, match=r"v0\.4_hubert_cfg_pytorch\.pkl"):
        load_engine("ditto", host, data_root=root)


def renamed(config: Path, role: str, name: object) -> None:
    """Let a configuration name another file of a network."""
    content = read_config(config)
    content["base_cfg"][f"{role}_cfg"]["model_path"] = name
    config.write_bytes(pickle.dumps(content))


@pytest.mark.parametrize("explicit", [True, False])
def test_files_that_the_configuration_names_are_used(own_release: Path, explicit: bool):
    root = own_release / "ditto_pytorch"
    config = own_release / "ditto_cfg" / "v0.4_hubert_cfg_pytorch.pkl"
    (root / "mine").mkdir()
    mine = Path(shutil.copy(root / "models" / "decoder.pth", root / "mine" / "painter.pth"))
    renamed(config, "decoder", "mine\\painter.pth")
    given = {"data_root": root, "cfg_pkl": config} if explicit else {}
    loaded = load_engine("ditto", FolderHost(own_release), **given)
    assert isinstance(loaded, DittoEngine)
    assert loaded.networks.files["decoder"] == mine
    assert loaded.networks.files["warp_network"] == root / "models" / "warp_network.pth"
    mine.unlink()
    fallen_back = load_engine("ditto", FolderHost(own_release), **given)
    assert isinstance(fallen_back, DittoEngine)
    assert fallen_back.networks.files["decoder"] == root / "models" / "decoder.pth"


@pytest.mark.parametrize(
    "name", ["../outside.pth", "{absolute}", "models/../../outside.pth", "C:outside.pth", 7, ""]
)
def test_a_configuration_cannot_name_files_outside_of_its_folder(own_release: Path, name: object):
    root = own_release / "ditto_pytorch"
    outside = Path(shutil.copy(root / "models" / "decoder.pth", own_release / "outside.pth"))
    config = own_release / "ditto_cfg" / "v0.4_hubert_cfg_pytorch.pkl"
    renamed(config, "decoder", str(outside) if name == "{absolute}" else name)
    loaded = load_engine("ditto", FolderHost(own_release), data_root=root, cfg_pkl=config)
    assert isinstance(loaded, DittoEngine)
    assert loaded.networks.files["decoder"] == root / "models" / "decoder.pth"


def test_a_configuration_that_is_not_there_is_missing(release: Path, tmp_path: Path):
    gone = tmp_path / "gone.pkl"
    with pytest.raises(ModelError, match=rf"no configuration {re.escape(str(gone))} .*Correct it, or leave"):
        load_engine("ditto", FolderHost(release), cfg_pkl=gone)
    host = FolderHost(release)
    assert load_engine("auto", host, cfg_pkl=gone).name == "lite"
    assert host.notices[0].startswith(f"There is no configuration {gone} (cfg_pkl). Engine: Lite")


def test_a_folder_that_is_not_there_is_named(release: Path):
    gone = release / "ditto_pytorh"
    words = rf"no folder {re.escape(str(gone))} .*{re.escape(str(release))}.*get"
    with pytest.raises(ModelError, match=words):
        load_engine("ditto", FolderHost(release), data_root=gone)
    host = FolderHost(release)
    assert load_engine("auto", host, data_root=gone).name == "ditto", "the folders beside it have all"
    assert host.notices[0].startswith(f"There is no folder {gone} (data_root). Engine: Ditto")


def test_a_folder_that_lacks_files_has_them_listed(release: Path, tmp_path: Path):
    (tmp_path / "mine").mkdir()
    host = FolderHost(release)
    assert load_engine("auto", host, data_root=tmp_path / "mine").name == "lite"
    places = ("ditto_cfg/v0.4_hubert_cfg_pytorch.pkl", "ditto_pytorch/models/decoder.pth")
    assert all(place in host.notices[0] for place in places)
    assert host.notices[0].endswith(f"ditto-pytorch --dir {tmp_path}")


def test_a_release_in_its_own_folder_is_found(release: Path, tmp_path: Path):
    shutil.copytree(release, tmp_path / "checkpoints")
    assert load_engine("ditto", FolderHost(tmp_path)).name == "ditto"


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-500])


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("models/motion_extractor.pth", cut_off, "damaged, incomplete"),
        (
            "models/warp_network.pth",
            lambda path: shutil.copy(path.with_name("decoder.pth"), path),
            "not belong",
        ),
        (
            "models/stitch_network.pth",
            lambda path: shutil.copy(path.with_name("decoder.pth"), path),
            "retarget",
        ),
        ("models/lmdm_v0.4_hubert.pth", lambda path: path.write_text("<html>"), "is a web page"),
        ("aux_models/hubert_streaming_fix_kv.onnx", cut_off, "damaged or no ONNX"),
        (
            "aux_models/hubert_streaming_fix_kv.onnx",
            lambda path: write_hubert(path, 768),
            "not Ditto's HuBERT",
        ),
    ],
    ids=["cut off", "another network", "another wrapping", "a web page", "cut off ONNX", "another HuBERT"],
)
def test_a_wrong_file_is_named(name: str, damage: Callable[[Path], Any], words: str, own_release: Path):
    path = own_release / "ditto_pytorch" / name
    damage(path)
    host = FolderHost(own_release)
    loaded = load_engine("ditto", host)
    with pytest.raises(ModelError, match=words) as caught:
        render(loaded, as_source(portrait()), sound(0.04), TalkOptions(), host).images[0:1]
    assert str(path) in str(caught.value)
