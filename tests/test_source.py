"""Sources: files that are pictures or videos, pixels as they come, and how large and how long they may be."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.media import numbered, numbered_sequence, numbers_of, write_clip
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ditto_core.errors import InputError, MediaError
from ditto_core.media.images import BACKDROP
from ditto_core.media.source import as_source, first_frames, limit_size, open_source
from ditto_core.sequences import TensorSequence

FPS = Fraction(25)


def test_open_source_tells_pictures_from_videos(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "video.mp4", [0, 40, 80])
    video = open_source(clip.rename(tmp_path / "video.png"), FPS)
    assert (video.fps, len(video.frames), video.name) == (FPS, 3, "video.png")
    Image.fromarray(numbered(3)).save(tmp_path / "picture.png")
    picture = open_source((tmp_path / "picture.png").rename(tmp_path / "picture.mp4"), FPS)
    assert (picture.fps, len(picture.frames)) == (None, 1)
    np.testing.assert_array_equal(picture.frames[0].numpy(), numbered(3))


def test_a_video_of_one_frame_is_a_picture(tmp_path: Path) -> None:
    source = open_source(write_clip(tmp_path / "a.mp4", [0]), FPS)
    assert source.fps is None
    assert len(source.frames) == 1


def test_a_text_is_no_video(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("It was a dark and stormy night.\n" * 50)
    with pytest.raises(MediaError, match="no moving picture"):
        open_source(text, FPS)


def test_a_heic_picture_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    with pytest.raises(MediaError, match="HEIC picture, which cannot be read; save it as JPEG"):
        open_source(tmp_path / "a.jpg", FPS)


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_an_animated_picture_is_a_video(tmp_path: Path, suffix: str) -> None:
    greys = [Image.new("RGB", (32, 32), (level, level, level)) for level in (0, 120, 240)]
    path = tmp_path / f"moving.{suffix}"
    greys[0].save(path, save_all=True, append_images=greys[1:], duration=400)
    source = open_source(path, FPS)
    assert source.fps == FPS
    assert len(source.frames) == 30
    for index, level in ((25, 240), (5, 0), (15, 120)):
        assert abs(int(source.frames[index : index + 1].float().mean()) - level) <= 4


def test_an_animated_picture_may_be_transparent_and_hurried(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    frames = [Image.new("RGBA", (32, 20), (240, 240, 240, alpha)) for alpha in (255, 0)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=0, lossless=True)
    source = open_source(path, FPS)
    assert len(source.frames) == 5, "two pictures of 0.1 s"
    assert source.frames.shape == (20, 32, 3)
    assert [int(frame.max()) for frame in source.frames[:]] == [240, 240, 128, 128, 128]


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("a.gif", "", ""),
        ("a.png", "", ""),
        ("a.webp", "", ""),
        ("a.mov", "qtrle", "argb"),
        ("b.mov", "prores_ks", "yuva444p10le"),
        ("a.mkv", "ffv1", "yuva420p"),
    ],
)
def test_what_moves_shows_the_backdrop_where_it_is_transparent(
    tmp_path: Path, name: str, codec: str, pixel_format: str
) -> None:
    pixels = np.zeros((32, 32, 4), np.uint8)
    pixels[..., :2] = 250, 20
    pixels[8:24, 8:24, 3] = 255
    path = tmp_path / name
    if codec:
        write_clip(path, [0, 40], pictures=[pixels] * 2, codec=codec, pixel_format=pixel_format, options={})
    else:
        pictures = [Image.fromarray(np.roll(pixels, step, 0)) for step in (0, 8)]
        pictures[0].save(
            path, save_all=True, append_images=pictures[1:], duration=400, disposal=2, lossless=True
        )
    first = open_source(path, FPS).frames[0]
    np.testing.assert_allclose(first[2, 2], [BACKDROP] * 3, atol=2)
    np.testing.assert_allclose(first[12, 12], [250, 20, 0], atol=8)


def test_an_animated_picture_is_turned_as_its_exif_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    stored = [Image.new("RGB", (40, 20), colour) for colour in ("black", "white")]
    for frame in stored:
        frame.paste("red", (0, 0, 20, 10))
    stored[0].save(
        tmp_path / "a.webp", save_all=True, append_images=stored[1:], duration=400, exif=exif, lossless=True
    )
    frames = open_source(tmp_path / "a.webp", FPS).frames
    assert frames.shape == (40, 20, 3)
    for frame in frames[:]:
        assert frame[5, 15].tolist() == [255, 0, 0]


def test_a_damaged_animation_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    noise = np.random.default_rng(0).integers(0, 255, (4, 64, 64, 3), np.uint8)
    frames = [Image.fromarray(pixels) for pixels in noise]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=400)
    path.write_bytes(path.read_bytes()[:-6000])
    with pytest.raises(MediaError, match=r"a\.webp"):
        open_source(path, FPS)


@given(
    dtype=st.sampled_from([torch.uint8, torch.float16, torch.float32, torch.float64]),
    channels=st.sampled_from([1, 3, 4]),
    count=st.integers(0, 3),
)
def test_pixels_of_every_kind(dtype: torch.dtype, channels: int, count: int) -> None:
    shape = (*([count] if count else []), 16, 20, channels)
    values = torch.full(shape, 200, dtype=torch.uint8)
    values[..., 0, 0, :] = 255
    pixels = values if dtype == torch.uint8 else values.to(dtype) / 255
    source = as_source(pixels, FPS)
    assert source.frames.shape == (16, 20, 3)
    assert source.frames.dtype == torch.uint8
    assert len(source.frames) == max(count, 1)
    assert source.fps == (FPS if count > 1 else None)
    grey = 200 if channels < 4 else round((200 * 200 + 55 * 128) / 255)
    assert (source.frames[:][:, 1:].int() - grey).abs().max() <= 1
    assert source.frames[0][0, 0].tolist() == [255] * 3


def test_floats_round_and_convert_lazily() -> None:
    exact = torch.arange(256, dtype=torch.uint8).view(16, 16, 1).expand(16, 16, 3)
    np.testing.assert_array_equal(as_source(exact.float() / 255).frames[0], exact)
    np.testing.assert_array_equal(as_source((exact.float() / 255).half()).frames[0], exact)
    batch = torch.zeros(3, 16, 16, 3)
    batch[2, 0, 0, 0] = float("nan")
    frames = as_source(batch, FPS).frames
    assert frames[:2].max() == 0
    with pytest.raises(InputError, match="frame 2 contains NaN"):
        frames[1:3]


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((16, 16), np.uint8), "channels"),
        (np.zeros((16, 16, 2), np.uint8), "channels"),
        (np.zeros((0, 16, 16, 3), np.uint8), "channels"),
        (np.zeros((16, 16, 3), np.int32), "uint8 or float"),
        (np.zeros((4, 16, 3), np.uint8), "16 x 4"),
    ],
)
def test_pixels_that_cannot_be_used(pixels: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_source(pixels)


def test_floats_up_to_255_are_refused() -> None:
    with pytest.raises(InputError, match="far above 1"):
        _ = as_source(np.full((16, 16, 3), 200.0, np.float32)).frames[0]


@settings(max_examples=40)
@given(height=st.integers(16, 300), width=st.integers(16, 300), max_size=st.integers(64, 200))
def test_limit_size(height: int, width: int, max_size: int) -> None:
    longer = max(height, width)
    scaled = [round(s * max_size / longer) if longer > max_size else s for s in (height, width)]
    wanted = tuple(s - s % 2 for s in scaled)
    source = TensorSequence(torch.zeros(2, height, width, 3, dtype=torch.uint8))
    if min(wanted) < 16:
        with pytest.raises(InputError, match="at least 16"):
            limit_size(source, max_size)
        return
    limited = limit_size(source, max_size)
    assert limited.shape == (*wanted, 3)
    assert limited[:].shape == (2, *wanted, 3)


def test_unscaled_pixels_stay_the_same_bytes() -> None:
    pixels = torch.randint(0, 256, (3, 33, 65, 3), dtype=torch.uint8)
    limited = limit_size(TensorSequence(pixels), 100)
    assert torch.equal(limited[:], pixels[:, :32, :64])
    even = TensorSequence(pixels[:, :32, :64])
    assert limit_size(even, 64) is even


def test_scaling_averages_areas() -> None:
    checks = torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
    checks[:, ::2, ::2] = 200
    assert set(limit_size(TensorSequence(checks), 32)[0].unique().tolist()) == {50}


def test_first_frames() -> None:
    frames = numbered_sequence(10)
    assert numbers_of(first_frames(frames, 3)[:]) == [0, 1, 2]
    assert first_frames(frames, -1) is frames
    assert first_frames(frames, 99) is frames


def test_flipped_and_read_only_arrays() -> None:
    pixels = np.arange(16 * 20 * 3, dtype=np.uint8).reshape(16, 20, 3)
    bgr = pixels[..., ::-1]
    np.testing.assert_array_equal(as_source(bgr).frames[0].numpy(), bgr)
    pixels.flags.writeable = False
    np.testing.assert_array_equal(as_source(pixels).frames[0].numpy(), pixels)
