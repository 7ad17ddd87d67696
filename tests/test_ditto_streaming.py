"""Streams of speech: frames in sync, whatever the pieces, and the same as without threads and offline."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.ditto_stream import (
    QUICK,
    SHORT,
    drawn_stages,
    recording,
    sound,
    threads_end,
    whole,
)
from helpers.people import face
from helpers.seeded_weights import seeded_input
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ditto_core.blend.put_back import put_back
from ditto_core.data import Audio
from ditto_core.ditto.avatar import DittoAvatar
from ditto_core.ditto.draw import CHANNELS, FPS, DittoMotion, blink_offsets, draw_motion, stream_motion
from ditto_core.ditto.engine import DittoEngine
from ditto_core.ditto.online import animate_online
from ditto_core.ditto.speech import Chunk, frame_count
from ditto_core.ditto.streaming import BLINK_CYCLE, StreamingSession
from ditto_core.errors import InputError
from ditto_core.host import Host
from ditto_core.media.source import as_source
from ditto_core.options import AvatarOptions, BlendOptions, MotionOptions, StitchOptions


@pytest.fixture(scope="module")
def filmed(engine: DittoEngine) -> DittoAvatar:
    clip = np.stack([np.roll(np.asarray(face()), 2 * frame, axis=1) for frame in range(4)])
    return engine.register(as_source(clip, FPS), AvatarOptions(), Host())


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    with threads_end():
        yield


# Sync


@pytest.mark.parametrize("overlap", [0, 5, 10, 20, 39, 40, 41, 55, 70, 75, 79])
@pytest.mark.parametrize("seconds", [0.1, 0.121, 1.0, 3.21, 10.0])
def test_every_overlap_gives_a_frame_for_each_40_ms(
    engine: DittoEngine, filmed: DittoAvatar, overlap: int, seconds: float
):
    stages = drawn_stages(engine, filmed, MotionOptions(overlap_v2=overlap, sampling_timesteps=1))
    samples = sound(seconds)
    points = list(stages.stitch(stages.draw(stages.listen(iter(samples.split(3200))))))
    assert sum(len(each.driving) for each in points) == frame_count(len(samples))
    shown = torch.cat([each.source_index for each in points])
    assert torch.equal(shown, filmed.source_index(len(shown), FPS))


@pytest.mark.parametrize("overlap", [10, 75])
@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (1600, 3), (1601, 3), (1920, 3), (1921, 4)])
def test_close_gives_the_last_frames(
    engine: DittoEngine, person: DittoAvatar, overlap: int, samples: int, frames: int
):
    motion = replace(QUICK, overlap_v2=overlap)
    pictures = whole(StreamingSession(engine, person, motion), sound(1)[:samples], 1600)
    assert pictures.shape == (frames, 256, 256, 3)
    assert pictures.dtype == torch.uint8
    assert not pictures.is_inference()


CHUNKS = [(3, 5, 2), (0, 1, 0), (10, 1, 4), (1, 12, 0), (0, 5, 7), (3, 79, 2)]


@pytest.mark.parametrize("overlap", [0, 10, 39, 40, 70, 75, 79])
def test_every_chunk_size_gives_the_same_motion(engine: DittoEngine, person: DittoAvatar, overlap: int):
    """The stand-in for HuBERT looks no further than its frame, so that nothing but the cutting differs."""
    samples = sound(2.21)
    drawn: list[Tensor] = []
    for chunk in CHUNKS:
        motion = MotionOptions(overlap_v2=overlap, sampling_timesteps=1)
        stages = drawn_stages(engine, person, motion, chunk=Chunk(*chunk))
        drawn.append(torch.cat(list(stages.draw(stages.listen(iter(samples.split(3200)))))))
    assert {len(motion) for motion in drawn} == {frame_count(len(samples))}
    for motion in drawn[1:]:
        torch.testing.assert_close(motion, drawn[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("chunk", CHUNKS)
def test_a_recording_is_animated_online_with_every_chunk_size(
    engine: DittoEngine, person: DittoAvatar, chunk: tuple[int, int, int]
):
    audio = Audio(recording()[None], 16000)
    frames = animate_online(engine, person, audio, SHORT, chunk=Chunk(*chunk)).images
    expected = animate_online(engine, person, audio, SHORT).images
    assert len(frames) == len(expected) == 23
    assert (frames[:].int() - expected[:].int()).abs().max() <= 1


def test_frames_come_as_soon_as_their_motion_is_final(engine: DittoEngine, person: DittoAvatar):
    """75 frames of warm-up and five of speech fill a window; frames leave one window later."""
    with StreamingSession(engine, person, SHORT) as session:
        early = session.push(sound(0.3))
        assert len(early) == 0
        given = [len(session.push(sound(0.2))) for _ in range(2)]
        begun = time.perf_counter()
        while sum(given) < 5 and time.perf_counter() - begun < 10:
            time.sleep(0.02)
            given.append(len(session.push(torch.empty(0))))
        assert sum(given) >= 5
        assert sum(given) + len(session.close()) == frame_count(3 * 3200 + 1600)


@settings(max_examples=5, deadline=None)
@given(st.lists(st.integers(1, 9000), min_size=1, max_size=12))
def test_any_pieces_give_the_same_frames(engine: DittoEngine, filmed: DittoAvatar, pieces: list[int]):
    samples = recording()
    expected = whole(StreamingSession(engine, filmed, SHORT), samples, len(samples))
    ends = [end for end in np.cumsum(pieces).tolist() if end < len(samples)]
    with StreamingSession(engine, filmed, SHORT) as session:
        parts = torch.tensor_split(samples, ends)
        frames = torch.cat([*(session.push(part) for part in parts), session.close()])
    assert torch.equal(frames, expected)


# The same as without threads, and as offline


def test_threads_change_nothing(engine: DittoEngine, filmed: DittoAvatar):
    stitch = StitchOptions(fade_in=4, ctrl_info={7: {"delta_yaw": 9}}, mouth_amount=1.5)
    blend = BlendOptions(mode="weak")
    stages = drawn_stages(engine, filmed, SHORT, stitch=stitch, blend=blend)
    chain: Iterator[Any] = iter(recording().split(3200))
    for stage in (stages.listen, stages.draw, stages.stitch, stages.warp, stages.decode, stages.put_back):
        chain = stage(chain)
    expected = torch.cat(list(chain))
    session = StreamingSession(engine, filmed, SHORT, stitch, blend)
    assert torch.equal(whole(session, recording(), 1000), expected)


def test_pieces_are_stitched_and_rendered_as_a_whole_clip_is(engine: DittoEngine, filmed: DittoAvatar):
    """The offline stages on the stream's motion; only the frame that all relate to is the warm-up's."""
    stages = drawn_stages(engine, filmed, SHORT, length=23)
    motion = torch.cat(list(stages.draw(stages.listen(iter(recording().split(3200))))))
    assert stages.motion.reference is not None
    options = StitchOptions(fade_in=3, fade_out=5, relative_d=False, ctrl_info={9: {"delta_pitch": 4}})
    eyes = blink_offsets(engine.config.blink_table, len(motion), SHORT)
    audio = Audio(recording()[None], 16000)
    drawn = DittoMotion(engine, motion, FPS, CHANNELS, audio, eyes, stages.drawn_for)
    expected = put_back(engine.decode(engine.warp(engine.stitch(filmed, drawn, options))))
    session = StreamingSession(engine, filmed, SHORT, options, length=23)
    frames = whole(session, recording(), 3200).int()
    assert (frames - expected.images[:].int()).abs().max() <= 1  # one frame at a time, sums differ


def test_motion_relates_to_the_warm_up(engine: DittoEngine, person: DittoAvatar):
    stages = drawn_stages(engine, person, SHORT)
    drawn = list(stages.draw(stages.listen(iter(recording().split(3200)))))
    list(stages.stitch(iter(drawn)))
    assert stages.stitcher.reference is not None
    assert stages.motion.reference is not None
    assert torch.equal(stages.stitcher.reference.exp[0], stages.motion.reference[-63:])
    assert not torch.equal(drawn[0][0], stages.motion.reference)


@pytest.mark.parametrize("frames", [80, 160, 400])
def test_without_overlap_and_smoothing_online_and_offline_motion_are_the_same(
    engine: DittoEngine, person: DittoAvatar, frames: int
):
    """Then no window is warmed up, cross-faded or filled up, which is where the published programs differ."""
    options = MotionOptions(overlap_v2=0, smo_k_d=1, sampling_timesteps=2, seed=3)
    speech = seeded_input("online", (frames, 1024))
    given = (engine.config, options, torch.device("cpu"))
    model, character = engine.networks.motion_model, person.character
    offline = draw_motion(model, speech, character, *given, lambda _done, _total: None)
    stream = stream_motion(model, speech[:0], character, *given, lambda: None)
    online = torch.cat([*(stream.push(rows) for rows in speech.split(5)), stream.close()])
    assert torch.equal(online, offline)


def test_blinks_repeat_when_the_length_is_not_known(engine: DittoEngine, person: DittoAvatar):
    stages = drawn_stages(engine, person, SHORT)
    assert stages.eyes is not None
    assert len(stages.eyes) == BLINK_CYCLE
    stages.motion.reference = torch.zeros(265)
    assert engine.config.blink_table is not None
    blinking = int((stages.eyes != stages.eyes[0]).any(dim=1).nonzero()[0])
    first, again, before = (
        stages._stitched(torch.zeros(1, 265), frame).motion.values
        for frame in (blinking, 2 * BLINK_CYCLE + blinking, 2 * BLINK_CYCLE)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, before)


def test_controls_end_when_the_length_is_not_known(engine: DittoEngine, person: DittoAvatar):
    overall = {"delta_pitch": 1}
    stitch = StitchOptions(fade_in=2, ctrl_info={"4": {"delta_yaw": 9}}, overall_ctrl_info=overall)
    stages = drawn_stages(engine, person, SHORT, stitch=stitch)
    rows = stages.controls(torch.tensor([0, 1, 2, 3, 4, 5, 10**9]))
    assert rows.offset[:, 1].tolist() == [0, 0, 0, 0, 9, 0, 0]
    assert rows.offset[:, 0].tolist() == [1] * 7
    assert rows.fade.tolist() == [0, 0.5, 1, 1, 1, 1, 1]
    stages.motion.reference = torch.zeros(265)
    early, late, later = (
        stages._stitched(torch.zeros(1, 265), frame).driving[0] for frame in (4, 5, 1_000_000)
    )
    assert not torch.equal(early, later)
    assert torch.equal(late, later)


def test_a_frame_far_ahead_is_controlled_and_takes_no_memory(engine: DittoEngine, person: DittoAvatar):
    stitch = StitchOptions(ctrl_info={10**12: {"delta_yaw": 9}, 3: {"delta_yaw": 1}})
    stages = drawn_stages(engine, person, SHORT, stitch=stitch)
    offset = stages.controls(torch.tensor([2, 3, 10**12 - 1, 10**12])).offset
    assert offset[:, 1].tolist() == [0, 1, 0, 9]


def test_a_frame_that_is_named_twice_keeps_both_controls(engine: DittoEngine, person: DittoAvatar):
    stitch = StitchOptions(ctrl_info={3: {"delta_yaw": 1}, "3": {"delta_pitch": 2}})  # type: ignore[dict-item]
    stages = drawn_stages(engine, person, SHORT, stitch=stitch)
    assert stages.controls(torch.tensor([3])).offset.tolist() == [[2, 1, 0]]


def test_a_recording_is_animated_online(engine: DittoEngine, person: DittoAvatar):
    audio = Audio(0.1 * torch.randn(2, 17641, generator=torch.Generator().manual_seed(2)), 44100)
    frames = animate_online(engine, person, audio, SHORT, StitchOptions(fade_out=3))
    assert len(frames.images) == audio.frame_count(FPS) == 11
    assert frames.fps == 25
    assert frames.audio is audio
    batches = list(frames.images.batches(4))
    assert [len(batch) for batch in batches] == [4, 4, 3]
    with pytest.raises(InputError, match=r"Frame 2 of a stream .* 11 follows"):
        frames.images[2]
    del frames
    gc.collect()
