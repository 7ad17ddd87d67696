"""Streams of speech wait, fail and stop without a hang, and refuse what they cannot use."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
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
from torch import Tensor

from ditto_core.ditto.avatar import DittoAvatar
from ditto_core.ditto.engine import DittoEngine
from ditto_core.ditto.streaming import StreamingSession
from ditto_core.engines import load_engine
from ditto_core.errors import EngineError, InputError, Interrupted
from ditto_core.host import Host
from ditto_core.media.source import as_source
from ditto_core.options import AvatarOptions, StitchOptions


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    with threads_end():
        yield


class Slow:
    """Stands in for a stage of the engine: works when it is let."""

    def __init__(self, stage: Callable[[Any], Any]) -> None:
        self.stage = stage
        self.calls = 0
        self.released = threading.Event()

    def __call__(self, given: Any) -> Any:
        self.calls += 1
        assert self.released.wait(20)
        return self.stage(given)


def slowed(monkeypatch: pytest.MonkeyPatch, engine: DittoEngine, stage: str) -> Slow:
    slow = Slow(getattr(engine, stage))
    monkeypatch.setattr(engine, stage, slow)
    return slow


def begun(act: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=act)
    thread.start()
    return thread


def within_a_second(act: Callable[[], object]) -> None:
    start = time.perf_counter()
    act()
    assert time.perf_counter() - start < 1


# Waiting


def test_a_stream_takes_no_more_than_it_can_hold(
    engine: DittoEngine, person: DittoAvatar, monkeypatch: pytest.MonkeyPatch
):
    slow = slowed(monkeypatch, engine, "decode")
    session = StreamingSession(engine, person, SHORT)
    pushed: list[int] = []

    def speak() -> None:
        for part in sound(4).split(3200):
            session.push(part)
            pushed.append(len(part))

    speaker = begun(speak)
    time.sleep(0.8)
    held = len(pushed)
    time.sleep(0.4)
    assert held == len(pushed) < 15  # of 20
    assert slow.calls == 1
    slow.released.set()
    speaker.join(60)
    assert len(pushed) == 20
    session.cancel()


def test_frames_nobody_takes_make_the_stages_wait(engine: DittoEngine, person: DittoAvatar):
    with StreamingSession(engine, person, SHORT, room=2) as session:
        frames = session.feed(sound(8))
        first = next(frames)
        time.sleep(0.5)
        queued = [len(queue.items) for queue in session._line._queues]
        assert max(queued) == 2
        assert len(first) == 1
        assert not first.is_inference()
        frames.close()  # what a writer that fails does


def test_memory_is_flat(engine: DittoEngine, person: DittoAvatar):
    stages = drawn_stages(engine, person, replace(SHORT, sampling_timesteps=1))
    for _ in stages.stitch(stages.draw(stages.listen(iter([sound(1)[:3200]] * 100)))):
        assert len(stages.speech._waiting) < 6480 + 3200
        assert len(stages.motion._chain.motion) <= 240
        assert len(stages.motion._waiting) < 80


# Ending


def test_close_twice_and_push_after_close(engine: DittoEngine, person: DittoAvatar):
    session = StreamingSession(engine, person, SHORT)
    session.push(sound(0.1))
    assert len(session.close()) == 3
    assert session.close().shape == (0, 256, 256, 3)
    with pytest.raises(InputError, match="closed; start a new one"):
        session.push(sound(0.1))
    session.cancel()


def test_nothing_was_said(engine: DittoEngine, person: DittoAvatar):
    session = StreamingSession(engine, person, SHORT)
    assert session.push(torch.empty(0)).shape == (0, 256, 256, 3)
    assert len(session.close()) == 0


@pytest.mark.parametrize("stage", ["hear", "stitcher", "warp", "decode"])
def test_the_error_of_a_stage_reaches_the_caller(
    engine: DittoEngine, person: DittoAvatar, monkeypatch: pytest.MonkeyPatch, stage: str
):
    session = StreamingSession(engine, person, SHORT)

    def fail(*_: Any) -> None:
        raise RuntimeError(f"{stage} broke")

    if stage == "stitcher":
        monkeypatch.setattr("ditto_core.ditto.stitch.MotionStitcher.drive", fail)
    elif stage == "hear":
        monkeypatch.setattr(engine.networks.runners["hubert"], "_load", fail)
    else:
        monkeypatch.setattr(engine, stage, fail)
    with pytest.raises(RuntimeError, match=f"{stage} broke"):
        session.push(sound(20))
    with pytest.raises(InputError, match="closed"):
        session.push(sound(0.2))
    assert len(session.close()) == 0


def test_an_error_at_the_end_reaches_close(
    engine: DittoEngine, person: DittoAvatar, monkeypatch: pytest.MonkeyPatch
):
    session = StreamingSession(engine, person, SHORT)
    session.push(sound(0.1))
    monkeypatch.setattr(
        "ditto_core.ditto.streaming.put_back", lambda *_: (_ for _ in ()).throw(MemoryError("no room"))
    )
    with pytest.raises(MemoryError, match="no room"):
        session.close()


def test_cancel_from_another_thread_frees_a_waiting_push(
    engine: DittoEngine, person: DittoAvatar, monkeypatch: pytest.MonkeyPatch
):
    slow = slowed(monkeypatch, engine, "warp")
    session = StreamingSession(engine, person, SHORT)
    caught: list[BaseException] = []

    def speak() -> None:
        try:
            session.push(sound(10))
        except Interrupted as stopped:
            caught.append(stopped)

    speaker = begun(speak)
    time.sleep(0.3)
    threading.Timer(0.2, slow.released.set).start()
    within_a_second(session.cancel)
    within_a_second(lambda: speaker.join(5))
    assert "cancelled" in str(caught[0])
    time.sleep(0.05)


def test_a_window_is_left_between_its_steps(
    engine: DittoEngine, person: DittoAvatar, monkeypatch: pytest.MonkeyPatch
):
    model = engine.networks.motion_model
    predict = model.predict

    def slow(*given: Any) -> Tensor:
        time.sleep(0.05)
        return predict(*given)

    monkeypatch.setattr(model, "predict", slow)
    session = StreamingSession(engine, person, replace(SHORT, sampling_timesteps=200))
    session.push(sound(0.5))
    time.sleep(0.2)
    within_a_second(session.cancel)


def test_the_user_may_interrupt_a_waiting_push(
    engine: DittoEngine, person: DittoAvatar, monkeypatch: pytest.MonkeyPatch
):
    class Impatient(Host):
        asked = 0

        def check_interrupted(self) -> None:
            self.asked += 1
            if self.asked > 40:
                raise Interrupted("enough")

    decode = engine.decode

    def slow(volumes: Any) -> Any:
        time.sleep(0.1)
        return decode(volumes)

    monkeypatch.setattr(engine, "decode", slow)
    session = StreamingSession(engine, person, SHORT, host=Impatient())
    with pytest.raises(Interrupted, match="enough"):
        session.push(sound(10))
    with pytest.raises(InputError, match="closed"):
        session.push(sound(0.1))


def test_a_block_left_early_leaves_nothing_running(engine: DittoEngine, person: DittoAvatar):
    def talk_and_fail() -> None:
        with StreamingSession(engine, person, SHORT) as session:
            session.push(sound(1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        talk_and_fail()


def test_a_forgotten_session_ends(engine: DittoEngine, person: DittoAvatar):
    session = StreamingSession(engine, person, SHORT)
    session.push(sound(0.5))
    threads = session._line._threads
    del session
    gc.collect()
    for thread in threads:
        thread.join(2)
        assert not thread.is_alive()


# What it is given


def test_the_callers_buffer_is_his_again(engine: DittoEngine, person: DittoAvatar):
    samples = recording().numpy().copy()
    expected = whole(StreamingSession(engine, person, SHORT), recording(), 3200)
    with StreamingSession(engine, person, SHORT) as session:
        buffer = np.empty(3200, np.float32)
        frames: list[Tensor] = []
        for start in range(0, len(samples), 3200):
            part = samples[start : start + 3200]
            buffer[: len(part)] = part
            frames.append(session.push(buffer[: len(part)]))
            buffer[:] = 7
        frames.append(session.close())
    assert torch.equal(torch.cat(frames), expected)


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros((1, 800), np.float32), "mono"),
        (np.zeros(800, np.int16), "int16"),
        (torch.tensor([0.0, float("nan")]), "NaN"),
    ],
)
def test_unusable_speech_is_refused_and_the_stream_goes_on(
    engine: DittoEngine, person: DittoAvatar, samples: Any, words: str
):
    with StreamingSession(engine, person, SHORT) as session:
        with pytest.raises(InputError, match=words):
            session.push(samples)
        session.push(sound(0.1))
        assert len(session.close()) == 3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"motion": replace(QUICK, fps=Fraction(30))}, "25 frames a second; fps is 30"),
        ({"stitch": StitchOptions(fade_out=5)}, "fade_out needs to know"),
        ({"length": 0}, "length is 0"),
        ({"room": 0}, "room is 0"),
    ],
)
def test_options_that_do_not_fit_are_refused_at_once(
    engine: DittoEngine, person: DittoAvatar, given: dict[str, Any], words: str
):
    with pytest.raises(InputError, match=words):
        StreamingSession(engine, person, **given)


def test_another_engines_person_is_refused(engine: DittoEngine):
    lite = load_engine("lite", Host())
    person = lite.register(as_source(np.asarray(face())), AvatarOptions(), Host())
    with pytest.raises(EngineError, match="registered by Lite"):
        StreamingSession(engine, person)
