"""The command line keeps its word: flags, exit codes, one clear line for an error, nothing left behind."""

from __future__ import annotations

import dataclasses
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from helpers.people import SECONDS, face, frames_in, write_clip, write_speech
from PIL import Image

from ditto_core import cli, flags
from ditto_core.__main__ import main
from ditto_core.controls.control import Controls
from ditto_core.data import Audio, FaceChoice
from ditto_core.demo import PORTRAIT, SPEECH
from ditto_core.lite.engine import LiteEngine
from ditto_core.talking_head import TalkOptions

ROOT = Path(__file__).parent.parent
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and limits")


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    path = tmp_path / "portrait.png"
    face().save(path)
    return path


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    return write_speech(tmp_path / "speech.wav")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where results go; what else lies there was left behind."""
    path = tmp_path / "results"
    path.mkdir()
    return path


def talk(source: Path, audio: Path, output: Path, *more: str) -> int:
    return main(["talk", "--source", str(source), "--audio", str(audio), "--output", str(output), *more])


def contents(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- what works ---------------------------------------------------------------------------------------


def test_a_portrait_and_speech_become_a_video(
    portrait: Path, speech: Path, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = folder / "ein schönes Ergebnis.mp4"
    assert talk(portrait, speech, output) == 0

    assert contents(folder) == [output.name]
    assert frames_in(output) == math.ceil(SECONDS * 25)
    told = capfd.readouterr()
    assert told.out.startswith(f"Wrote {output} in ")
    assert "Lite (draft quality)" in told.err


def test_quiet_says_nothing_but_the_result(
    portrait: Path, speech: Path, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert talk(portrait, speech, folder / "out.mp4", "-q") == 0
    told = capfd.readouterr()
    assert told.err == ""
    assert len(told.out.splitlines()) == 1


def test_an_existing_result_is_replaced(portrait: Path, speech: Path, folder: Path) -> None:
    (folder / "out.mp4").write_bytes(b"an older one")
    assert talk(portrait, speech, folder / "out.mp4") == 0
    assert frames_in(folder / "out.mp4") == 10


def test_the_frame_rate_and_seed_are_obeyed(portrait: Path, speech: Path, folder: Path) -> None:
    for name, seed in (("a.mkv", "1"), ("b.mkv", "1"), ("c.mkv", "2")):
        assert talk(portrait, speech, folder / name, "--fps", "12.5", "--seed", seed, "--crf", "0") == 0
    first, same, other = (decoded(folder / name) for name in ("a.mkv", "b.mkv", "c.mkv"))
    assert len(first) == 5
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def decoded(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


PICTURES: dict[str, Callable[[Path], None]] = {
    "rgba.png": lambda path: face().convert("RGBA").save(path),
    "grey.png": lambda path: face().convert("L").save(path),
    "palette.png": lambda path: face().quantize(64).save(path),
    "tiny.png": lambda path: face(64).save(path),
    "huge.jpg": lambda path: face(3000).save(path),
    "odd.png": lambda path: face().crop((0, 0, 253, 251)).save(path),
    "turned.jpg": lambda path: face().transpose(Image.Transpose.ROTATE_90).save(path, exif=turned_exif()),
}


def turned_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned left; turn right to show
    return exif


@pytest.mark.parametrize("name", PICTURES)
def test_any_kind_of_picture_works(name: str, speech: Path, tmp_path: Path, folder: Path) -> None:
    PICTURES[name](tmp_path / name)
    assert talk(tmp_path / name, speech, folder / "out.mp4", "--max_size", "512") == 0
    assert frames_in(folder / "out.mp4") == 10
    assert contents(folder) == ["out.mp4"]


SOUNDS: dict[str, dict[str, Any]] = {
    "0.1 s": {"seconds": 0.1},
    "one sample": {"seconds": 1 / 16000},
    "silence": {"level": 0.0},
    "8-bit": {"width": 1},
    "48 kHz stereo": {"rate": 48000, "channels": 2},
    "8 kHz": {"rate": 8000},
}


@pytest.mark.parametrize("kind", SOUNDS)
def test_any_kind_of_sound_works(kind: str, portrait: Path, tmp_path: Path, folder: Path) -> None:
    sound = write_speech(tmp_path / "sound.wav", **SOUNDS[kind])
    assert talk(portrait, sound, folder / "out.mp4") == 0
    assert frames_in(folder / "out.mp4") == math.ceil(SOUNDS[kind].get("seconds", SECONDS) * 25)


def test_a_video_speaks_and_a_cut_off_one_as_far_as_it_goes(
    speech: Path, tmp_path: Path, folder: Path
) -> None:
    clip = write_clip(tmp_path / "clip.mkv")
    assert talk(clip, speech, folder / "whole.mp4") == 0
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    assert talk(clip, speech, folder / "cut.mp4") == 0
    assert frames_in(folder / "whole.mp4") == frames_in(folder / "cut.mp4") == 10


# --- what is refused ----------------------------------------------------------------------------------


def no_face(folder: Path) -> Path:
    Image.new("RGB", (320, 240), (90, 120, 150)).save(folder / "wall.png")
    return folder / "wall.png"


def text_file(folder: Path) -> Path:
    (folder / "notes.mp4").write_text("no picture, no sound\n" * 40)
    return folder / "notes.mp4"


def cut_mp4(folder: Path) -> Path:
    """Without its end an mp4 has no index."""
    clip = write_clip(folder / "clip.mp4")
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    return clip


BAD_SOURCES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no face": (no_face, "face"),
    "missing": (lambda folder: folder / "missing.png", "missing.png"),
    "folder": (lambda folder: folder, "folder"),
    "text": (text_file, "notes.mp4"),
    "cut mp4": (cut_mp4, "clip.mp4"),
}


@pytest.mark.parametrize("kind", BAD_SOURCES)
def test_a_source_that_cannot_be_used_is_refused(
    kind: str, speech: Path, tmp_path: Path, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make, word = BAD_SOURCES[kind]
    assert talk(make(tmp_path), speech, folder / "out.mp4", "-q") == 2
    assert word in refusal(capfd)
    assert contents(folder) == []


BAD_SOUNDS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda folder: folder / "missing.wav", "missing.wav"),
    "silent video": (lambda folder: write_clip(folder / "clip.mp4"), "no sound"),
    "text": (text_file, "notes.mp4"),
    "empty": (lambda folder: write_speech(folder / "empty.wav", seconds=0), "empty"),
}


@pytest.mark.parametrize("kind", BAD_SOUNDS)
def test_a_sound_that_cannot_be_used_is_refused(
    kind: str, portrait: Path, tmp_path: Path, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make, word = BAD_SOUNDS[kind]
    assert talk(portrait, make(tmp_path), folder / "out.mp4", "-q") == 2
    assert word in refusal(capfd)
    assert contents(folder) == []


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--engine", "lide"], "lide"),
        (["--engine", "ditto"], "lite"),
        (["--seed", "many"], "--seed"),
        (["--fps", "0"], "frame rate"),
        (["--fps", "soon"], "frame rate"),
        (["--max_size", "8"], "max_size"),
        (["--face", "second"], "largest, from-left:N, nearest:X,Y"),
        (["--face", "nearest:1"], "nearest:X,Y"),
        (["--face", "from-left:7"], "face"),
        (["--mouth_amount", "nan"], "mouth_amount"),
        (["--drive_eye", "maybe"], "true nor false"),
        (["--blend_amount", "2"], "amount"),
        (["--codec", "h265"], "h264"),
        (["--pixel_format", "rgb8"], "rgb8"),
        (["--crf", "99"], "crf"),
        (["--no_such_flag"], "no_such_flag"),
        (["--blend_mode", "custom"], "alpha"),
        (["--blend_mode", "custom", "--blend_alpha", "1.1"], "between 0 and 1"),
        (["--emo", "glad"], "4 neutral"),
        (["--emo", "8"], "4 neutral"),
        (["--sampling_timesteps", "0"], "between 1 and 1000"),
        (["--overlap_v2", "80"], "between 0 and 79"),
        (["--smo_k_d", "half"], "no whole number"),
        (["--seed", "-1"], "whole number from 0"),
        (["--seed", str(2**64)], "whole number from 0"),
        (["--blink_times", "soon"], "must be seconds"),
        (["--blink_times", "-1"], "0 or later"),
        (["--use_d_keys", "exp:much"], "is no number"),
        (["--overall_ctrl_info", "delta_pitch"], "gives no numbers"),
        (["--ctrl_info", "missing.json"], "missing.json"),
        (["--yaw", "0: far"], "is no value"),
        (["--emotion_schedule", "0: glad"], "no emotion"),
    ],
)
def test_impossible_values_are_refused(
    arguments: list[str],
    word: str,
    portrait: Path,
    speech: Path,
    folder: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert talk(portrait, speech, folder / "out.mp4", "-q", *arguments) == 2
    assert word in refusal(capfd)
    assert contents(folder) == []


@pytest.mark.parametrize(
    "arguments", [[], ["talk"], ["talk", "--source", "a.png"], ["sing"], ["demo", "loud"]]
)
def test_an_incomplete_command_is_refused(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "--help" in refusal(capfd)


@pytest.mark.parametrize("name", [".", "out.txt", "speech.wav/out.mp4"])
def test_a_place_that_cannot_be_written_is_refused(
    name: str, portrait: Path, speech: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = contents(tmp_path)
    assert talk(portrait, speech, tmp_path / name, "-q") == 2
    refusal(capfd)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("which", ["source", "audio"])
def test_an_input_is_not_overwritten(
    which: str, tmp_path: Path, portrait: Path, speech: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    clip = write_clip(tmp_path / "clip.mp4")
    before = clip.read_bytes()
    source, audio = (clip, speech) if which == "source" else (portrait, clip)
    assert talk(source, audio, clip, "-q") == 2
    assert "would be lost" in refusal(capfd)
    assert clip.read_bytes() == before


def refusal(capfd: pytest.CaptureFixture[str]) -> str:
    """The one line that says what is wrong."""
    told = capfd.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert line.startswith("ditto")
    assert "error: " in line
    return line


@posix
def test_a_full_disk_is_one_line_and_leaves_nothing(
    portrait: Path, speech: Path, folder: Path, small_files_only: None, capfd: pytest.CaptureFixture[str]
) -> None:
    assert talk(portrait, speech, folder / "out.mp4", "-q", "--crf", "0") == 2
    assert "disk is full" in refusal(capfd)
    assert contents(folder) == []


@pytest.fixture
def small_files_only() -> Iterator[None]:
    """No file may grow beyond 20 kB, as under a quota."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# --- what stops ---------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_stops_at_once_and_leaves_nothing(
    number: signal.Signals, portrait: Path, tmp_path: Path, folder: Path
) -> None:
    speech = write_speech(tmp_path / "long.wav", seconds=120)
    arguments = ["--source", portrait, "--audio", speech, "--output", folder / "out.mp4"]
    with start("talk", *arguments) as process:
        wait_until(lambda: len(contents(folder)) == 1, process)
        time.sleep(0.3)
        sent = time.monotonic()
        process.send_signal(number)
        _, told = process.communicate(timeout=20)
    assert time.monotonic() - sent < 10  # a moment, and some for a busy machine; rendering takes far longer
    assert process.returncode == 130
    assert told.splitlines()[-1] == "Interrupted."
    assert "Traceback" not in told
    assert contents(folder) == []


@posix
def test_a_reader_that_goes_away_is_no_error() -> None:
    with start("--help") as process:
        assert process.stdout
        process.stdout.close()
        assert process.stderr
        told = process.stderr.read()
        assert process.wait(30) == 0
    assert told == ""


@posix
def test_the_work_goes_on_when_nobody_listens(portrait: Path, speech: Path, folder: Path) -> None:
    with start("talk", "--source", portrait, "--audio", speech, "--output", folder / "out.mp4") as process:
        assert process.stderr
        process.stderr.close()
        assert process.wait(60) == 0
    assert frames_in(folder / "out.mp4") == 10


@pytest.mark.parametrize("watched", [True, False])
def test_progress_is_shown_to_whoever_watches(
    watched: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: watched)
    host = cli.ConsoleHost()
    host.progress("register", 1, 1)
    host.progress("render", 8, 16)
    host.progress("render", 16, 16)
    host.close()
    told = capsys.readouterr().err
    assert ("register: 100%" in told) == ("render: 100%" in told) == watched
    assert ("16/16" in told) == watched


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "ditto_core", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until(reached: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


# --- how it is built ----------------------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `talk` was asked to do, instead of doing it."""
    call: dict[str, Any] = {}

    def remember(source: Path, audio: Path, output: Path, **more: Any) -> Path:
        call.update(more, source=source, audio=audio, output=output)
        return output

    monkeypatch.setattr(cli, "talk", remember)
    return call


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
    if flag.parse in (flags.boolean, cli.FLAGS["motion"][-1].parse):
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


def test_flags_without_an_effect_with_lite_stand_together() -> None:
    named = [flag.name for flag in FLAGS if flag.target[1] in LiteEngine.ignores]
    assert named == [flag.name for flag in flags.FLAGS["motion with Ditto"]]
    assert flags.ignored(LiteEngine(), ["emotion_schedule", "yaw", "gaze_x", "seed"]) == [
        "emotion_schedule",
        "gaze_x",
    ]
    parts = TalkOptions().avatar, TalkOptions().motion, TalkOptions().stitch
    assert LiteEngine.ignores <= {"delta_exp", *(field for part in parts for field in vars(part))}


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
    assert "(default: 1920)" in told
    assert "(default: largest)" in told
    assert "(default: auto)" in told


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


def test_the_demo_uses_what_is_bundled(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert PORTRAIT.is_file()
    assert SPEECH.is_file()
    monkeypatch.setattr(cli, "demo", lambda output, host, options: output)
    assert main(["demo", "--output", "somewhere.mp4"]) == 0
    assert f"Wrote {Path('somewhere.mp4').resolve()} in " in capfd.readouterr().out
