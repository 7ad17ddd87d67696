"""`talk`, called from Python: the documented example as it stands, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.people import SECONDS, face, frames_in, write_speech

from ditto_core import talk
from ditto_core.errors import InputError
from ditto_core.media.sound import read_audio

README = Path(__file__).parent.parent / "README.md"
PICTURE = np.array(face())
SAMPLES = np.zeros(1600, np.float32)


def test_the_documented_example_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    face().save("portrait.jpg")
    samples = read_audio(write_speech(Path("speech.wav"))).samples
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    from_files, from_arrays = example.split("# or")
    said: dict[str, Any] = {"picture": PICTURE, "samples": samples.numpy()}
    exec(from_files, said)
    assert frames_in(Path("talking.mp4")) == round(SECONDS * 25)
    Path("talking.mp4").unlink()
    exec(f"# or{from_arrays}", said)
    assert frames_in(Path("talking.mp4")) == round(SECONDS * 25)


def test_tensors_as_in_comfyui(tmp_path: Path) -> None:
    clip = torch.from_numpy(PICTURE)[None].repeat(5, 1, 1, 1) / 255
    stereo = torch.zeros(1, 2, 8820)
    assert frames_in(talk(clip, (stereo, 44100), tmp_path / "out.mp4", fps=30)) == 6


def test_notices_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    talk(PICTURE, (SAMPLES, 16000), tmp_path / "out.mp4")
    assert "Lite (draft quality)" in caplog.text


@pytest.mark.parametrize(
    ("source", "audio", "message"),
    [
        (PICTURE, SAMPLES, "together with their rate"),
        (PICTURE, None, "together with their rate"),
        (PICTURE, (16000, SAMPLES), "must be a number of Hz"),
        (PICTURE, (SAMPLES, "16000"), "must be a number of Hz"),
        (PICTURE, ([0.0, 0.1], 16000), "not list"),
        (None, (SAMPLES, 16000), "not NoneType"),
        (face(), (SAMPLES, 16000), "not Image"),
    ],
)
def test_what_is_neither_a_path_nor_an_array_is_refused(
    source: Any, audio: Any, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        talk(source, audio, tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_frame_rate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no frame rate"):
        talk(PICTURE, (SAMPLES, 16000), tmp_path / "out.mp4", fps=(25, 1))
