"""The scripts of Ditto's documents: their flags and defaults, unchanged, and what these set."""

from __future__ import annotations

import json
import math
import pickle
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from helpers.command_line import listen_to_talk
from helpers.ditto_release import use_small_networks, write_release
from helpers.golden import FOLDER as GOLDEN
from helpers.hosts import Told
from helpers.people import SECONDS, face, frames_in, write_clip, write_speech

from ditto_core import cli
from ditto_core.__main__ import main
from ditto_core.controls.presets import PRESETS
from ditto_core.demo import PORTRAIT
from ditto_core.models.configs import read_config
from ditto_core.models.execution import Execution
from ditto_core.scripts import SCRIPTS, open_engine
from ditto_core.talking_head import TalkOptions

FILES = {"inference": "--source_path a --audio_path b --output_path c"}
ONLINE_CONFIG = GOLDEN / "ditto" / "cfg_samples" / "cfg_trt_online_np2_p5.pkl"
VIDEO_FILES = "--source_video a.mp4 --audio b.wav --output c.mp4"

DOCUMENTED: dict[str, dict[str, str]] = {
    "inference": {},
    "inference_video": {
        "smo_k_s": "13",
        "template_n_frames": "-1",
        "drive_eye": "auto",
        "sampling_timesteps": "50",
        "overlap_v2": "10",
        "smo_k_d": "3",
        "max_size": "1920",
        "emo": "4",
        "fade_in": "-1",
        "fade_out": "-1",
    },
    "inference_video_preserve_motion": {
        "smo_k_s": "13",
        "motion_frames": "100",
        "sampling_timesteps": "50",
        "overlap_v2": "10",
        "smo_k_d": "3",
        "max_size": "1920",
        "emo": "4",
        "fade_in": "-1",
        "fade_out": "-1",
    },
    "inference_video_blend_control": {
        "smo_k_s": "13",
        "template_n_frames": "-1",
        "blend_mode": "blend",
        "sampling_timesteps": "50",
        "overlap_v2": "10",
        "smo_k_d": "3",
        "max_size": "1920",
        "emo": "4",
        "fade_in": "-1",
        "fade_out": "-1",
    },
    "inference_video_advanced": {
        "smo_k_s": "13",
        "motion_frames": "100",
        "blend_mode": "blend",
        "sampling_timesteps": "50",
        "overlap_v2": "10",
        "smo_k_d": "3",
        "max_size": "1920",
        "emo": "4",
        "fade_in": "-1",
        "fade_out": "-1",
    },
}
"""Flags with their defaults, as the documents give them."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return listen_to_talk(monkeypatch, cli)


def command(script: str, flags: str = "") -> list[str]:
    return shlex.split(f"{script} {FILES.get(script, VIDEO_FILES)} {flags}")


def changed(options: TalkOptions) -> dict[str, Any]:
    """The options that are not the defaults of `TalkOptions`."""
    plain = TalkOptions()
    return {
        option.name: getattr(getattr(options, part.name), option.name)
        for part in fields(options)
        if part.name not in ("controls", "online", "chunksize")
        for option in fields(getattr(options, part.name))
        if getattr(getattr(options, part.name), option.name)
        != getattr(getattr(plain, part.name), option.name)
    }


def test_the_five_scripts_are_there() -> None:
    assert set(SCRIPTS) == set(DOCUMENTED)


@pytest.mark.parametrize("script", DOCUMENTED)
def test_the_documented_defaults_are_the_defaults(script: str, asked: dict[str, Any]) -> None:
    assert main(command(script, "--seed 1")) == 0
    plain = asked["options"]
    flags = " ".join(f"--{name} {value}" for name, value in DOCUMENTED[script].items())
    assert main(command(script, f"{flags} --seed 1")) == 0
    assert asked["options"] == plain


@pytest.mark.parametrize("script", DOCUMENTED)
def test_what_a_script_sets_by_itself(script: str, asked: dict[str, Any]) -> None:
    assert main(command(script, "--seed 0")) == 0
    expected: dict[str, Any] = {}
    if script != "inference":
        expected = {"emo": 4, "eye_f0_mode": True}
    if "motion_frames" in DOCUMENTED[script]:
        expected["motion_frames"] = 100
    assert changed(asked["options"]) == expected


def test_the_document_names_every_flag_with_its_default() -> None:
    text = (Path(__file__).parents[1] / "docs" / "scripts.md").read_text(encoding="utf-8")
    for script, flags in DOCUMENTED.items():
        assert f"| `{script}` |" in text
        for name, default in flags.items():
            assert f"`--{name} {default}`" in text
    for settings in PRESETS:
        assert f"`{settings}`" in text


def test_files_come_from_the_documented_flags(asked: dict[str, Any]) -> None:
    for script in DOCUMENTED:
        assert main(command(script)) == 0
        assert [asked[name].stem for name in ("source", "audio", "output")] == ["a", "b", "c"]


COMMANDS: list[tuple[str, dict[str, Any]]] = [
    (
        "inference_video --sampling_timesteps 75 --overlap_v2 15 --smo_k_d 5",
        {"sampling_timesteps": 75, "overlap_v2": 15, "smo_k_d": 5},
    ),
    (
        "inference_video --sampling_timesteps 25 --overlap_v2 5 --max_size 512",
        {"sampling_timesteps": 25, "overlap_v2": 5, "max_size": 512},
    ),
    ("inference_video --fade_in 25 --fade_out 25", {"fade_in": 25, "fade_out": 25}),
    ("inference_video --emo 6", {"emo": 6}),
    ("inference_video --template_n_frames 100", {"template_n_frames": 100}),
    ("inference_video --drive_eye false", {"drive_eye": False}),
    ("inference_video --drive_eye true", {"drive_eye": True}),
    (
        "inference_video --overlap_v2 15 --smo_k_d 5 --smo_k_s 15",
        {"overlap_v2": 15, "smo_k_d": 5, "smo_k_s": 15},
    ),
    ("inference_video --max_size 1080 --template_n_frames 50", {"max_size": 1080, "template_n_frames": 50}),
    ("inference_video_preserve_motion --motion_frames 100", {}),
    ("inference_video_preserve_motion --motion_frames 40", {"motion_frames": 40}),
    ("inference_video_blend_control --blend_mode strong", {"mode": "strong"}),
    ("inference_video_blend_control --blend_mode replace", {"mode": "replace"}),
    ("inference_video_blend_control --blend_mode weak", {"mode": "weak"}),
    ("inference_video_blend_control --blend_mode custom --blend_alpha 0.7", {"mode": "custom", "alpha": 0.7}),
    (
        "inference_video_blend_control --data_root ./checkpoints/ditto_trt_Ampere_Plus "
        "--cfg_pkl ./checkpoints/ditto_cfg/v0.4_hubert_cfg_trt.pkl "
        "--sampling_timesteps 75 --overlap_v2 15 --blend_mode blend",
        {"sampling_timesteps": 75, "overlap_v2": 15},
    ),
    (
        "inference_video_advanced --motion_frames 50 --blend_mode custom --blend_alpha 1",
        {"motion_frames": 50, "mode": "custom", "alpha": 1.0},
    ),
    ("inference_video --settings expressive", {"smo_k_d": 2, "emo": 6}),
    (
        "inference_video --settings maximum_speed --max_size 640",
        {"smo_k_s": 1, "smo_k_d": 1, "max_size": 640},
    ),
    ("inference_video --emo happy+surprise", {"emo": ("happy", "surprise")}),
]


@pytest.mark.parametrize(("typed", "meant"), COMMANDS, ids=[typed for typed, _ in COMMANDS])
def test_documented_commands(typed: str, meant: dict[str, Any], asked: dict[str, Any]) -> None:
    script, _, flags = typed.partition(" ")
    assert main(command(script, "--seed 0")) == 0
    by_itself = changed(asked["options"])
    assert main(command(script, f"{flags} --seed 0")) == 0
    found = changed(asked["options"])
    assert {name: found.get(name) for name in meant} == meant
    if "--settings" not in flags:
        assert found == by_itself | meant


def test_frame_level_control_comes_from_a_file(asked: dict[str, Any], tmp_path: Path) -> None:
    controls = {"0": {"fade_alpha": 0.0}, "25": {"fade_alpha": 1.0}, "100": {"delta_pitch": 0.1}}
    (tmp_path / "controls.json").write_text(json.dumps(controls), encoding="utf-8-sig")  # as Windows has it
    assert main(command("inference", f"--ctrl_info '{tmp_path / 'controls.json'}'")) == 0
    assert asked["options"].stitch.ctrl_info == controls


def test_without_a_seed_each_run_is_another_and_says_which(
    asked: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    seeds = []
    for _ in range(2):
        assert main(command("inference_video")) == 0
        seeds.append(asked["options"].motion.seed)
        assert f"--seed {seeds[-1]} " in capfd.readouterr().err
    assert seeds[0] != seeds[1]


def test_lite_says_what_it_does_not_use(asked: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(command("inference_video", "--emo 6 --max_size 512 --smo_k_d 5")) == 0
    told = capfd.readouterr().err
    assert "Lite (draft quality)" in told
    assert "Lite (draft quality) does not use --smo_k_d, --emo; with Ditto" in told
    assert main(command("inference_video", "--max_size 512 --device cpu")) == 0
    assert "does not use" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ("--runner onnx --precision fp16", "--runner, --precision; with Ditto they take effect."),
        ("--compile graphs", "--compile; with Ditto it takes effect."),
        ("--settings stable", "--settings stable; with Ditto it takes effect."),
        (
            "--settings fast_preview --emo 6",
            "--settings fast_preview (but for max_size), --emo; with Ditto they take effect.",
        ),
    ],
)
def test_lite_names_what_was_typed_and_nothing_else(
    flags: str, told: str, asked: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(command("inference_video", flags)) == 0
    assert f"does not use {told}" in capfd.readouterr().err


@pytest.mark.parametrize(("mode", "told"), [("strong", 1), ("custom", 0)])
def test_an_alpha_without_effect_is_told(
    mode: str, told: int, asked: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(command("inference_video_blend_control", f"--blend_alpha 0.5 --blend_mode {mode}")) == 0
    assert capfd.readouterr().err.count("--blend_alpha is about blend mode custom; strong does not") == told


@pytest.mark.parametrize(
    ("typed", "word"),
    [
        ("inference_video", "source_video"),
        ("inference --source_video a --audio b --output c", "source_path"),
        (f"inference_video {VIDEO_FILES} --drive_eye maybe", "true nor false"),
        (f"inference_video {VIDEO_FILES} --template_n_frames 0", "template_n_frames"),
        (f"inference_video_preserve_motion {VIDEO_FILES} --motion_frames 0", "motion_frames"),
        (f"inference_video_blend_control {VIDEO_FILES} --blend_mode custom", "needs an alpha"),
        (f"inference_video_blend_control {VIDEO_FILES} --blend_mode custom --blend_alpha 2", "0 and 1"),
        (f"inference_video_blend_control {VIDEO_FILES} --blend_mode over", "blend, replace, strong, weak"),
        (f"inference_video_blend_control {VIDEO_FILES} --settings best", "maximum_quality"),
        (f"inference_video {VIDEO_FILES} --engine ditto", "Ditto's files are not complete"),
    ],
)
def test_impossible_commands_are_refused_in_one_line(
    typed: str, word: str, asked: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([*shlex.split(typed), "-q"]) == 2
    told = capfd.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    assert word in told.err
    assert asked == {}


@pytest.mark.parametrize("script", DOCUMENTED)
def test_a_script_runs_end_to_end_with_lite(
    script: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files = SCRIPTS[script].files
    source = PORTRAIT if script == "inference" else write_clip(tmp_path / "person.mp4")
    speech, output = write_speech(tmp_path / "speech.wav"), tmp_path / "out.mp4"
    given = [f"--{name}={path}" for name, path in zip(files, (source, speech, output), strict=True)]
    assert main([script, *given, "--engine", "lite", "--max_size", "128"]) == 0
    assert output.stat().st_size > 0
    assert capfd.readouterr().out.startswith(f"Wrote {output} in ")


@pytest.mark.parametrize("script", DOCUMENTED)
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


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `checkpoints` as published, with small networks in it."""
    use_small_networks(monkeypatch)
    return write_release(tmp_path / "checkpoints")


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


@pytest.mark.parametrize("script", DOCUMENTED)
def test_help_shows_what_the_script_sets(script: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([script, "--help"]) == 0
    told = " ".join(capfd.readouterr().out.split())
    eyes = told[told.index("--eye_f0_mode ") :]
    shown = "false" if script == "inference" else "true"
    assert eyes[eyes.index("(default: ") :].startswith(f"(default: {shown})")


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
