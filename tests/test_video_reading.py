from __future__ import annotations

import logging
import math
import threading
from bisect import bisect_right
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.media import (
    BLOCK,
    add_cover_art,
    in_another_encoding,
    numbered,
    numbered_sequence,
    numbers_of,
    set_display_matrix,
    tone,
    write_clip,
    write_jpegs,
    write_sound,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from ditto_core.data import Frames
from ditto_core.errors import MediaError
from ditto_core.media import decoding
from ditto_core.media.hdr import SIGNALS, to_usual_range
from ditto_core.media.sound import read_audio
from ditto_core.media.source import open_source
from ditto_core.media.video import VideoFrames
from ditto_core.media.writer import write_video
from ditto_core.sequences import GatheredSequence, mirror_index

FPS = Fraction(25)
STEADY = [40 * i for i in range(60)]


def shown_at(times: list[int], end: int, fps: Fraction) -> list[int]:
    """Frame numbers a player would show at the middle of each frame of a constant rate."""
    count = math.ceil(Fraction(end - times[0], 1000) * fps - Fraction(1, 2))
    middle = [times[0] + (i + Fraction(1, 2)) / fps * 1000 for i in range(count)]
    return [bisect_right(times, at) - 1 for at in middle]


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 frames at 25 fps with B-frames and a key frame every 12."""
    options = {"crf": "10", "preset": "medium", "g": "12", "bf": "2"}
    return write_clip(tmp_path_factory.mktemp("video") / "steady.mp4", STEADY, options=options)


def test_every_frame_in_order(steady: Path) -> None:
    video = VideoFrames(steady, FPS)
    assert len(video) == 60
    assert video.shape == (48, 96, 3)
    assert numbers_of(video[:]) == list(range(60))
    np.testing.assert_allclose(video[33][BLOCK + 4 :].numpy(), 128, atol=2)


@given(reads=st.lists(st.tuples(st.integers(0, 59), st.integers(1, 10)), min_size=1, max_size=8))
def test_any_order_gives_the_same_frames(steady: Path, reads: list[tuple[int, int]]) -> None:
    video = VideoFrames(steady, FPS)
    for start, count in reads:
        assert numbers_of(video[start : start + count]) == list(range(start, min(start + count, 60)))


def test_reading_forwards_never_seeks(steady: Path) -> None:
    video = VideoFrames(steady, FPS)
    opened = video.window.restarts
    for batch in video.batches(7):
        assert len(batch) <= 7
    assert video.window.restarts == opened


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_reading_backwards_decodes_each_group_once(tmp_path: Path, suffix: str, monkeypatch) -> None:
    times = [40 * i for i in range(100)]
    options = {"g": "20", "crf": "10", "preset": "ultrafast"}
    monkeypatch.setattr(decoding, "WINDOW_FRAMES", 24)
    video = VideoFrames(write_clip(tmp_path / f"a.{suffix}", times, options=options), FPS)
    mirrored = GatheredSequence(video, mirror_index(200, 100))
    opened = video.window.restarts
    numbers = [number for batch in mirrored.batches(5) for number in numbers_of(batch)]
    assert numbers == [*range(100), *reversed(range(100))]
    assert video.window.restarts - opened <= 5


def test_a_long_group_of_pictures_keeps_memory_bounded(tmp_path: Path, monkeypatch) -> None:
    times = [40 * i for i in range(120)]
    options = {"g": "1000", "crf": "10", "preset": "ultrafast"}
    path = write_clip(tmp_path / "a.mp4", times, options=options)
    monkeypatch.setattr(decoding, "WINDOW_BYTES", 300_000)
    video = VideoFrames(path, FPS)
    frame_bytes = video.window.nbytes
    for start in range(112, -1, -8):
        assert numbers_of(video[start : start + 8]) == list(range(start, start + 8))
        assert video.window.nbytes <= 300_000
    assert 120 * frame_bytes > 2 * 300_000  # the bound was needed


@settings(max_examples=25)
@given(
    steps=st.lists(st.integers(5, 300), min_size=1, max_size=25), rate=st.sampled_from([12, 24, 25, 30, 60])
)
def test_variable_rates_show_what_a_player_shows(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], rate: int
) -> None:
    times = [0, *np.cumsum(steps).tolist()]
    path = write_clip(tmp_path_factory.mktemp("vfr") / "a.mkv", times)
    video = VideoFrames(path, Fraction(rate))
    wanted = shown_at(times, times[-1], Fraction(rate))
    assert numbers_of(video[:])[: len(wanted)] == wanted
    assert set(numbers_of(video[:])[len(wanted) :]) <= {len(times) - 1}


@pytest.mark.parametrize("fps", [Fraction(30), Fraction(30000, 1001), Fraction(60), Fraction(10)])
def test_constant_rates_are_converted_by_time(steady: Path, fps: Fraction) -> None:
    assert numbers_of(VideoFrames(steady, fps)[:]) == shown_at(STEADY, 2400, fps)


def test_a_late_start_is_time_zero(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", [5000 + time for time in STEADY])
    assert numbers_of(VideoFrames(path, FPS)[:]) == list(range(60))


@pytest.mark.parametrize("suffix", ["h264", "avi"])
def test_a_stream_without_time_stamps(tmp_path: Path, suffix: str) -> None:
    options = {"crf": "10", "bf": "2", "g": "12"}
    path = write_clip(tmp_path / f"a.{suffix}", range(60), time_base=1 / FPS, options=options)
    video = VideoFrames(path, FPS)
    assert numbers_of(video[:]) == list(range(60))
    assert numbers_of(video[40:50]) == list(range(40, 50))
    assert numbers_of(video[20:30]) == list(range(20, 30))


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
def test_frames_that_carry_exif_are_read_and_turned(tmp_path: Path, degrees: int) -> None:
    stored = np.zeros((48, 64, 3), np.uint8)
    stored[:24, :32] = 255
    stored[24:, :32] = 128
    path = write_jpegs(tmp_path / "a.mov", [stored] * 3)
    set_display_matrix(path, degrees, mirrored=False)
    picture = VideoFrames(path, FPS)[0]
    upright = np.rot90(stored, degrees // 90)
    assert picture.shape == upright.shape
    assert (picture.int() - torch.from_numpy(upright.astype(np.int32))).abs().float().mean() < 8


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
@pytest.mark.parametrize("mirrored", [False, True])
def test_rotation_and_mirroring_are_applied(tmp_path: Path, degrees: int, mirrored: bool) -> None:
    stored = np.zeros((48, 64, 3), np.uint8)
    stored[:24, :32] = 255
    stored[24:, :32] = 128
    path = write_clip(tmp_path / "a.mp4", [0, 40], pictures=[stored] * 2)
    set_display_matrix(path, degrees, mirrored)
    upright = np.rot90(stored, degrees // 90)
    upright = upright[:, ::-1].copy() if mirrored else upright
    picture = VideoFrames(path, FPS)[0]
    assert picture.shape == upright.shape
    assert (picture.int() - torch.from_numpy(upright.astype(np.int32))).abs().float().mean() < 8


@pytest.mark.parametrize("matrix", ["ITU709", "ITU601"])
@pytest.mark.parametrize("full", [False, True])
def test_colour_matrix_and_range_follow_the_tags(tmp_path: Path, matrix: str, full: bool) -> None:
    colour = np.full((32, 32, 3), (200, 30, 60), np.uint8)

    def tag(stream: object) -> None:
        stream.codec_context.colorspace = {"ITU709": 1, "ITU601": 6}[matrix]
        stream.codec_context.color_range = 2 if full else 1

    convert = {
        "src_colorspace": "ITU601" if matrix == "ITU709" else "ITU709",  # RGB has none, but see VideoFrames
        "dst_colorspace": matrix,
        "src_color_range": "JPEG",
        "dst_color_range": "JPEG" if full else "MPEG",
    }
    path = write_clip(tmp_path / "a.mp4", [0, 40], pictures=[colour] * 2, prepare=tag, convert=convert)
    np.testing.assert_allclose(VideoFrames(path, FPS)[0].float().mean(dim=(0, 1)), (200, 30, 60), atol=3)


@pytest.mark.parametrize(
    ("transfer", "white", "middle"), [(18, 0.75, 0.38), (16, 0.58, 0.38)], ids=["HLG", "PQ"]
)
def test_high_dynamic_range_is_brought_to_the_usual_one(
    tmp_path: Path, transfer: int, white: float, middle: float
) -> None:
    """The signals of report ITU-R BT.2408 for white and for a grey of 18 %."""
    picture = np.zeros((32, 96, 3), np.uint8)
    for column, signal in enumerate((0, middle, white)):
        picture[:, 32 * column : 32 * column + 32] = round(signal * 255)

    def tag(stream: object) -> None:
        context = stream.codec_context
        context.color_trc, context.colorspace, context.color_primaries, context.color_range = (
            transfer,
            9,
            9,
            1,
        )

    convert = {"src_colorspace": "ITU601", "dst_colorspace": "ITU709", "dst_color_range": "MPEG"}
    path = write_clip(
        tmp_path / "a.mp4",
        [0, 40],
        pictures=[picture] * 2,
        pixel_format="yuv420p10le",
        prepare=tag,
        convert=convert,
    )
    shown = VideoFrames(path, FPS)[1][16, 16::32].float()
    assert (shown.amax(dim=1) - shown.amin(dim=1)).max() <= 2
    np.testing.assert_allclose(shown[:, 1], (0, 134, 244), atol=4)


def test_colours_of_high_dynamic_range_keep_their_hue() -> None:
    """A red that BT.709 has, of half the light of white: its signal is that of BT.2100-2 for HLG."""
    light = np.array([[0.6274, 0.0691, 0.0164], [0, 0, 0]]) * 0.25 / 2
    coded = np.round(np.sqrt(3 * light) * 65535).astype(np.uint16)
    red, black = to_usual_range(coded[None], SIGNALS[18])[0].tolist()
    assert black == [0, 0, 0]
    assert red[0] > 150
    assert max(red[1:]) < 25


@pytest.mark.parametrize("transfer", SIGNALS)
def test_dark_parts_rise_from_black_without_a_jump(transfer: int) -> None:
    codes = np.repeat(np.arange(0, 16384, 64, dtype=np.uint16), 3).reshape(1, -1, 3)
    levels = to_usual_range(codes, SIGNALS[transfer])[0, :, 1].astype(int)
    assert levels[0] == 0
    assert np.diff(levels).min() >= 0
    assert np.diff(levels).max() <= 4


def moving_bar(time: float) -> np.ndarray:
    picture = np.full((48, 96, 3), 40, np.uint8)
    picture[:, int(8 * time) : int(8 * time) + 16] = 220
    return picture


@pytest.mark.parametrize("suffix", ["mkv", "ts", "avi"])
def test_lines_filmed_in_turns_become_whole_pictures(tmp_path: Path, suffix: str) -> None:
    pictures = [moving_bar(number + 0.5) for number in range(9)]
    for number, picture in enumerate(pictures):
        picture[1::2] = moving_bar(number)[1::2]
    path = write_clip(
        tmp_path / f"a.{suffix}",
        range(9),
        time_base=Fraction(1, 25),
        pictures=pictures,
        codec="mpeg2video",
        options={"flags": "+ildct+ilme", "qmin": "1", "qmax": "2"},
    )
    video = VideoFrames(path, FPS)
    backwards = [video[number] for number in reversed(range(9))][::-1]
    for number, frame in enumerate(backwards[1:-1], 1):
        wanted = torch.from_numpy(moving_bar(number).astype(np.int32))
        assert (frame.int() - wanted).abs().float().mean() < 2
        assert torch.equal(frame, video[number])
    assert len(video) == 9


def test_fields_of_hevc_stay_as_they_are(tmp_path: Path) -> None:
    """FFmpeg gives each as a picture of its own."""
    options = {"x265-params": "interlace=tff:log-level=none", "crf": "1", "preset": "ultrafast"}
    pictures = [moving_bar(number) for number in range(9)]
    for number, picture in enumerate(pictures):
        picture[number % 2 :: 4] = 0
    path = write_clip(tmp_path / "a.mp4", STEADY[:9], codec="libx265", options=options, pictures=pictures)
    frames = VideoFrames(path, FPS)[:]
    wanted = torch.from_numpy(np.stack(pictures))
    assert (frames.int() - wanted.int()).abs().float().mean() < 4


def test_non_square_pixels_are_stretched(tmp_path: Path) -> None:
    def wide(stream: object) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)

    path = write_clip(tmp_path / "a.mp4", [0, 40], prepare=wide)
    assert VideoFrames(path, FPS).shape == (48, 128, 3)


def test_odd_sides_are_kept(tmp_path: Path) -> None:
    picture = numbered(5, 49, 97)
    path = write_clip(tmp_path / "a.mp4", [0], pictures=[picture], pixel_format="yuv444p")
    assert VideoFrames(path, FPS).shape == (49, 97, 3)


def test_truncated_video_uses_what_is_readable(steady: Path, tmp_path: Path, caplog) -> None:
    options = {"g": "12", "crf": "1", "preset": "ultrafast"}
    rng = np.random.default_rng(0)
    pictures = [np.maximum(numbered(i), rng.integers(0, 40, (48, 96, 3), np.uint8)) for i in range(60)]
    whole = write_clip(tmp_path / "a.mkv", STEADY, pictures=pictures, options=options)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    video = VideoFrames(cut, FPS)
    assert 10 < len(video) < 50
    assert numbers_of(video[:10]) == list(range(10))
    assert len(video[:]) == len(video)
    mp4 = tmp_path / "cut.mp4"
    mp4.write_bytes(steady.read_bytes()[:2000])
    with pytest.raises(MediaError, match="damaged or incomplete"):
        VideoFrames(mp4, FPS)


def test_truncation_after_the_index_is_reported(tmp_path: Path, caplog) -> None:
    whole = write_video(Frames(numbered_sequence(100), FPS), tmp_path / "a.mp4")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 3 // 4])
    with caplog.at_level(logging.WARNING):
        video = VideoFrames(cut, FPS)
    assert 10 < len(video) < 100
    assert "incomplete" in caplog.text or "damaged" in caplog.text
    assert numbers_of(video[:10]) == list(range(10))


def test_damage_in_the_middle_is_bridged_and_told_once(steady: Path, tmp_path: Path, caplog) -> None:
    data = bytearray(steady.read_bytes())
    start = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 3
    data[start : start + 300] = b"\xff" * 300
    damaged = tmp_path / "a.mp4"
    damaged.write_bytes(bytes(data))
    video = VideoFrames(damaged, FPS)
    assert len(video[:]) == 60
    assert caplog.text.count("damaged frames are left out") == 1
    assert numbers_of(video[55:]) == list(range(55, 60))


def test_files_that_are_no_video(tmp_path: Path) -> None:
    text = tmp_path / "a.mp4"
    text.write_text("nothing")
    with pytest.raises(MediaError, match="cannot be read"):
        open_source(text, FPS)
    with pytest.raises(MediaError, match="There is no file"):
        open_source(tmp_path / "none.mp4", FPS)
    with pytest.raises(MediaError, match="is a folder"):
        open_source(tmp_path, FPS)


def test_cover_art_is_no_video(tmp_path: Path) -> None:
    song = write_sound(tmp_path / "a.mp3", tone(0.5, 16000)[None], 16000, "libmp3lame", "fltp")
    with pytest.raises(MediaError, match="no moving picture"):
        open_source(song, FPS)
    add_cover_art(song)
    with pytest.raises(MediaError, match="no moving picture"):
        open_source(song, FPS)
    assert read_audio(song).rate == 16000


def test_motion_jpeg_with_sound_is_a_video(tmp_path: Path) -> None:
    path = write_clip(
        tmp_path / "a.mkv",
        STEADY,
        codec="mjpeg",
        pixel_format="yuvj420p",
        options={},
        sound=tone(1, 16000)[None],
    )
    assert numbers_of(VideoFrames(path, FPS)[:]) == list(range(60))


def test_several_threads_read_the_right_frames(steady: Path) -> None:
    video = VideoFrames(steady, FPS)
    wrong: list[int] = []

    def read(start: int) -> None:
        for at in (start, 50 - start, start):
            if numbers_of(video[at : at + 5]) != list(range(at, at + 5)):
                wrong.append(at)

    threads = [threading.Thread(target=read, args=(5 * k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_file_is_closed_with_the_sequence(steady: Path) -> None:
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("no /proc on this system")

    def handles() -> int:
        return sum(steady.name in str(link.resolve()) for link in folder.iterdir())

    before = handles()
    video = VideoFrames(steady, FPS)
    assert numbers_of(video[3:4]) == [3]
    assert handles() == before + 1
    del video
    assert handles() == before


@pytest.mark.parametrize("suffix", ["mp4", "avi"])
def test_titles_may_be_in_any_encoding(tmp_path: Path, suffix: str) -> None:
    assert len(VideoFrames(in_another_encoding(write_clip(tmp_path / f"a.{suffix}", STEADY)), FPS)) == 60


def test_a_colon_in_a_name_makes_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clip(tmp_path / "a:b.mp4", [0, 40])
    monkeypatch.chdir(tmp_path)
    assert len(VideoFrames("a:b.mp4", FPS)) == 2


def test_looping_a_stream_that_cannot_seek_opens_it_again(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(decoding, "WINDOW_FRAMES", 16)
    path = write_clip(tmp_path / "a.h264", range(60), time_base=1 / FPS)
    mirrored = GatheredSequence(VideoFrames(path, FPS), mirror_index(120, 60))
    assert numbers_of(mirrored[:]) == [*range(60), *reversed(range(60))]
    numbers = [number for batch in mirrored.batches(8) for number in numbers_of(batch)]
    assert numbers == [*range(60), *reversed(range(60))]
