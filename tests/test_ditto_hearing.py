"""Chunks of a recording through a HuBERT stand-in: in batches or side by side, as its file allows."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from helpers.ditto_release import write_hubert
from torch import Tensor

from ditto_core.ditto.hearing import SIDE_BY_SIDE, TOGETHER, SpeechEncoder
from ditto_core.ditto.speech import FRAME, PUBLISHED_CHUNK, speech_features
from ditto_core.errors import ModelError
from ditto_core.models.memory import OutOfMemory
from ditto_core.models.runners import OnnxRunner

SPEECH = torch.sin(torch.arange(16000 * 5) / 20) * torch.linspace(0, 1, 16000 * 5)  # 25 chunks
CHUNKS = 25


@dataclass
class Watched:
    """A runner that notes what it is given, and how many calls there are at the same time."""

    runner: OnnxRunner
    room: int = 100
    meeting: threading.Barrier | None = None
    sizes: list[int] = field(default_factory=list[int])
    running: int = 0
    most: int = 0
    lock: Any = field(default_factory=threading.Lock)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.runner, name)

    def __call__(self, **inputs: Tensor) -> dict[str, Tensor]:
        with self.lock:
            self.sizes.append(len(inputs["input_values"]))
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            if self.sizes[-1] > self.room:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            if self.meeting is not None:
                self.meeting.wait(timeout=30)
            return self.runner(**inputs)
        finally:
            with self.lock:
                self.running -= 1


def encoder(path: Path, *, batched: bool, width: int = 1024) -> tuple[SpeechEncoder, Watched]:
    write_hubert(path / "hubert.onnx", width, batched)
    watched = Watched(OnnxRunner(path / "hubert.onnx"))
    networks = SimpleNamespace(runners={"hubert": watched}, files={"hubert": path / "hubert.onnx"})
    return SpeechEncoder(cast(Any, networks)), watched


def listened(hear: SpeechEncoder, **options: Any) -> Tensor:
    return speech_features(SPEECH, hear, batches=hear.batches, **options)


def test_a_file_that_takes_batches_gets_them(tmp_path: Path):
    hear, watched = encoder(tmp_path, batched=True)
    features = listened(hear)
    assert watched.sizes == [TOGETHER] * (CHUNKS // TOGETHER) + [CHUNKS % TOGETHER]
    torch.testing.assert_close(features, speech_features(SPEECH, hear), rtol=1e-5, atol=1e-5)


def test_the_published_file_works_on_two_chunks_at_a_time(tmp_path: Path):
    hear, watched = encoder(tmp_path, batched=False)
    one_by_one = speech_features(SPEECH, hear)
    assert (watched.most, watched.sizes) == (1, [1] * CHUNKS)

    watched.meeting = threading.Barrier(SIDE_BY_SIDE)  # breaks when a call waits for another in vain
    even = CHUNKS // 2 * 2 * PUBLISHED_CHUNK.present
    given = speech_features(SPEECH[: even * FRAME], hear, batches=hear.batches)
    assert watched.most == SIDE_BY_SIDE
    assert torch.equal(given[: -PUBLISHED_CHUNK.future], one_by_one[: even - PUBLISHED_CHUNK.future])


def test_both_files_give_the_same(tmp_path: Path):
    results: list[Tensor] = []
    for batched in (True, False):
        hear, _ = encoder(tmp_path, batched=batched)
        results.append(listened(hear))
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("batched", "heard"), [(True, TOGETHER), (False, SIDE_BY_SIDE)])
def test_an_interrupt_stops_before_the_next_batch(batched: bool, heard: int, tmp_path: Path):
    hear, watched = encoder(tmp_path, batched=batched)

    def stop(done: int, _total: int) -> None:
        if done:
            raise InterruptedError("stopped")

    with pytest.raises(InterruptedError):
        listened(hear, progress=stop)
    assert sum(watched.sizes) == heard
    assert not [thread for thread in threading.enumerate() if "ditto-hear" in thread.name]


@pytest.mark.parametrize("batched", [True, False])
def test_another_network_is_named(batched: bool, tmp_path: Path):
    hear, _ = encoder(tmp_path, batched=batched, width=768)
    with pytest.raises(ModelError, match=r"hubert\.onnx gives features .*768\) for 6480 samples"):
        listened(hear)


def test_short_of_memory_fewer_chunks_are_heard_at_once(tmp_path: Path):
    hear, watched = encoder(tmp_path, batched=True)
    watched.room = 1
    features = listened(hear)
    assert hear.batches.size == 1
    assert watched.sizes == [4, 2, *[1] * CHUNKS]
    watched.room = 0
    with pytest.raises(OutOfMemory, match="does not suffice for listening"):
        listened(hear)
    assert features.shape == (125, 1024)


def test_a_stream_hears_one_chunk(tmp_path: Path):
    hear, watched = encoder(tmp_path, batched=False)
    assert hear(SPEECH[None, : PUBLISHED_CHUNK.samples]).shape == (1, 20, 1024)
    assert watched.sizes == [1]
