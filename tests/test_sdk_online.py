"""The documented `run_chunk` with Ditto: frames are written while speech comes, in sync, all or nothing."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from helpers.ditto_stream import threads_end
from helpers.people import face, frames_in

from ditto_core.data import Audio
from ditto_core.ditto.engine import DittoEngine
from ditto_core.ditto.online import animate_online
from ditto_core.errors import InputError
from ditto_core.media.writer import write_video
from ditto_core.sdk import StreamSDK

SHORT: dict[str, Any] = {"overlap_v2": 75, "sampling_timesteps": 1, "seed": 2}
"""Frames come soon: a window adds five."""
EXACT: dict[str, Any] = {"crf": 0, "pixel_format": "yuv444p"}


@pytest.fixture(scope="module")
def stream(release: Path) -> StreamSDK:
    config = release / "ditto_cfg" / "v0.4_hubert_cfg_pytorch.pkl"
    return StreamSDK(config, release / "ditto_pytorch", engine="ditto")


@pytest.fixture(scope="module")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("faces") / "portrait.png"
    face().resize((128, 128)).save(path)
    return path


@pytest.fixture(autouse=True)
def no_thread_is_left(stream: StreamSDK) -> Iterator[None]:
    with threads_end():
        yield
        stream._give_up()


def speech(frames: float) -> np.ndarray:
    return (0.1 * np.random.default_rng(1).standard_normal(round(frames * 640))).astype(np.float32)


def chunks_of(samples: np.ndarray, size: tuple[int, int, int] = (3, 5, 2)) -> Iterator[np.ndarray]:
    """Chunks as the documents' program cuts them."""
    past, present, _ = size
    fed = np.concatenate([np.zeros(past * 640, np.float32), samples])
    whole = int(sum(size) * 0.04 * 16000) + 80
    for start in range(0, len(samples), present * 640):
        piece = fed[start : start + whole]
        yield np.pad(piece, (0, whole - len(piece)))


def run(stream: StreamSDK, samples: np.ndarray, size: tuple[int, int, int] = (3, 5, 2)) -> None:
    for chunk in chunks_of(samples, size):
        stream.run_chunk(chunk, size)
    stream.close()


def pictures(path: Path) -> np.ndarray:
    with av.open(path) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])


def test_frames_are_written_while_speech_comes(stream: StreamSDK, portrait: Path, tmp_path: Path) -> None:
    stream.setup(portrait, tmp_path / "out.mp4", **SHORT)
    written: list[int] = []
    for chunk in chunks_of(speech(200)):
        stream.run_chunk(chunk)
        assert stream._streamed is not None
        written.append(stream._streamed.frames)
    assert 0 < written[len(written) // 2] < written[-1]
    assert [path.name.startswith(".ditto-") for path in tmp_path.iterdir()] == [True]
    stream.close()
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert frames_in(tmp_path / "out.mp4") == 200


@pytest.mark.parametrize("told", [True, False])
def test_they_are_the_frames_of_the_whole_recording(
    stream: StreamSDK, portrait: Path, tmp_path: Path, told: bool
) -> None:
    samples = speech(30)
    stream.setup(portrait, tmp_path / "chunks.mp4", blinks=False, **SHORT, **EXACT)
    if told:
        stream.setup_Nd(30, fade_in=3, fade_out=4)
    run(stream, samples)
    options, engine, avatar = stream._options, stream.engine, stream._avatar
    assert isinstance(engine, DittoEngine)
    assert avatar is not None
    audio = Audio(torch.from_numpy(samples)[None], 16000)
    whole = animate_online(engine, avatar, audio, options.motion, options.stitch, options.blend)
    write_video(whole, tmp_path / "whole.mp4", options.video)
    chunked, expected = (pictures(tmp_path / name) for name in ("chunks.mp4", "whole.mp4"))
    assert chunked.shape == expected.shape
    # Without a length the last window hears that silence follows; the last frames may differ.
    same = 30 if told else 20
    assert np.array_equal(chunked[:same], expected[:same])


@pytest.mark.parametrize("size", [(3, 5, 2), (0, 1, 0), (2, 7, 3)])
@pytest.mark.parametrize("overlap", [0, 10, 40, 70, 79])
def test_every_overlap_and_chunk_size_gives_the_frames_of_the_speech(
    stream: StreamSDK, portrait: Path, tmp_path: Path, size: tuple[int, int, int], overlap: int
) -> None:
    stream.setup(portrait, tmp_path / "out.mp4", overlap_v2=overlap, sampling_timesteps=1)
    stream.setup_Nd(12)
    run(stream, speech(11.4), size)
    assert frames_in(tmp_path / "out.mp4") == 12


def test_without_a_length_there_is_a_frame_for_each_that_was_new(
    stream: StreamSDK, portrait: Path, tmp_path: Path
) -> None:
    stream.setup(portrait, tmp_path / "out.mp4", **SHORT)
    run(stream, speech(11.4))
    assert frames_in(tmp_path / "out.mp4") == 15


def test_the_sound_is_the_speech(stream: StreamSDK, portrait: Path, tmp_path: Path) -> None:
    samples = np.sin(np.arange(20 * 640, dtype=np.float32) * 0.2) * 0.3
    samples[: 10 * 640] = 0
    stream.setup(portrait, tmp_path / "out.mp4", **SHORT)
    run(stream, samples)
    with av.open(tmp_path / "out.mp4") as file:
        rate = file.streams.audio[0].rate
        heard = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])
    assert rate == 16000
    assert abs(len(heard) - len(samples)) <= 1024  # the codec's frame
    assert np.abs(heard[: 9 * 640]).max() < 0.02 < 0.2 < np.abs(heard[11 * 640 : 19 * 640]).max()


def test_an_error_leaves_nothing_and_the_video_is_given_up(
    stream: StreamSDK, portrait: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise MemoryError("no room")

    stream.setup(portrait, tmp_path / "out.mp4", **SHORT)
    chunk = next(chunks_of(speech(5)))
    stream.run_chunk(chunk)
    with monkeypatch.context() as broken:
        broken.setattr(stream.engine, "decode", fail)
        with pytest.raises(MemoryError, match="no room"):
            run(stream, speech(400))
    assert list(tmp_path.iterdir()) == []
    for go_on in (lambda: stream.run_chunk(chunk), stream.close):
        with pytest.raises(InputError, match="set it up again"):
            go_on()
    stream.setup(portrait, tmp_path / "out.mp4", **SHORT)
    run(stream, speech(5))
    assert frames_in(tmp_path / "out.mp4") == 5


def test_a_video_that_is_not_closed_is_forgotten(stream: StreamSDK, portrait: Path, tmp_path: Path) -> None:
    stream.setup(portrait, tmp_path / "first.mp4", **SHORT)
    stream.run_chunk(next(chunks_of(speech(5))))
    assert len(list(tmp_path.iterdir())) == 1
    stream.setup(portrait, tmp_path / "second.mp4", **SHORT)
    assert list(tmp_path.iterdir()) == []
    stream.run_chunk(next(chunks_of(speech(5))))
    stream._streamed = None
    until = time.monotonic() + 10  # what a thread is busy with ends first
    while list(tmp_path.iterdir()) and time.monotonic() < until:
        gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_what_comes_too_late_or_does_not_fit_is_refused(
    stream: StreamSDK, portrait: Path, tmp_path: Path
) -> None:
    chunk = next(chunks_of(speech(5)))
    stream.setup(portrait, tmp_path / "out.mp4", **SHORT)
    stream.run_chunk(chunk)
    with pytest.raises(InputError, match="before the first run_chunk"):
        stream.setup_Nd(5)
    with pytest.raises(InputError, match="keep to one size"):
        stream.run_chunk(chunk, (3, 4, 2))
    with pytest.raises(InputError, match="6480 samples; this one has 6481"):
        stream.run_chunk(np.zeros(6481, np.float32))
    stream.close()
    assert frames_in(tmp_path / "out.mp4") == 5
    with pytest.raises(InputError, match="finished or was given up"):
        stream.run_chunk(chunk)
    stream.setup(portrait, tmp_path / "out.mp4", fade_out=5, **SHORT)
    with pytest.raises(InputError, match="fade_out"):
        stream.run_chunk(chunk)
    with pytest.raises(InputError, match="name must end in"):
        stream.setup(portrait, tmp_path / "out.gif")
