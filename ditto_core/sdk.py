"""Ditto's documented Python interface, as a thin layer over the stages.

    from ditto_core.sdk import StreamSDK, run_video_inference

What differs from the published program is said in `docs/scripts.md`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .blend.restorers import OpenRestorers
from .blend.superres_files import prepare_restorers
from .data import Avatar, SpeechFeatures
from .ditto.config import DATA_NAMES
from .ditto.engine import DittoEngine
from .ditto.speech import FRAME, PUBLISHED_CHUNK, RATE, Chunk
from .ditto.streamed_video import StreamedVideo
from .engine import Engine
from .errors import InputError
from .flags import BY_NAME, by_target, ignored, tell_ignored, with_values
from .host import Host
from .media.sound import as_audio
from .media.source import open_source
from .media.writer import check_target, write_video
from .models.configs import read_settings
from .models.execution import Execution
from .options import AUTO
from .scripts import RENAMED, SCRIPTS, draws_online, open_engine, published_options
from .talking_head import TalkOptions, animate, check_output, enhanced, register, talk

_OF_THE_CLIP = ("N_d", "online_mode", "chunksize")
"""Options of the published program that follow from the speech and from how it is fed."""

Samples = NDArray[np.float32] | Tensor | Sequence[float]
MoreKwargs = Mapping[str, Mapping[str, Any]] | str | PathLike[str]


class Wav2Feat:
    """Listens: samples to speech features."""

    def __init__(self, engine: Engine, host: Host) -> None:
        self._engine = engine
        self._host = host

    def __call__(self, audio: Samples, sr: int = RATE) -> SpeechFeatures:
        """The features of speech (T,) at `sr` samples a second."""
        return self._engine.encode_speech(as_audio(_samples(audio), sr), self._host)

    wav2feat = __call__


class SpeechSlot:
    """Where the published program hands over speech features: `put` them before `close`."""

    def __init__(self) -> None:
        self.features: SpeechFeatures | None = None

    def put(self, features: SpeechFeatures) -> None:
        self.features = features


class StreamSDK:
    """`setup` a source, say how long the speech is, feed the speech, `close`: the video is written.

    The speech is fed as a whole, `audio2motion_queue.put(wav2feat(audio))`, and rendered by `close`, or piece
    by piece with `run_chunk`, which renders and writes what is ready. One object makes any number of videos,
    one after another.
    """

    def __init__(
        self,
        cfg_pkl: str | PathLike[str],
        data_root: str | PathLike[str],
        *,
        engine: str = AUTO,
        execution: Execution | None = None,
        host: Host | None = None,
    ) -> None:
        """cfg_pkl, data_root: the configuration and the folder of the checkpoints. With engine `auto` Lite
        takes over where they are not there, which `host.notice` tells. execution: how networks are executed,
        on the host's device."""
        self.host = host or Host()
        self.engine = open_engine(engine, self.host, Path(data_root), Path(cfg_pkl), execution)
        self._published = self.engine if isinstance(self.engine, DittoEngine) else None
        self.wav2feat = Wav2Feat(self.engine, self.host)
        self.audio2motion_queue = SpeechSlot()
        self.online_mode = False
        """Whether `setup` or the configuration asks for `run_chunk`; both ways of feeding speech work."""
        self._avatar: Avatar | None = None
        self._output = Path()
        self._options = TalkOptions()
        self._restorers: OpenRestorers = lambda: ()
        self._frames = -1
        self._streamed: StreamedVideo | None = None
        self._chunks: list[Tensor] = []

    def setup(
        self, source_path: str | PathLike[str], output_path: str | PathLike[str], **kwargs: Any
    ) -> None:
        """Register a picture or video. kwargs: the published options, or any flag of `ditto talk` by name."""
        self._give_up()
        given = self.given(kwargs)
        self._options = with_values(TalkOptions(), by_target({**published_options(self.engine), **given}))
        check_target(Path(output_path), self._options.video)  # refused before the work, not after it
        check_output(Path(output_path), source_path)
        self.online_mode = bool(kwargs.get("online_mode", draws_online(self.engine)))
        source = open_source(source_path, self._options.motion.fps)
        self._restorers = prepare_restorers(self._options.superres, self.host)
        self._avatar = register(self.engine, source, self._options.avatar, self.host)
        self._output = Path(output_path)
        self._frames, self._chunks = -1, []
        self.audio2motion_queue = SpeechSlot()

    def given(self, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The published options as our flags.

        Data that belongs to the configuration takes the place of its own until options are read again.
        """
        data = {name: value for name, value in kwargs.items() if name in DATA_NAMES and name not in BY_NAME}
        if self._published:
            self.engine = self._published.with_data(data)
        others = _known({name: value for name, value in kwargs.items() if name not in data})
        unused = [*({} if self._published else data), *ignored(self.engine, others)]
        tell_ignored(self.engine, unused, self.host)
        return others

    def setup_Nd(  # noqa: N802  the published name
        self,
        N_d: int,
        fade_in: int = -1,
        fade_out: int = -1,
        ctrl_info: Mapping[int, Mapping[str, Any]] | Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """How many frames there will be, -1 when nobody knows, and what happens in some of them; None keeps
        `setup`'s ctrl_info. With `run_chunk` this comes before the first one."""
        if self._streamed:
            raise InputError("setup_Nd comes before the first run_chunk: frames are being rendered already.")
        self._frames = N_d
        given: dict[str, Any] = {"fade_in": fade_in, "fade_out": fade_out}
        if ctrl_info is not None:
            given["ctrl_info"] = ctrl_info
        self._options = with_values(self._options, by_target(given))

    def run_chunk(self, audio_chunk: Samples, chunksize: tuple[int, int, int] = PUBLISHED_CHUNK.size) -> None:
        """Take a piece of speech at 16 kHz: past, present and future frames; the present ones are new.

        As published, each piece begins `present` frames after the one before, the first one with `past`
        frames of silence. With Ditto the frames that are ready are rendered and written, and speech that
        comes faster than that waits here. Lite and super-resolution take the whole speech, in `close`.
        """
        self._registered()
        samples, chunk = _samples(audio_chunk), Chunk(*chunksize)
        if isinstance(self.engine, DittoEngine) and self._options.superres.off:
            self._stream(self.engine, chunk).take(samples)
        else:
            present = slice(chunk.past * FRAME, (chunk.past + chunk.present) * FRAME)
            self._chunks.append(chunk.checked(samples)[present])

    def close(self) -> Path:
        """Render and write the video with its sound; gives its path."""
        if self._streamed:
            self._streamed.finish()
            made = self._streamed.frames
        else:
            frames = animate(self._registered(), self._heard(), self._options, self.host)
            frames = enhanced(frames, self._restorers, self._options.superres, self.host)
            write_video(frames, self._output, self._options.video, self.host)
            made = len(frames.images)
        if self._frames not in (-1, made):
            self.host.notice(f"setup_Nd was told {self._frames} frames; the speech gives {made}.")
        return self._output

    def _heard(self) -> SpeechFeatures:
        """The whole speech."""
        features = self.audio2motion_queue.features
        if self._chunks:
            samples = torch.cat(self._chunks)
            features = self.wav2feat(samples[: self._frames * FRAME] if self._frames > 0 else samples)
        if features is None:
            raise InputError(
                "There is no speech. Before close, call run_chunk or audio2motion_queue.put(wav2feat(audio))."
            )
        # What is heard does not depend on the data that `setup` may have replaced.
        same = isinstance(features.engine, type(self.engine))
        return replace(features, engine=self.engine) if same else features

    def _stream(self, engine: DittoEngine, chunk: Chunk) -> StreamedVideo:
        """The video that chunks of this size go into."""
        if self._streamed is None:
            options = self._options
            self._streamed = StreamedVideo(
                engine,
                self._registered(),
                self._output,
                options.motion,
                options.stitch,
                options.blend,
                options.video,
                self.host,
                chunk=chunk,
                length=self._frames if self._frames > 0 else None,
            )
        if self._streamed.chunk != chunk:
            raise InputError(f"The first chunk had another size than {chunk.size}; keep to one size.")
        return self._streamed

    def _give_up(self) -> None:
        """Forget a video that was not closed."""
        if self._streamed:
            self._streamed.cancel()
        self._streamed = self._avatar = None

    def _registered(self) -> Avatar:
        if self._avatar is None:
            raise InputError("There is nothing to render: call setup with a source and an output first.")
        return self._avatar


def run_video_inference(
    SDK: StreamSDK,
    audio_path: str | PathLike[str],
    source_video_path: str | PathLike[str],
    output_path: str | PathLike[str],
    more_kwargs: MoreKwargs | None = None,
) -> Path:
    """What `inference_video` does, with a loaded `StreamSDK`; gives the path written.

    more_kwargs: `setup_kwargs` and `run_kwargs` (fade_in, fade_out, ctrl_info), or a .json or .pkl file with
    them. Nothing of it is changed.
    """
    more = _read(more_kwargs)
    given = SDK.given({**more.get("setup_kwargs", {}), **more.get("run_kwargs", {})})
    options = SCRIPTS["inference_video"].options({"emo": None, **given}, published_options(SDK.engine))
    return talk(source_video_path, audio_path, output_path, engine=SDK.engine, options=options, host=SDK.host)


def _known(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The published options under the names of our flags."""
    known: dict[str, Any] = {}
    for name, value in kwargs.items():
        if name in _OF_THE_CLIP:
            continue
        ours = RENAMED.get(name, name)
        if ours not in BY_NAME:
            raise InputError(f"There is no option {name!r}; use one of {', '.join(BY_NAME)}.")
        # The documents set this whole number of frames to 0.1.
        fraction = ours == "delta_eye_open_n" and isinstance(value, float) and math.isfinite(value)
        known[ours] = round(value) if fraction else value
    return known


def _read(more_kwargs: MoreKwargs | None) -> Mapping[str, Mapping[str, Any]]:
    """The options of `run_video_inference`, from a file when they are in one."""
    if more_kwargs is None or isinstance(more_kwargs, Mapping):
        return more_kwargs or {}
    return read_settings(more_kwargs)


def _samples(audio: Samples) -> Tensor:
    """Mono float32 samples (T,)."""
    samples = torch.as_tensor(audio, dtype=torch.float32)
    if samples.ndim != 1:
        raise InputError(f"Speech must be mono samples (T,); this is {tuple(samples.shape)}.")
    return samples
