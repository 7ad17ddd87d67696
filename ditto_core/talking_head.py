"""The whole pipeline in one call: a picture or video of a person and speech in, finished frames out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .blend.put_back import put_back
from .blend.restorers import OpenRestorers
from .blend.superres import enhance
from .blend.superres_files import prepare_restorers
from .blend.superres_plan import SuperResOptions
from .controls.control import Controls
from .controls.curve import Clip
from .data import Audio, Avatar, Frames, Source, SpeechFeatures
from .ditto.engine import DittoEngine
from .ditto.online import animate_online
from .ditto.speech import PUBLISHED_CHUNK, Chunk
from .engine import Engine, common_engine
from .engines import load_engine
from .errors import EngineError, InputError
from .host import Host
from .media.encoders import VideoOptions
from .media.sound import as_audio, read_audio
from .media.source import as_source, open_source
from .media.writer import check_target, write_video
from .options import AUTO, AvatarOptions, BlendOptions, MotionOptions, StitchOptions, as_fps

PathOrPixels = str | PathLike[str] | NDArray[np.uint8] | Tensor
PathOrSound = str | PathLike[str] | tuple[NDArray[np.float32] | Tensor, int]


@dataclass(frozen=True)
class TalkOptions:
    """Every stage's options together.

    controls: what changes over the clip; it is merged into the others. online: draw motion as for speech that
    is still coming (Ditto only). chunksize: past, present and future frames then heard at once.
    """

    avatar: AvatarOptions = field(default_factory=AvatarOptions)
    motion: MotionOptions = field(default_factory=MotionOptions)
    stitch: StitchOptions = field(default_factory=StitchOptions)
    blend: BlendOptions = field(default_factory=BlendOptions)
    superres: SuperResOptions = field(default_factory=SuperResOptions)
    video: VideoOptions = field(default_factory=VideoOptions)
    controls: Controls = field(default_factory=Controls)
    online: bool = False
    chunksize: tuple[int, int, int] = PUBLISHED_CHUNK.size

    def __post_init__(self) -> None:
        Chunk(*self.chunksize)  # a size that cannot be is refused before the work

    def merged(self, audio: Audio) -> TalkOptions:
        """The same with the controls worked into the stages' options, for this speech."""
        clip = Clip(audio.frame_count(self.motion.fps), self.motion.fps)
        return replace(
            self,
            avatar=self.controls.avatar(self.avatar),
            motion=self.controls.motion(self.motion, clip),
            stitch=self.controls.stitch(self.stitch, clip),
            controls=Controls(),
        )


def render(engine: Engine, source: Source, audio: Audio, options: TalkOptions, host: Host) -> Frames:
    """Run the stages in order. The frames are lazy: they are rendered when they are read."""
    options = options.merged(audio)
    if options.online and not isinstance(engine, DittoEngine):
        raise EngineError(
            f"{engine.label} listens to the whole speech before it draws; only Ditto works online. "
            "Leave online out, or install Ditto's checkpoints."
        )
    restorers = prepare_restorers(options.superres, host)  # a missing file is said before the work
    avatar = register(engine, source, options.avatar, host)
    if options.online and isinstance(engine, DittoEngine):
        parts = (options.motion, options.stitch, options.blend)
        frames = animate_online(engine, avatar, audio, *parts, host, chunk=Chunk(*options.chunksize))
    else:
        frames = animate(avatar, engine.encode_speech(audio, host), options, host)
    return enhanced(frames, restorers, options.superres, host)


def register(engine: Engine, source: Source, options: AvatarOptions, host: Host) -> Avatar:
    """The first stage, and the user told what he should know of this source."""
    avatar = engine.register(source, options, host)
    for note in avatar.notes:
        host.notice(note)
    return avatar


def animate(avatar: Avatar, speech: SpeechFeatures, options: TalkOptions, host: Host) -> Frames:
    """The stages after registration and listening, up to the faces put back."""
    options = options.merged(speech.audio)
    engine = common_engine(avatar, speech)
    motion = engine.sample_motion(avatar, speech, options.motion, host)
    keypoints = engine.stitch(avatar, motion, options.stitch)
    crops = engine.decode(engine.warp(keypoints))
    return put_back(crops, options.blend)


def enhanced(frames: Frames, restorers: OpenRestorers, options: SuperResOptions, host: Host) -> Frames:
    """The frames after super-resolution, and the user told which; the same frames when it is off."""
    if options.off:
        return frames
    frames, report = enhance(frames, restorers, options, host)
    host.notice(report)
    return frames


def talk(
    source: PathOrPixels,
    audio: PathOrSound,
    output: str | PathLike[str],
    *,
    engine: str | Engine = AUTO,
    fps: float | str | Fraction | None = None,
    seed: int | None = None,
    max_size: int | None = None,
    options: TalkOptions | None = None,
    host: Host | None = None,
) -> Path:
    """Make the person in `source` speak `audio` and write the video to `output`.

    source: a path to a picture or video, or RGB uint8 pixels (H, W, 3) or (S, H, W, 3), a clip at `fps`.
    audio: a path, or samples (T,) or (C, T) with their rate. engine: its name, or a loaded one. fps, seed and
    max_size override the same fields of `options`.
    Returns the path written. Raises a `DittoError` that says what to do when something cannot be used.
    """
    host = host or Host()
    options = _with_overrides(options or TalkOptions(), fps, seed, max_size)
    check_target(Path(output), options.video)  # refused before the work, not after it
    check_output(Path(output), source, audio)
    rate = options.motion.fps
    opened = open_source(source, rate) if isinstance(source, (str, PathLike)) else as_source(source, rate)
    sound = read_audio(audio) if isinstance(audio, (str, PathLike)) else as_audio(*_with_rate(audio))
    system = load_engine(engine, host) if isinstance(engine, str) else engine
    frames = render(system, opened, sound, options, host)
    return write_video(frames, output, options.video, host)


def _with_rate(sound: object) -> tuple[Any, int]:
    """Samples and their rate; an `InputError` when one of the two is missing."""
    if not isinstance(sound, (tuple, list)) or len(cast(Sequence[Any], sound)) != 2:
        raise InputError("Sound must be a path, or samples together with their rate: (samples, 16000).")
    samples, rate = cast(Sequence[Any], sound)
    return samples, rate


def check_output(output: Path, *inputs: PathOrPixels | PathOrSound) -> None:
    """Refuse to overwrite what is being read."""
    files = [Path(given) for given in inputs if isinstance(given, (str, PathLike))]
    for file in files:
        with suppress(OSError):  # one of the two is not there
            if output.samefile(file):
                raise InputError(f"The output {file} is an input too and would be lost; choose another name.")


def _with_overrides(
    options: TalkOptions, fps: float | str | Fraction | None, seed: int | None, max_size: int | None
) -> TalkOptions:
    motion, avatar = options.motion, options.avatar
    if fps is not None:
        motion = replace(motion, fps=as_fps(fps))
    if seed is not None:
        motion = replace(motion, seed=seed)
    if max_size is not None:
        avatar = replace(avatar, max_size=max_size)
    return replace(options, motion=motion, avatar=avatar)
