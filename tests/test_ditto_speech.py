"""Speech features in chunks against the recorded ones, with a stand-in for HuBERT."""

from __future__ import annotations

import pytest
import torch
from helpers.golden import Golden, assert_relative, table
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ditto_core.ditto.speech import Chunk, SpeechStream, frame_count, speech_features
from ditto_core.errors import InputError
from ditto_core.models.memory import Batches

RECORDED = Golden("ditto/hubert_chunks")
TABLE = table("ditto/audio_frames")


def fake_hubert(samples: Tensor) -> Tensor:
    """The recording's encoder: the mean of each field of view, times 1 + column / 1024."""
    views = samples.unfold(1, 400, 320).mean(dim=2)
    return views[..., None] * (1 + torch.arange(1024) / 1024)


@pytest.mark.parametrize("at_once", [1, 3])
@pytest.mark.parametrize("index", range(5))
def test_a_whole_recording(index: int, at_once: int):
    features = speech_features(RECORDED[f"in.audio{index}"], fake_hubert, batches=Batches(at_once))
    assert_relative(features[:, ::128], RECORDED[f"out.feat{index}"])


def test_other_chunk_sizes():
    features = speech_features(RECORDED["in.audio0"], fake_hubert, Chunk(5, 5, 3))
    assert_relative(features[:, ::128], RECORDED["out.offline_5_5_3"])
    for size in ((3, 5, 2), (2, 5, 1)):
        chunk = Chunk(*size)
        features = chunk.encode(RECORDED["in.audio0"][None, : chunk.samples], fake_hubert)
        assert_relative(features[:, ::128], RECORDED["out.chunk_{}_{}_{}".format(*size)])


def test_a_stream():
    stream, samples = SpeechStream(fake_hubert), RECORDED["in.audio1"]
    given_so_far = [stream.push(piece) for piece in samples.split(1000)]
    features = torch.cat([rows for rows in (*given_so_far, stream.close()) if rows is not None])
    # Published code gives some rows of the silence after the end too.
    assert len(features) == frame_count(len(samples)) == 38
    assert_relative(features[:, ::128], RECORDED["out.online_audio1"][:38])


@given(st.integers(1, 20000), st.integers(1, 8000))
def test_a_stream_gives_one_row_a_frame_and_the_same_for_any_pieces(length: int, piece: int):
    samples = torch.sin(torch.arange(length) / 50.0)
    results: list[Tensor] = []
    for size in (piece, length):
        stream = SpeechStream(fake_hubert)
        rows = [*(stream.push(part) for part in samples.split(size)), stream.close()]
        results.append(torch.cat([row for row in rows if row is not None]))
    assert len(results[0]) == frame_count(length)
    assert torch.equal(*results)


def test_nothing_was_said():
    assert SpeechStream(fake_hubert).close() is None
    with pytest.raises(InputError, match="at least one"):
        speech_features(torch.empty(0), fake_hubert)


def test_frame_counts_and_chunk_lengths():
    for samples, frames in TABLE["rows"]:
        assert frame_count(samples) == frames
    for size, samples in TABLE["split_len"].items():
        assert Chunk(*map(int, size.strip("()").split(","))).samples == samples


def test_chunks_start_where_the_published_ones_do():
    """One sample early where its product rounds down."""
    frame, start = TABLE["chunk_start_exceptions"][0]
    samples = torch.zeros((frame + 5) * 640)
    samples[start - 2000 : start - 1999] = 1.0  # 2000 zeros stand before the recording
    heard: list[Tensor] = []

    def listen(chunk: Tensor) -> Tensor:
        heard.append(chunk[0])
        return torch.zeros(1, 20, 1)

    assert len(speech_features(samples, listen)) == frame + 5
    assert heard[frame // 5][0] == 1.0


@pytest.mark.parametrize("size", [(-1, 5, 2), (3, 0, 2), (3, 5, -1)])
def test_an_impossible_chunk_is_refused(size: tuple[int, int, int]):
    with pytest.raises(InputError, match="chunksize"):
        Chunk(*size)
