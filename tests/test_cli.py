"""The command line keeps its word: flags, exit codes, one clear line for an error, nothing left behind."""

from __future__ import annotations

import math
import os
import shlex
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from helpers.command_line import refusal, talk
from helpers.people import SECONDS, face, frames_in, write_clip, write_speech
from PIL import Image

from ditto_core import cli
from ditto_core.__main__ import main

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


@pytest.mark.parametrize("codec", ["h264", "av1"])
def test_quiet_says_nothing_but_the_result(
    codec: str, portrait: Path, speech: Path, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert talk(portrait, speech, folder / "out.mp4", "-q", "--codec", codec) == 0
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


def test_what_a_damaged_file_lacks_is_said_in_the_commands_name(
    portrait: Path, speech: Path, tmp_path: Path, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    clip = tmp_path / "clip.mp4"
    assert talk(portrait, write_speech(tmp_path / "long.wav", seconds=2), clip, "-q") == 0
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size * 3 // 4])
    capfd.readouterr()
    assert talk(clip, speech, folder / "out.mp4", "-q") == 0
    line, *_ = capfd.readouterr().err.splitlines()
    assert line.startswith(f"ditto: {clip} ends after")


# --- what is refused ----------------------------------------------------------------------------------


def no_face(folder: Path) -> Path:
    Image.new("RGB", (320, 240), (90, 120, 150)).save(folder / "wall.png")
    return folder / "wall.png"


def text_file(folder: Path) -> Path:
    (folder / "notes.mp4").write_text("no picture, no sound\n" * 40)
    return folder / "notes.mp4"


def text_picture(folder: Path) -> Path:
    (folder / "notes.png").write_text("no picture")
    return folder / "notes.png"


def cut_mp4(folder: Path) -> Path:
    """Without its end an mp4 has no index."""
    clip = write_clip(folder / "clip.mp4")
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    return clip


BAD_SOURCES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no face": (no_face, "face"),
    "missing": (lambda folder: folder / "missing.png", "missing.png"),
    "overlong name": (lambda folder: folder / f"{'a' * 300}.png", "too long"),
    "folder": (lambda folder: folder, "folder"),
    "text": (text_file, "notes.mp4"),
    "text as a picture": (text_picture, "notes.png"),
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


def test_what_ffmpeg_says_itself_is_not_shown(
    speech: Path, tmp_path: Path, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)  # as torchvision does
    try:
        assert talk(cut_mp4(tmp_path), speech, folder / "out.mp4", "-q") == 2
    finally:
        av.logging.set_level(before)
    refusal(capfd)


def test_what_libraries_warn_developers_of_is_not_shown(speech: Path, tmp_path: Path, folder: Path) -> None:
    Image.effect_noise((64, 64), 60).save(tmp_path / "cut.tiff")
    (tmp_path / "cut.tiff").write_bytes((tmp_path / "cut.tiff").read_bytes()[:100])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert talk(tmp_path / "cut.tiff", speech, folder / "out.mp4") == 2
    assert not [warning for warning in told if warning.category is UserWarning]


BAD_SOUNDS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda folder: folder / "missing.wav", "missing.wav"),
    "overlong name": (lambda folder: folder / f"{'a' * 300}.wav", "too long"),
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
        (["--emotion_fade", "1"], "about --emotion_schedule"),
        (["--between", "hold"], "about curves"),
        (["--smo_k_d", "half"], "no whole number"),
        (["--seed", "-1"], "whole number from 0"),
        (["--seed", str(2**64)], "whole number from 0"),
        (["--blink_times", "soon"], "must be seconds"),
        (["--blink_times", "-1"], "time of a blink"),
        (["--use_d_keys", "exp:much"], "is no number"),
        (["--overall_ctrl_info", "delta_pitch"], "gives no numbers"),
        (["--ctrl_info", "missing.json"], "missing.json"),
        (["--overall_ctrl_info", "delta_yam:5"], "'delta_yam'"),
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
    ("content", "word"),
    [
        (b"5", "a single int"),
        (b"null", "a single NoneType"),
        (b'{"-1": {"delta_yaw": 5}}', "a frame before 0"),
        (b'{"3": ', "no JSON"),
        (b"\xff", "controls.json"),
    ],
)
def test_controls_that_are_none_are_refused(
    content: bytes, word: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    controls = tmp_path / "controls.json"
    controls.write_bytes(content)
    assert talk(Path("a.png"), Path("b.wav"), Path("c.mp4"), "--ctrl_info", str(controls)) == 2
    assert word in refusal(capfd)


def test_a_bad_option_is_told_before_a_missing_engine(capfd: pytest.CaptureFixture[str]) -> None:
    files = Path("a.png"), Path("b.wav"), Path("c.mp4")
    assert talk(*files, "--engine", "ditto", "--max_size", "8") == 2
    assert "max_size" in refusal(capfd)


@pytest.mark.parametrize(
    "arguments", [[], ["talk"], ["talk", "--source", "a.png"], ["sing"], ["demo", "loud"]]
)
def test_an_incomplete_command_is_refused(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "--help" in refusal(capfd)


@pytest.mark.parametrize("name", [".", "out.txt", "speech.wav/out.mp4", f"{'a' * 300}.mp4"])
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
    assert time.monotonic() - sent < 3  # a second, and some for a busy machine
    assert process.returncode == 130
    assert told.splitlines()[-1] == "Interrupted."
    assert "Traceback" not in told
    assert contents(folder) == []


@posix
def test_an_interrupt_inside_code_made_of_text_gives_the_same_exit_code() -> None:
    """Dataclasses are made of text, and importing the libraries makes thousands."""
    stopped = "import sys; from ditto_core import cli, __main__ as door; "
    stopped += "cli.run = lambda _: exec('raise KeyboardInterrupt'); sys.exit(door.main([]))"
    assert subprocess.run([sys.executable, "-c", stopped], cwd=ROOT).returncode == 130


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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's devices")
@pytest.mark.parametrize("where", [">&- 2>&-", ">/dev/full 2>/dev/full"])
def test_where_nothing_can_be_said_the_exit_code_is_the_same(
    where: str, portrait: Path, speech: Path, folder: Path
) -> None:
    command = [sys.executable, "-m", "ditto_core", "talk", "--source", str(portrait), "--audio", str(speech)]

    def code(*more: str) -> int:
        return subprocess.run(f"{shlex.join([*command, *more])} {where}", shell=True, cwd=ROOT).returncode

    assert code("--output", str(folder / "out.mp4")) == 0
    assert frames_in(folder / "out.mp4") == 10
    assert code("--output", str(folder / "out.txt")) == 2


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
