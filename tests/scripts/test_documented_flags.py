"""The scripts of Ditto's documents: their flags and defaults, unchanged, and what these set."""

from __future__ import annotations

import json
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from helpers.command_line import VIDEO_FILES, command
from helpers.people import write_clip, write_speech

from ditto_core.__main__ import main
from ditto_core.controls.presets import PRESETS
from ditto_core.demo import PORTRAIT
from ditto_core.scripts import SCRIPTS
from ditto_core.talking_head import TalkOptions

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
    text = (Path(__file__).parents[2] / "docs" / "scripts.md").read_text(encoding="utf-8")
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
def test_help_shows_what_the_script_sets(script: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([script, "--help"]) == 0
    told = " ".join(capfd.readouterr().out.split())
    eyes = told[told.index("--eye_f0_mode ") :]
    shown = "false" if script == "inference" else "true"
    assert eyes[eyes.index("(default: ") :].startswith(f"(default: {shown})")
