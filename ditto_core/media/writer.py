"""Writes finished frames and their sound as a video file: streamed, exact in time, all or nothing."""

from __future__ import annotations

import errno
import stat
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from fractions import Fraction
from os import PathLike
from pathlib import Path

import av
from av.container import OutputContainer
from av.error import FFmpegError
from torch import Tensor

from ..data import Frames
from ..errors import InputError, MediaError
from ..host import Host
from ..unfinished import probe, unfinished
from .encoders import CONTAINERS, Container, VideoOptions, check_pixel_format
from .tracks import PictureTrack, SoundTrack, as_laid_out


def write_video(
    frames: Frames, path: str | PathLike[str], options: VideoOptions | None = None, host: Host | None = None
) -> Path:
    """Render `frames` batch by batch into a video file with their sound, if they have any; returns its path.

    The suffix chooses the file type (.mp4, .mov, .mkv, .webm). Colours are BT.709, limited range. Where the
    pixel format shares colour between neighbours (4:2:0, 4:2:2) an odd last row or column is dropped. Sound
    keeps its rate if the codec knows it, and is cut or filled with silence to the pictures' duration; more
    channels than stereo are kept as 5.1 and 7.1, other numbers are mixed to one. The file appears under its
    name only when it is complete: it is written beside it, and removed after an error or an interrupt.

    Progress is reported as "render". Raises `InputError` for options that do not fit together and
    `MediaError` when the file cannot be written.
    """
    options, host, path = options or VideoOptions(), host or Host(), Path(path)
    _container_for(path, options)
    total = len(frames.images)
    if total == 0:
        raise InputError("There are no frames to write.")
    sound = frames.audio and as_laid_out(frames.audio)
    form = sound and (sound.rate, len(sound.samples))
    with video_file(path, frames.height, frames.width, frames.fps, options, form) as file:
        if sound:
            file.add_sound(sound.samples)
            file.end_sound()
        host.check_interrupted()
        for batch in frames.images.batches():
            file.write(batch)
            host.progress("render", file.frames, total, batch[-1])
            host.check_interrupted()
    return path


@contextmanager
def video_file(
    path: Path, height: int, width: int, fps: Fraction, options: VideoOptions, sound: tuple[int, int] | None
) -> Generator[VideoFile]:
    """A file that frames and sound are written to as they come. It appears under its name when the block
    ends, and is thrown away when that fails.

    sound: its samples a second and its channels, 1, 2, 6 or 8, if there is any. What else holds of the file
    is said at `write_video`.
    """
    container = _container_for(path, options)
    raised: Exception | None = None
    try:
        _check_name(path)
        with unfinished(path) as hidden, _encoding(hidden, container) as output:
            pictures = PictureTrack(output, height, width, fps, options)
            track = SoundTrack(output, *sound, container, options) if sound else None
            file = VideoFile(path, pictures, track)
            try:
                yield file
            except (FFmpegError, OSError) as error:
                raised = error
                raise
            file.finish()
            output.close()
            _check_complete(hidden, file.frames)
    except (FFmpegError, OSError) as error:
        if error is raised:  # by what renders the frames: it says nothing of this file
            raise
        raise _cannot_write(path, error) from error


@contextmanager
def _encoding(hidden: Path, container: Container) -> Generator[OutputContainer]:
    """The file, opened to write to, and closed in the end."""
    output = av.open(str(hidden), "w", format=container.format, options=_muxer_options(container))
    try:
        yield output
    except BaseException:
        # Closing completes the file and may fail as well; it is thrown away, so the first error counts.
        with suppress(FFmpegError, OSError, ValueError):
            output.close()
        raise


class VideoFile:
    """Pictures and the sound that goes with them, on their way into a file."""

    def __init__(self, path: Path, pictures: PictureTrack, sound: SoundTrack | None) -> None:
        self._path = path
        self._pictures = pictures
        self._sound = sound

    @property
    def frames(self) -> int:
        """How many pictures were written."""
        return self._pictures.count

    def add_sound(self, samples: Tensor) -> None:
        """Take the sound (channels, T) that follows; all at once where its rate is one the codec lacks."""
        if self._sound:
            with _explained(self._path):
                self._sound.add(samples)

    def end_sound(self) -> None:
        """No more sound comes; silence follows."""
        if self._sound:
            self._sound.ended = True

    def write(self, batch: Tensor) -> None:
        """Encode pictures, RGB uint8 (n, H, W, 3), and the sound up to their end."""
        with _explained(self._path):
            self._pictures.write(batch)
            # Side by side: the container holds back what is ahead of the other track.
            if self._sound:
                self._sound.write_until(self.frames * self._pictures.time_base)

    def finish(self) -> None:
        self.end_sound()
        self._pictures.finish()
        if self._sound:
            self._sound.finish(self.frames * self._pictures.time_base)


def _container_for(path: Path, options: VideoOptions) -> Container:
    """The file type of `path`; an `InputError` when it is unknown or cannot hold what `options` ask for."""
    container = CONTAINERS.get(path.suffix.lower())
    if container is None:
        raise InputError(f"{path.name}: the name must end in one of {', '.join(CONTAINERS)}.")
    if options.codec not in container.video:
        raise InputError(
            f"{path.suffix} files hold {' or '.join(container.video)} video, not {options.codec}; "
            "choose another codec or file type."
        )
    if options.audio_codec not in ("auto", *container.audio):
        raise InputError(
            f"{path.suffix} files hold {' or '.join(container.audio)} sound, not {options.audio_codec}; "
            "choose another audio codec or file type."
        )
    check_pixel_format(options)
    return container


def check_target(path: Path, options: VideoOptions) -> None:
    """Raise now what would keep a video from being written there: an `InputError` or a `MediaError`."""
    _container_for(path, options)
    with _explained(path):
        _check_name(path)
        probe(path)


def _check_name(path: Path) -> None:
    """Raise now what would keep the finished file from getting its name."""
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(path.stat().st_mode):
            raise MediaError(f"{path} is a folder; name a file in it.")


def _muxer_options(container: Container) -> dict[str, str]:
    if container.format not in ("mp4", "mov"):
        return {}
    # The index first, so that players can start early, and its durations not rounded to milliseconds.
    return {"movflags": "+faststart", "movie_timescale": "48000"}


@contextmanager
def _explained(path: Path) -> Generator[None]:
    """Turn what PyAV raises into a `MediaError` for the user."""
    try:
        yield
    except (FFmpegError, OSError) as error:
        raise _cannot_write(path, error) from error


def _cannot_write(path: Path, error: Exception) -> MediaError:
    code = getattr(error, "errno", None)
    if code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return MediaError(f"{path} cannot be written: the disk is full. Free some space or write elsewhere.")
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        return MediaError(f"{path} cannot be written: the folder is write-protected. Choose another one.")
    if code in (errno.EEXIST, errno.ENOTDIR):
        return MediaError(f"{path} cannot be written: a part of its folder is a file. Choose another one.")
    reason = getattr(error, "strerror", None) or error
    return MediaError(f"{path} cannot be written ({reason}). Choose another folder or other video options.")


def _check_complete(path: Path, count: int) -> None:
    """Raise when the file lost its end: not every failed write is reported when the file is closed."""
    with closing(av.open(str(path))) as container:
        stream = container.streams.video[0]
        found = sum(packet.size > 0 for packet in container.demux(stream))
    if found != count:
        raise OSError(errno.ENOSPC, f"only {found} of {count} frames arrived")
