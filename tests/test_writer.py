from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from helpers.media import boxes, numbered_sequence, numbers_of, tone
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ditto_core.data import Audio, Frames
from ditto_core.errors import InputError, Interrupted, MediaError
from ditto_core.host import Host
from ditto_core.media.encoders import VideoOptions
from ditto_core.media.sound import read_audio
from ditto_core.media.video import VideoFrames
from ditto_core.media.writer import check_target, write_video
from ditto_core.sequences import ComputedSequence, TensorSequence

FPS = Fraction(25)
QUICK = VideoOptions(preset="ultrafast")
VOICE = Audio(torch.from_numpy(tone(1.0, 16000))[None], 16000)


def clip(count: int = 25, audio: Audio | None = VOICE, fps: Fraction = FPS) -> Frames:
    return Frames(numbered_sequence(count), fps, audio)


def failing(error: BaseException, at: int = 10) -> Frames:
    """Frames that raise when frame `at` is rendered."""

    def compute(start: int, stop: int) -> torch.Tensor:
        if stop > at:
            raise error
        return numbered_sequence(100)[start:stop]

    return Frames(ComputedSequence(compute, 100, (48, 96, 3), torch.uint8), FPS, VOICE)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@settings(max_examples=8)
@given(
    count=st.integers(1, 40),
    seconds=st.floats(0.01, 3),
    rate=st.sampled_from([8000, 16000, 22050, 44100, 48000, 37800]),
    channels=st.integers(1, 3),
    fps=st.sampled_from([Fraction(25), Fraction(30), Fraction(30000, 1001), Fraction(12)]),
)
@example(count=32, seconds=1.0, rate=44100, channels=1, fps=Fraction(30000, 1001))
def test_pictures_and_sound_have_the_same_exact_length(
    tmp_path_factory: pytest.TempPathFactory,
    count: int,
    seconds: float,
    rate: int,
    channels: int,
    fps: Fraction,
) -> None:
    sound = Audio(torch.from_numpy(tone(seconds, rate)).expand(channels, -1), rate)
    path = tmp_path_factory.mktemp("clips") / "a.mp4"
    assert write_video(clip(count, sound, fps), path, QUICK) == path
    with av.open(str(path)) as container:
        video, track = container.streams.video[0], container.streams.audio[0]
        assert video.frames == count
        assert video.duration * video.time_base == count / fps
        assert abs(track.duration * track.time_base - count / fps) <= Fraction(32, track.rate)
        assert (video.start_time, track.start_time) == (0, 0)
        times = sorted(packet.pts for packet in container.demux(video) if packet.size)
    assert [time * video.time_base for time in times] == [i / fps for i in range(count)]
    assert numbers_of(VideoFrames(path, fps)[:]) == list(range(count))
    assert read_audio(path).samples.shape[0] == (channels if channels < 3 else 1)


def test_sound_stays_in_time_with_the_pictures(tmp_path: Path) -> None:
    rate = 44100
    burst = torch.zeros(2, rate * 2)
    burst[:, rate : rate + 4410] = torch.from_numpy(tone(0.1, rate, 1000))
    samples = read_audio(write_video(clip(50, Audio(burst, rate)), tmp_path / "a.mp4", QUICK)).samples
    assert samples.shape == (2, rate * 2)
    loud = torch.nonzero(samples[0].abs() > 0.2)
    assert abs(int(loud[0]) - rate) < 50
    assert abs(int(loud[-1]) - (rate + 4410)) < 50


def test_short_sound_is_filled_with_silence_and_long_sound_is_cut(tmp_path: Path) -> None:
    samples = read_audio(write_video(clip(50), tmp_path / "a.mp4", QUICK)).samples[0]
    assert samples.shape == (32000,)
    assert samples[18000:].abs().max() < 1e-3
    assert read_audio(write_video(clip(10), tmp_path / "b.mp4", QUICK)).samples.shape == (1, 6400)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_sound_is_as_long_as_the_pictures_in_every_container(tmp_path: Path, name: str, rate: int) -> None:
    sound = Audio(torch.from_numpy(tone(2.0, rate))[None], rate)
    assert read_audio(write_video(clip(30, sound), tmp_path / name, QUICK)).seconds == 1.2


def test_the_index_stands_in_front(tmp_path: Path) -> None:
    path = write_video(clip(), tmp_path / "a.mp4", QUICK)
    assert boxes(path).index("moov") < boxes(path).index("mdat")


def test_silent_video(tmp_path: Path) -> None:
    with av.open(str(write_video(clip(audio=None), tmp_path / "a.mp4"))) as container:
        assert len(container.streams) == 1


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {}),
        ("a.mov", {"codec": "hevc"}),
        ("a.mkv", {"pixel_format": "yuv420p10le"}),
        ("a.mkv", {"pixel_format": "yuv444p", "audio_codec": "opus"}),
        ("a.webm", {"codec": "vp9"}),
        ("a.mp4", {"codec": "av1"}),
        ("A.MP4", {"crf": 0}),
    ],
)
def test_codecs_and_containers(tmp_path: Path, name: str, options: dict[str, str]) -> None:
    # 64 pixels high: an older SVT-AV1 takes nothing smaller.
    frames = Frames(numbered_sequence(25, 64), FPS, VOICE)
    path = write_video(frames, tmp_path / name, VideoOptions(**options))
    assert numbers_of(VideoFrames(path, FPS)[:]) == list(range(25))
    assert abs(read_audio(path).seconds - 1) < 0.05
    with av.open(str(path)) as container:
        assert container.streams.video[0].pix_fmt == options.get("pixel_format", "yuv420p")


@pytest.mark.parametrize("preset", ["veryfast", "medium"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_hevc_of_few_frames(tmp_path: Path, count: int, preset: str) -> None:
    for _ in range(8):  # it failed by chance
        frames = Frames(numbered_sequence(count, 64), FPS)
        path = write_video(frames, tmp_path / "a.mp4", VideoOptions(codec="hevc", preset=preset))
        with av.open(str(path)) as container:
            times = [(packet.pts, packet.dts) for packet in container.demux(video=0) if packet.size]
            stream = container.streams.video[0]
            assert stream.duration * stream.time_base == count / FPS
        assert all(-stream.duration <= dts <= pts for pts, dts in times)
        assert numbers_of(VideoFrames(path, FPS)[:]) == list(range(count))


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="has no classes of threads")
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root's threads may rise")
def test_no_thread_is_put_above_those_of_others(tmp_path: Path) -> None:
    """As SVT-AV1 does with root's, in containers for instance: the machine would do nothing else."""
    write_video(Frames(numbered_sequence(5, 64), FPS), tmp_path / "a.mp4", VideoOptions(codec="av1"))
    threads = [int(entry.name) for entry in Path("/proc/self/task").iterdir()]
    assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_OTHER}


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p"])
def test_colours_are_bt709_as_tagged(tmp_path: Path, pixel_format: str) -> None:
    colour = (200, 30, 60)
    frames = TensorSequence(torch.tensor(colour, dtype=torch.uint8).expand(3, 32, 32, 3))
    path = write_video(
        Frames(frames, FPS), tmp_path / "a.mp4", VideoOptions(pixel_format=pixel_format, crf=5)
    )
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        tags = container.streams.video[0].codec_context
        assert (tags.colorspace, tags.color_range, tags.color_primaries, tags.color_trc) == (1, 1, 1, 1)
    red, green, blue = (value / 255 for value in colour)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    wanted = (16 + 219 * luma, 128 + 224 * (blue - luma) / 1.8556, 128 + 224 * (red - luma) / 1.5748)
    found = [np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[4, 4] for plane in frame.planes]
    np.testing.assert_allclose(found, wanted, atol=1.5)
    np.testing.assert_allclose(VideoFrames(path, FPS)[1][8, 8], colour, atol=3)


@pytest.mark.parametrize(
    ("pixel_format", "wanted"), [("yuv420p", (48, 96)), ("yuv422p", (49, 96)), ("yuv444p", (49, 97))]
)
def test_odd_sides(tmp_path: Path, pixel_format: str, wanted: tuple[int, int]) -> None:
    frames = Frames(numbered_sequence(3, 49, 97), FPS)
    path = write_video(frames, tmp_path / "a.mp4", VideoOptions(pixel_format=pixel_format))
    assert VideoFrames(path, FPS).shape == (*wanted, 3)


@pytest.mark.parametrize(("channels", "kept"), [(1, 1), (2, 2), (5, 1), (6, 6), (8, 8)])
def test_many_channels(tmp_path: Path, channels: int, kept: int) -> None:
    audio = Audio(torch.from_numpy(tone(1, 48000)).expand(channels, -1), 48000)
    assert len(read_audio(write_video(clip(audio=audio), tmp_path / "a.mp4", QUICK)).samples) == kept


def test_channels_keep_their_order(tmp_path: Path) -> None:
    levels = torch.linspace(0.1, 0.8, 8)[:, None]
    audio = Audio(torch.from_numpy(tone(1, 48000, hertz=60, level=1.0)) * levels, 48000)
    heard = read_audio(write_video(clip(audio=audio), tmp_path / "a.mkv", QUICK)).samples
    loudness = heard[:, 10_000:30_000].square().mean(1).sqrt()
    assert (loudness.diff() > 0).all(), loudness


def test_opus_gets_no_more_bits_than_it_takes(tmp_path: Path) -> None:
    audio = Audio(torch.from_numpy(tone(1, 48000))[None], 48000)
    options = VideoOptions(codec="vp9", audio_bitrate=512_000)
    assert len(read_audio(write_video(clip(audio=audio), tmp_path / "a.webm", options)).samples) == 1


def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    link, target = tmp_path / "link.mp4", tmp_path / "other" / "a.mp4"
    link.symlink_to(target)
    write_video(clip(), link, QUICK)
    assert link.is_symlink()
    assert len(VideoFrames(target, FPS)) == 25
    assert names(target.parent) == ["a.mp4"]


def test_what_rendering_raises_is_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    error = OSError(errno.ENOSPC, "elsewhere")
    with pytest.raises(OSError, match="elsewhere") as raised:
        write_video(failing(error), tmp_path / "a.mp4", QUICK)
    assert raised.value is error
    assert names(tmp_path) == []


def test_existing_file_is_replaced_and_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.mp4"
    path.parent.mkdir(parents=True)
    path.write_text("old")
    write_video(clip(), path, QUICK)
    assert names(path.parent) == ["a.mp4"]
    assert len(VideoFrames(path, FPS)) == 25
    write_video(clip(), tmp_path / "other" / "b.mp4", QUICK)
    assert names(tmp_path / "other") == ["b.mp4"]


def test_progress_is_reported_per_batch(tmp_path: Path) -> None:
    class Watcher(Host):
        seen: list[tuple[str, int, int]] = []  # noqa: RUF012

        def progress(self, stage: str, done: int, total: int, preview: torch.Tensor | None = None) -> None:
            self.seen.append((stage, done, total))
            assert preview is not None
            assert numbers_of(preview[None]) == [done - 1]

    write_video(clip(20), tmp_path / "a.mp4", QUICK, Watcher())
    assert Watcher.seen == [("render", 8, 20), ("render", 16, 20), ("render", 20, 20)]


@pytest.mark.parametrize(
    "error", [Interrupted("stop"), KeyboardInterrupt(), RuntimeError("broken"), MemoryError()]
)
def test_nothing_is_left_after_an_error(tmp_path: Path, error: BaseException) -> None:
    (tmp_path / "a.mp4").write_text("old")
    with pytest.raises(type(error)):
        write_video(failing(error), tmp_path / "a.mp4", QUICK)
    assert names(tmp_path) == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_text() == "old"


def test_the_host_can_interrupt(tmp_path: Path) -> None:
    class Impatient(Host):
        calls = 0

        def check_interrupted(self) -> None:
            self.calls += 1
            if self.calls == 3:
                raise Interrupted("stop")

    host = Impatient()
    with pytest.raises(Interrupted):
        write_video(clip(100), tmp_path / "a.mp4", QUICK, host)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("a.avi", VideoOptions, r"must end in one of .mp4"),
        ("a", VideoOptions, "must end in"),
        ("a.webm", VideoOptions, "vp9 or av1"),
        ("a.mov", lambda: VideoOptions(audio_codec="opus"), "aac sound, not opus"),
        ("a.mp4", lambda: VideoOptions(codec="divx"), "choose one of h264"),
        ("a.mp4", lambda: VideoOptions(preset="warp"), "preset is 'warp'"),
        ("a.mp4", lambda: VideoOptions(crf=52), "between 0"),
        ("a.mp4", lambda: VideoOptions(audio_bitrate=8), "audio_bitrate"),
        ("a.mp4", lambda: VideoOptions(pixel_format="rgb24"), "has no rgb24; choose yuv420p"),
    ],
)
def test_options_that_do_not_fit(
    tmp_path: Path, name: str, make: Callable[[], VideoOptions], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        write_video(clip(), tmp_path / name, make())
    assert names(tmp_path) == []


def test_no_frames(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no frames"):
        write_video(clip(0), tmp_path / "a.mp4")


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MediaError, match="a part of its folder is a file"):
        write_video(clip(), tmp_path / "file" / "a.mp4")
    with pytest.raises(MediaError, match="cannot be written"):  # before the work, not after it
        write_video(failing(AssertionError("rendered"), at=0), tmp_path / f"{'a' * 300}.mp4")
    (tmp_path / "taken.mp4").mkdir()
    with pytest.raises(MediaError, match="is a folder"):
        write_video(clip(), tmp_path / "taken.mp4")
    assert names(tmp_path) == ["file", "taken.mp4"]


def test_targets_are_checked_without_leaving_anything(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "taken.mp4").mkdir()
    check_target(tmp_path / "new" / "folder" / "a.mp4", QUICK)
    for name, message in (
        ("file/a.mp4", "a part of its folder is a file"),
        (f"{'a' * 300}.mp4", "cannot be written"),
        ("taken.mp4", "is a folder"),
    ):
        with pytest.raises(MediaError, match=message):
            check_target(tmp_path / name, QUICK)
    with pytest.raises(InputError, match="has no foo"):
        check_target(tmp_path / "a.mp4", VideoOptions(pixel_format="foo"))
    assert names(tmp_path) == ["file", "taken.mp4"]


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="has no folder that nobody may write to")
def test_a_folder_nobody_may_write_to_is_said_before_the_work() -> None:
    with pytest.raises(MediaError, match="cannot be written"):
        write_video(failing(AssertionError("rendered"), at=0), "/proc/self/a.mp4")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_write_protected_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(MediaError, match="write-protected"):
        write_video(clip(), tmp_path / "a.mp4")


FULL_DISK = """
import resource, signal, sys, torch
from fractions import Fraction
from pathlib import Path
from ditto_core.data import Audio, Frames
from ditto_core.errors import MediaError
from ditto_core.media.encoders import VideoOptions
from ditto_core.media.writer import check_target, write_video
from ditto_core.sequences import TensorSequence
folder = Path(sys.argv[1])
noise = TensorSequence(torch.randint(0, 256, (30, 64, 64, 3), dtype=torch.uint8))
frames = Frames(noise, Fraction(25), Audio(torch.zeros(1, 16000), 16000))
options = VideoOptions(preset="ultrafast")
size = write_video(frames, folder / "whole.mp4", options).stat().st_size
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for room in (0, 1000, size // 2, size - 3000, size - 600, size - 1):
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    try:
        write_video(frames, folder / "a.mp4", options)
        print("written in", room, "of", size)
    except MediaError as error:
        if "disk is full" not in str(error):
            print(room, error)
    if sorted(path.name for path in folder.iterdir()) != ["whole.mp4"]:
        print("left over:", list(folder.iterdir()))
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
write_video(frames, folder / "a.mp4", options)
"""


FULL_FILE_SYSTEM = """
import sys, torch
from fractions import Fraction
from pathlib import Path
from ditto_core.data import Audio, Frames
from ditto_core.errors import MediaError
from ditto_core.media.writer import check_target, write_video
from ditto_core.sequences import TensorSequence
folder = Path(sys.argv[1])
noise = TensorSequence(torch.randint(0, 256, (30, 256, 256, 3), dtype=torch.uint8))
try:
    write_video(Frames(noise, Fraction(25), Audio(torch.zeros(1, 16000), 16000)), folder / "a.mp4")
except MediaError as error:
    print(error)
print([path.name for path in folder.iterdir()])
"""


def test_a_full_file_system(tmp_path: Path) -> None:
    """In a file system of 200 kB that only the test sees."""
    within = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    mount = 'mount -t tmpfs -o size=200k tmpfs "$0"'
    if shutil.which("unshare") is None or subprocess.run([*within, mount, str(tmp_path)]).returncode != 0:
        pytest.skip("this system lets nobody mount a small file system")
    command = [*within, mount + ' && exec "$1" -c "$2" "$0"', str(tmp_path), sys.executable, FULL_FILE_SYSTEM]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)
    told, left = done.stdout.splitlines()
    assert "disk is full" in told
    assert left == "[]"
    assert done.stderr == ""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
def test_full_disk(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)
    assert done.stdout + done.stderr == ""
    assert names(tmp_path) == ["a.mp4", "whole.mp4"]
