"""What `talk` makes of pictures, videos and sounds of every kind."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from helpers.command_line import contents, talk
from helpers.people import SECONDS, face, frames_in, write_clip, write_speech
from PIL import Image


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
def test_quiet_says_nothing_but_the_result(codec: str, portrait: Path, speech: Path, folder: Path) -> None:
    # A process of its own: the AV1 encoder asks once in its life how much it may say.
    command = (sys.executable, "-m", "ditto_core", "talk", "-q", "--codec", codec)
    files = ("--source", portrait, "--audio", speech, "--output", folder / "out.mp4")
    told = subprocess.run([*command, *files], capture_output=True, text=True)
    assert (told.returncode, told.stderr) == (0, "")
    assert len(told.stdout.splitlines()) == 1


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
