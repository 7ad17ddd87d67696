"""Each flag of the command line sets its option, and help, notices and defects are said."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.command_line import listen_to_talk, refusal, talk
from helpers.people import frames_in

from ditto_core import cli, flags
from ditto_core.__main__ import main
from ditto_core.controls.control import Controls
from ditto_core.data import Audio
from ditto_core.demo import PORTRAIT, SPEECH
from ditto_core.lite.engine import LiteEngine
from ditto_core.media.sound import read_audio
from ditto_core.options import FaceChoice, as_fps
from ditto_core.talking_head import TalkOptions


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return listen_to_talk(monkeypatch, cli)


def test_without_flags_the_options_are_the_defaults(asked: dict[str, Any]) -> None:
    assert talk(Path("a.png"), Path("b.wav"), Path("c.mp4")) == 0
    assert asked["options"] == TalkOptions()
    assert asked["engine"].name == "lite"


VALUES: dict[str, tuple[str, Any]] = {
    "face": ("nearest:0.25,0.5", FaceChoice("nearest", point=(0.25, 0.5))),
    "fps": ("29.97", Fraction(30000, 1001)),
    "face_networks": ("built-in", "built-in"),
    "emo": ("happy + 6", ("happy", 6)),
    "delta_eye_open_n": ("50,70", [50, 70]),
    "blink_times": ("0.5, 2s", (0.5, 2.0)),
    "use_d_keys": ("exp:1.2,t:0.5", {"exp": 1.2, "t": 0.5}),
    "fade_type": ("none", ""),
    "fade_out_keys": ("exp,pitch", ("exp", "pitch")),
    "overall_ctrl_info": ("delta_pitch:2", {"delta_pitch": 2.0}),
    "vad_on": ("expression", "expression"),
    "amplitude_of": ("logits", "logits"),
    "custom_formula": ("published", "published"),
    "blend_mode": ("strong", "strong"),
    "superres": ("codeformer", "CodeFormer"),
    "superres_model": ("4x.pth", Path("4x.pth")),
    "superres_when": ("always", "always"),
    "superres_precision": ("fp32", "fp32"),
    "codec": ("vp9", "vp9"),
    "preset": ("slow", "slow"),
    "pixel_format": ("yuv444p", "yuv444p"),
    "audio_codec": ("opus", "opus"),
    "audio_bitrate": ("64000", 64000),
    "max_size": ("512", 512),
    "crop_scale": ("1.5", 1.5),
}
FLAGS = list(flags.BY_NAME.values())


def typed_and_meant(flag: flags.Flag, folder: Path) -> tuple[str, Any]:
    """Something to type after a flag that is not its default, and the value it stands for."""
    if flag.name == "ctrl_info":
        path = folder / "controls.json"
        path.write_text('{"3": {"delta_yaw": 5}}')
        return str(path), {"3": {"delta_yaw": 5}}
    if flag.kind.type is bool:
        return ("false", False) if flag.default in (True, None) else ("true", True)
    return VALUES.get(flag.name, ("7", 7) if isinstance(flag.default, int) else ("0.25", 0.25))


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.name)
def test_each_flag_sets_its_option_alone(flag: flags.Flag, asked: dict[str, Any], tmp_path: Path) -> None:
    text, value = typed_and_meant(flag, tmp_path)
    assert talk(Path("a.png"), Path("b.wav"), Path("c.mp4"), f"--{flag.name}", text) == 0

    name, field = flag.target
    part = getattr(asked["options"], name)
    assert getattr(part, field) == value != flag.default
    untouched = dataclasses.replace(part, **{field: flag.default})
    assert dataclasses.replace(asked["options"], **{name: untouched}) == TalkOptions()


def test_frame_rates_are_exact() -> None:
    assert [as_fps(whole) for whole in range(1, 121)] == list(range(1, 121))
    assert as_fps("29.97") == as_fps("30000/1001") == Fraction(30000, 1001)
    assert as_fps(23.976) == Fraction(24000, 1001)


def test_flags_without_an_effect_with_lite_stand_together() -> None:
    named = [flag.name for flag in FLAGS if flag.target[1] in LiteEngine.ignores]
    crop = [flag.name for flag in flags.FLAGS["source"] if flag.name.startswith("crop_")]
    assert named == [*crop, *(flag.name for flag in flags.FLAGS["motion with Ditto"])]
    assert flags.ignored(LiteEngine(), ["emotion_schedule", "yaw", "gaze_x", "seed"]) == [
        "emotion_schedule",
        "gaze_x",
    ]
    parts = TalkOptions().avatar, TalkOptions().motion, TalkOptions().stitch
    assert LiteEngine.ignores <= {
        "delta_exp",
        "execution",
        *(field for part in parts for field in vars(part)),
    }


def test_every_option_has_one_flag() -> None:
    options = TalkOptions()
    fields = [
        (part.name, field.name)
        for part in dataclasses.fields(options)
        if part.name not in ("controls", "online", "chunksize")
        for field in dataclasses.fields(getattr(options, part.name))
    ]
    assert sorted(fields) == sorted(flag.target for flag in FLAGS)
    assert len(flags.BY_NAME) == sum(len(group) for group in flags.FLAGS.values())


def test_what_changes_over_time_becomes_controls(asked: dict[str, Any]) -> None:
    over_time = {
        "--emotion_schedule": "0: neutral, 2s: happy + surprise",
        "--gate": "0: 1, 1s: 0.5",
        "--yaw": "5",
        "--pitch_amount": "0.5",
        "--gaze_x": "10",
    }
    words = [word for pair in over_time.items() for word in pair]
    assert talk(Path("a.png"), Path("b.wav"), Path("c.mp4"), *words) == 0
    assert dataclasses.replace(asked["options"], controls=Controls()) == TalkOptions()

    merged = asked["options"].merged(Audio(torch.zeros(1, 4 * 16000), 16000))
    assert merged.controls == Controls()
    assert merged.motion.emo.shape == (100, 8)
    neutral, _, fading, _, happy = (merged.motion.emo[row] for row in (0, 49, 56, 61, 63))
    assert (fading - neutral).abs().max() > 0.01 < (fading - happy).abs().max()
    assert talk(Path("a.png"), Path("b.wav"), Path("c.mp4"), *words, "--emotion_fade", "0") == 0
    merged = asked["options"].merged(Audio(torch.zeros(1, 4 * 16000), 16000))
    assert torch.equal(merged.motion.emo[50], merged.motion.emo[99])
    first, last = merged.stitch.ctrl_info[0], merged.stitch.ctrl_info[99]
    assert (first["vad_alpha"], last["vad_alpha"]) == (1.0, 0.5)
    assert (first["delta_yaw"], first["alpha_pitch"]) == (5.0, 0.5)
    assert any(first["delta_exp"])


@pytest.mark.parametrize(
    ("between", "share"), [("smooth", 0.36**2 * (3 - 2 * 0.36)), ("linear", 0.36), ("hold", 0.0)]
)
def test_curves_go_from_keyframe_to_keyframe_as_asked(
    between: str, share: float, asked: dict[str, Any]
) -> None:
    words = ("--yaw", "0: 0, 1s: 10", "--gate", "0: 0, 1s: 1", "--between", between)
    assert talk(Path("a.png"), Path("b.wav"), Path("c.mp4"), *words) == 0
    info = asked["options"].merged(Audio(torch.zeros(1, 2 * 16000), 16000)).stitch.ctrl_info
    assert info[9]["delta_yaw"] == pytest.approx(10 * share)
    assert info[9]["vad_alpha"] == pytest.approx(share)


def test_lite_says_that_it_has_no_data_to_replace(
    asked: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "blink.json").write_text('{"delta_eye_arr": [[]]}')
    data = ("--cfg_data", str(tmp_path / "blink.json"))
    assert talk(Path("a.png"), Path("b.wav"), Path("c.mp4"), "--engine", "lite", *data) == 0
    assert "does not use blink.json" in capfd.readouterr().err


def test_help_shows_examples_flags_and_defaults(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "ditto talk --source portrait.jpg" in capfd.readouterr().out
    assert main(["talk", "--help"]) == 0
    told = " ".join(capfd.readouterr().out.split())
    assert "--mouth_amount X" in told
    assert "scaled down (64 to 16384; default: 1920)" in told
    assert "--blend_alpha X opacity of blend mode custom (auto or 0 to 1; default: auto)" in told
    assert "--preset NAME speed against size (ultrafast, superfast," in told
    assert "(auto, none, d0, s; default: auto)" in told
    assert "(default: largest)" in told
    assert "(default: auto)" in told


@pytest.mark.parametrize("command", ["talk", "inference", "inference_video"])
def test_the_licence_of_the_official_faces_is_said_where_they_are_chosen(
    command: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--help"]) == 0
    told = " ".join(capfd.readouterr().out.split())
    choice = told[told.index("--face_networks NAME") :]
    assert "InsightFace's det_10g and 2d106det, for non-commercial use only" in choice[:200]


def test_a_defect_is_one_line_and_its_traceback_only_with_v(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_arguments: object, **_more: object) -> Path:
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr(cli, "talk", fail)
    assert talk(Path("a.png"), Path("b.wav"), Path("c.mp4"), "-q") == 1
    line = refusal(capfd)
    assert "ZeroDivisionError: division by zero" in line
    assert "-v" in line

    assert talk(Path("a.png"), Path("b.wav"), Path("c.mp4"), "-v") == 1
    assert "Traceback" in capfd.readouterr().err


def test_the_demo_renders_a_video(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    video = tmp_path / "output" / "demo.mp4"
    assert main(["demo", "--output", str(video)]) == 0
    assert frames_in(video) == math.ceil(read_audio(SPEECH).seconds * 25)
    assert f"Wrote {video} in " in capfd.readouterr().out


def test_the_demo_uses_what_is_bundled(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert PORTRAIT.is_file()
    assert SPEECH.is_file()
    monkeypatch.setattr(cli, "demo", lambda output, host, options: output)
    assert main(["demo", "--output", "somewhere.mp4"]) == 0
    assert f"Wrote {Path('somewhere.mp4').resolve()} in " in capfd.readouterr().out
