"""Of two people the chosen one speaks, from the command line and in ComfyUI, and gaps in a clip are told."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from helpers.command_line import talk
from helpers.people import face, write_speech
from helpers.stub_host import StubHost
from PIL import Image
from scipy.io import wavfile

from ditto_core.data import Audio
from ditto_core.demo import SPEECH
from ditto_core.media.sound import read_audio

LEFT, RIGHT = np.s_[:, :, :240], np.s_[:, :, 272:]
WHO_SPEAKS = [
    ("largest", {"face": "largest"}, RIGHT),
    ("from-left:0", {"face": "from left", "face_index": 0}, LEFT),
    ("from-left:1", {"face": "from left", "face_index": 1}, RIGHT),
    ("nearest:0.3,0.2", {"face": "nearest", "face_x": 0.3, "face_y": 0.2}, LEFT),
    ("nearest:0.9,0.5", {"face": "nearest", "face_x": 0.9, "face_y": 0.5}, RIGHT),
]


@pytest.fixture
def couple() -> Image.Image:
    """A smaller face on the left, a larger one on the right, nothing in the middle."""
    picture = Image.new("RGB", (528, 256), (110, 120, 130))
    picture.paste(face(224), (8, 16))
    picture.paste(face(256), (272, 0))
    return picture


@pytest.fixture(scope="module")
def spoken() -> Audio:
    """The first second of the bundled speech."""
    whole = read_audio(SPEECH)
    return Audio(whole.samples[:, : whole.rate], whole.rate)


@pytest.mark.parametrize(("rule", "_inputs", "speaker"), WHO_SPEAKS)
def test_the_chosen_face_moves_and_the_other_stays(
    rule: str, _inputs: dict[str, Any], speaker: Any, couple: Image.Image, spoken: Audio, tmp_path: Path
) -> None:
    couple.save(tmp_path / "couple.png")
    wavfile.write(tmp_path / "speech.wav", spoken.rate, spoken.samples[0].numpy())
    video = tmp_path / "out.mp4"
    arguments = ("-q", "--face", rule, "--crf", "0")
    assert talk(tmp_path / "couple.png", tmp_path / "speech.wav", video, *arguments) == 0
    with av.open(str(video)) as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert_only_this_side_moves(frames, speaker)


@pytest.mark.parametrize(("_rule", "inputs", "speaker"), WHO_SPEAKS)
def test_the_node_chooses_alike(
    _rule: str, inputs: dict[str, Any], speaker: Any, couple: Image.Image, spoken: Audio, stub: StubHost
) -> None:
    picture = torch.from_numpy(np.array(couple))[None] / 255
    sound = {"waveform": spoken.samples[None], "sample_rate": spoken.rate}
    (engine,) = stub.call("DittoLoadEngine", engine="lite")
    avatar, _ = stub.call("DittoLoadAvatar", engine=engine, source=picture, **inputs)
    (features,) = stub.call("DittoWav2Feat", engine=engine, audio=sound)
    (motion,) = stub.call("DittoLMDMSample", avatar=avatar, speech=features)
    (keypoints,) = stub.call("DittoMotionStitch", avatar=avatar, motion=motion)
    (volumes,) = stub.call("DittoWarp3D", keypoints=keypoints)
    (crops,) = stub.call("DittoDecode", volumes=volumes)
    (frames,) = stub.call("DittoPutBackBlend", crops=crops)
    assert_only_this_side_moves(frames.images[0 : len(frames.images)].numpy(), speaker)


def assert_only_this_side_moves(frames: np.ndarray, speaker: Any) -> None:
    other = RIGHT if speaker is LEFT else LEFT
    assert (frames[other] == frames[0][other[1:]]).all()
    assert np.ptp(frames[speaker].astype(int), axis=0).max() > 30


def test_frames_without_the_face_stay_as_they_are_and_are_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    clip = write_gap(tmp_path / "clip.mkv", gap=range(6, 9))
    speech = write_speech(tmp_path / "speech.wav", seconds=0.8)
    assert talk(clip, speech, tmp_path / "out.mp4") == 0
    told = capfd.readouterr().err
    assert "Something else is seen instead of the face in 3 of 20 frames (first: 6)" in told
    assert "No face" not in told


def write_gap(path: Path, gap: range) -> Path:
    """A clip of the portrait whose face is smeared beyond recognition for some frames."""
    whole = np.asarray(face())
    smeared = np.asarray(face().resize((5, 5), Image.Resampling.BOX).resize((256, 256)))
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25, options={"g": "1"})
        stream.width = stream.height = 256
        for index in range(20):
            frame = av.VideoFrame.from_ndarray(smeared if index in gap else whole, "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
