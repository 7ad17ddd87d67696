"""The scripts of Ditto's documents with its files: folders, configurations, online."""

from __future__ import annotations

import json
import math
import pickle
import shlex
from pathlib import Path
from typing import Any

import pytest
from helpers.command_line import command
from helpers.golden import FOLDER as GOLDEN
from helpers.hosts import Told
from helpers.people import SECONDS, face, frames_in, write_clip, write_speech

from ditto_core.__main__ import main
from ditto_core.models.configs import read_config
from ditto_core.models.execution import Execution
from ditto_core.scripts import SCRIPTS, open_engine
from ditto_core.talking_head import TalkOptions

ONLINE_CONFIG = GOLDEN / "ditto" / "cfg_samples" / "cfg_trt_online_np2_p5.pkl"


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_runs_end_to_end_with_ditto(
    script: str, release: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "portrait.png"
    if script == "inference":
        face().save(source)
    else:
        source = write_clip(tmp_path / "person.mp4", frames=4)
    speech, output = write_speech(tmp_path / "speech.wav"), tmp_path / "out.mp4"
    files = zip(SCRIPTS[script].files, (source, speech, output), strict=True)
    given = [f"--{name}={path}" for name, path in files] + [f"--data_root={release / 'ditto_pytorch'}"]
    steps = ["--sampling_timesteps=2", "--fade_in=2", "--emo=happy"]
    assert main([script, *given, *steps]) == 0
    assert frames_in(output) == math.ceil(SECONDS * 25)
    assert "Engine: Ditto" in capfd.readouterr().err


def test_the_documented_folders_are_where_ditto_is_taken_from(release: Path) -> None:
    engine = open_engine(
        "auto", Told(), release / "ditto_pytorch", release / "ditto_cfg/v0.4_hubert_cfg_pytorch.pkl"
    )
    assert engine.name == "ditto"


def test_pytorchs_files_stand_in_for_tensorrts(release: Path) -> None:
    engines = release / "ditto_trt_Ampere_Plus"
    engines.mkdir()
    (engines / "decoder_fp16.engine").touch()
    host = Told()
    assert open_engine("auto", host, engines, None).name == "ditto"
    assert any("they need an NVIDIA GPU, and the device is cpu" in notice for notice in host.notices)


def test_whoever_chooses_the_runner_is_not_told_of_the_engines(release: Path) -> None:
    engines = release / "ditto_trt_Ampere_Plus"
    engines.mkdir()
    (engines / "decoder_fp16.engine").touch()
    host = Told()
    assert open_engine("auto", host, engines, None, Execution("pytorch")).name == "ditto"
    assert not any("are not used" in notice for notice in host.notices)


def test_the_default_folders_are_used_when_they_are_there(
    release: Path, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(command("inference_video")) == 0
    assert asked["engine"].name == "lite"
    monkeypatch.chdir(release.parent)
    assert main(command("inference_video")) == 0
    assert asked["engine"].name == "ditto"


def test_inference_takes_its_options_from_the_configuration(
    release: Path, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = f"--data_root '{release / 'ditto_pytorch'}'"
    assert main(command("inference", folders)) == 0
    published = asked["engine"].config.options
    motion = asked["options"].motion
    for name in ("overlap_v2", "sampling_timesteps", "smo_k_d", "eye_f0_mode"):
        assert getattr(motion, name) == published.get(name, getattr(TalkOptions().motion, name))
    assert main(command("inference", f"{folders} --overlap_v2 30")) == 0
    assert asked["options"].motion.overlap_v2 == 30


@pytest.mark.parametrize("script", SCRIPTS)
def test_data_of_a_file_replace_the_configurations(
    script: str, release: Path, asked: dict[str, Any], tmp_path: Path
) -> None:
    limits = [[0.5] * 265] * 2
    (tmp_path / "still.json").write_text(json.dumps({"v_min_max_for_clip": limits}))
    given = f"--data_root '{release / 'ditto_pytorch'}' --cfg_data '{tmp_path / 'still.json'}'"
    assert main(command(script, given)) == 0
    assert asked["engine"].config.limits.tolist() == limits
    assert asked["engine"].config.blink_table is not None


def test_online_renders_a_frame_for_each_40_ms(release: Path, tmp_path: Path) -> None:
    source, speech, output = tmp_path / "portrait.png", tmp_path / "speech.wav", tmp_path / "out.mp4"
    face().save(source)
    write_speech(speech)
    files = f"--source_path '{source}' --audio_path '{speech}' --output_path '{output}'"
    command = f"inference {files} --data_root '{release / 'ditto_pytorch'}' --online --fade_out 3 -q"
    assert main(shlex.split(command)) == 0
    assert frames_in(output) == math.ceil(SECONDS * 25)


def test_online_takes_the_published_options(release: Path, asked: dict[str, Any]) -> None:
    data = f"--data_root '{release / 'ditto_pytorch'}'"
    assert main(command("inference_video", f"{data} --online")) == 0
    assert asked["options"].online
    motion = asked["options"].motion
    assert (motion.overlap_v2, motion.sampling_timesteps) == (70, 10)
    assert main(command("inference_video", f"{data} --online --overlap_v2 75")) == 0
    assert asked["options"].motion.overlap_v2 == 75


def test_inference_draws_online_with_a_configuration_for_streams(
    release: Path, asked: dict[str, Any], tmp_path: Path
) -> None:
    config = read_config(ONLINE_CONFIG)
    config["default_kwargs"].update(overlap_v2=75, sampling_timesteps=12)
    (tmp_path / "online.pkl").write_bytes(pickle.dumps(config))
    folders = f"--data_root '{release / 'ditto_pytorch'}' --cfg_pkl '{tmp_path / 'online.pkl'}'"
    for flags, found in (("", (75, 12)), ("--online", (75, 12)), ("--sampling_timesteps 9", (75, 9))):
        assert main(command("inference", f"{folders} {flags} --chunksize 5 2 0")) == 0
        assert (asked["options"].online, asked["options"].chunksize) == (True, (5, 2, 0))
        assert (asked["options"].motion.overlap_v2, asked["options"].motion.sampling_timesteps) == found
    assert main(command("inference_video", folders)) == 0
    assert not asked["options"].online
    assert asked["options"].motion.overlap_v2 == 10


def test_online_fills_in_what_a_configuration_for_streams_leaves_out(
    release: Path, asked: dict[str, Any], tmp_path: Path
) -> None:
    config = read_config(ONLINE_CONFIG)
    config["default_kwargs"].update(overlap_v2=75)
    del config["default_kwargs"]["sampling_timesteps"]
    (tmp_path / "online.pkl").write_bytes(pickle.dumps(config))
    folders = f"--data_root '{release / 'ditto_pytorch'}' --cfg_pkl '{tmp_path / 'online.pkl'}'"
    assert main(command("inference", f"{folders} --online")) == 0
    assert (asked["options"].motion.overlap_v2, asked["options"].motion.sampling_timesteps) == (75, 10)


def test_online_counts_over_a_configuration_for_whole_recordings(
    release: Path, asked: dict[str, Any]
) -> None:
    assert main(command("inference", f"--data_root '{release / 'ditto_pytorch'}' --online")) == 0
    assert (asked["options"].motion.overlap_v2, asked["options"].motion.sampling_timesteps) == (70, 10)


def test_the_chunk_size_of_online_is_the_documented_one_or_another(
    release: Path, asked: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    data = f"--data_root '{release / 'ditto_pytorch'}' --online"
    assert main(command("inference", data)) == 0
    plain = asked["options"]
    assert main(command("inference", f"{data} --chunksize 3 5 2 --seed {plain.motion.seed}")) == 0
    assert asked["options"] == plain
    assert main(command("inference", f"{data} --chunksize 5 2 0")) == 0
    assert asked["options"].chunksize == (5, 2, 0)
    for wrong, words in (
        (f"{data} --chunksize 3 0 2", "present >= 1"),
        ("--engine lite --chunksize 3 5 2", "add --online"),
        (f"{data} --chunksize 3 5", "expected 3"),
    ):
        assert main(command("inference", wrong)) == 2
        assert words in capfd.readouterr().err


def test_online_needs_ditto(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source, speech = write_clip(tmp_path / "person.mp4"), write_speech(tmp_path / "speech.wav")
    files = f"--source_video '{source}' --audio '{speech}' --output '{tmp_path / 'out.mp4'}'"
    assert main(shlex.split(f"inference_video {files} --online")) == 2
    told = capfd.readouterr().err
    assert "only Ditto works online" in told
    assert "does not use" not in told
