from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.icc import ADOBE_RGB, SRGB, grey_profile, ink_profile, rgb_profile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from ditto_core.errors import InputError, MediaError
from ditto_core.media.images import BACKDROP, kind_of, read_image


def save(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


def colours(height: int = 20, width: int = 30) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_rgb_bytes_are_kept(tmp_path: Path) -> None:
    pixels = colours()
    read = read_image(save(Image.fromarray(pixels), tmp_path / "a.png"))
    assert read.dtype == torch.uint8
    np.testing.assert_array_equal(read.numpy(), pixels)


@given(
    height=st.integers(16, 40),
    width=st.integers(16, 40),
    mode=st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"]),
)
def test_every_mode_gives_rgb_of_its_own_brightness(
    tmp_path_factory: pytest.TempPathFactory, height: int, width: int, mode: str
) -> None:
    path = tmp_path_factory.mktemp("modes") / ("a.tif" if mode in ("CMYK", "I", "F", "I;16") else "a.png")
    if mode in ("I;16", "I"):
        image = Image.fromarray(
            np.full((height, width), 200 * 257, np.uint16 if mode == "I;16" else np.int32)
        )
    elif mode == "F":
        image = Image.fromarray(np.full((height, width), 200 / 255, np.float32))
    else:
        image = Image.new("RGB", (width, height), (200, 200, 200))
        image = image.quantize(8) if mode == "P" else image.convert(mode)
    picture = read_image(save(image, path))
    assert picture.shape == (height, width, 3)
    if mode == "1":
        assert set(picture.unique().tolist()) <= {0, 255}
        assert abs(picture.float().mean() - 200) < 20
    else:
        assert (picture.int() - 200).abs().max() <= 1


def test_16_bit_greys_are_scaled_not_clipped(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256, dtype=np.uint16)[None].repeat(16, axis=0)
    picture = read_image(save(Image.fromarray(ramp), tmp_path / "a.png"))
    np.testing.assert_array_equal(picture[0, :, 0].numpy(), np.arange(256))


def test_transparency_shows_the_backdrop(tmp_path: Path) -> None:
    pixels = np.zeros((20, 20, 4), np.uint8)
    pixels[..., 0] = 250
    pixels[:10, :, 3] = 255
    pixels[10:, 10:, 3] = 51
    picture = read_image(save(Image.fromarray(pixels), tmp_path / "a.png"))
    assert picture[0, 0].tolist() == [250, 0, 0]
    assert picture[19, 0].tolist() == [BACKDROP] * 3
    assert picture[19, 19].tolist() == [round(0.2 * 250 + 0.8 * BACKDROP), *[round(0.8 * BACKDROP)] * 2]


def test_transparent_palette_entries_show_the_backdrop(tmp_path: Path) -> None:
    image = Image.new("P", (20, 20), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(1, (10, 0, 20, 20))
    picture = read_image(save(image, tmp_path / "a.png", transparency=0))
    assert picture[0, 0].tolist() == [BACKDROP] * 3
    assert picture[0, 19].tolist() == [0, 0, 255]


@pytest.mark.filterwarnings("error")
def test_half_transparent_palette_entries(tmp_path: Path) -> None:
    image = Image.new("P", (20, 20), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    picture = read_image(save(image, tmp_path / "a.png", transparency=bytes([51, 255])))
    assert picture[0, 0].tolist() == [round(0.2 * 255 + 0.8 * BACKDROP), *[round(0.8 * BACKDROP)] * 2]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:16, :24] = (255, 0, 0)
    upright[16:, 24:] = (0, 0, 255)
    undo = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]
    stored = Image.fromarray(upright)
    stored = stored if undo is None else stored.transpose(Image.Transpose(undo))
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = read_image(save(stored, tmp_path / "a.png", exif=exif))
    np.testing.assert_array_equal(picture.numpy(), upright)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colours_are_those_of_the_profile(tmp_path: Path, mode: str) -> None:
    meant = np.array([[200, 60, 40], [90, 170, 80], [60, 80, 180], [230, 190, 170]], np.uint8)
    linear = np.where(meant / 255 > 0.04045, ((meant / 255 + 0.055) / 1.055) ** 2.4, meant / 255 / 12.92)
    stored = (linear @ SRGB.T @ np.linalg.inv(ADOBE_RGB).T) ** (1 / 2.2) * 255
    pixels = np.repeat(np.repeat(stored.round().astype(np.uint8)[None], 20, axis=0), 5, axis=1)
    image = Image.fromarray(pixels)
    image = image.quantize(8) if mode == "P" else image.convert(mode)
    path = save(image, tmp_path / "a.png", icc_profile=rgb_profile(ADOBE_RGB, 2.2))
    assert np.abs(read_image(path)[0, ::5].int().numpy() - meant).max() <= 3


def test_a_profile_leaves_transparency(tmp_path: Path) -> None:
    image = Image.new("RGBA", (20, 20), (200, 100, 90, 0))
    image.paste((200, 100, 90, 255), (10, 0, 20, 20))
    picture = read_image(save(image, tmp_path / "a.png", icc_profile=rgb_profile(ADOBE_RGB, 2.2)))
    assert picture[0, 0].tolist() == [BACKDROP] * 3
    assert picture[0, 19, 0] > 215


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_greys_are_as_light_as_their_profile_says(tmp_path: Path, mode: str) -> None:
    image = Image.new("L", (20, 20), 128).convert(mode)
    picture = read_image(save(image, tmp_path / "a.png", icc_profile=grey_profile(1.0)))
    assert (picture.int() - 188).abs().max() <= 1


def test_inks_are_those_of_the_profile(tmp_path: Path) -> None:
    image = Image.new("CMYK", (20, 20), (255, 0, 0, 0))
    picture = read_image(save(image, tmp_path / "a.tif", icc_profile=ink_profile()))[0, 0].tolist()
    assert max(picture) - min(picture) <= 2
    assert 180 < picture[0] < 220


@pytest.mark.parametrize("profile", [grey_profile(1.0), ink_profile(), b"damaged"])
def test_bytes_are_kept_with_a_profile_that_cannot_be_theirs(tmp_path: Path, profile: bytes) -> None:
    pixels = colours()
    path = save(Image.fromarray(pixels), tmp_path / "a.png", icc_profile=profile)
    np.testing.assert_array_equal(read_image(path).numpy(), pixels)


def test_bytes_are_kept_in_srgb(tmp_path: Path) -> None:
    pixels = colours()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = read_image(save(Image.fromarray(pixels), tmp_path / "a.png", icc_profile=profile))
    np.testing.assert_array_equal(picture.numpy(), pixels)


def test_first_frame_of_an_animation(tmp_path: Path) -> None:
    first, second = (Image.new("RGB", (20, 20), colour) for colour in ("red", "blue"))
    path = save(first, tmp_path / "a.gif", save_all=True, append_images=[second])
    assert read_image(path)[5, 5].tolist() == [255, 0, 0]


def test_too_small(tmp_path: Path) -> None:
    path = save(Image.new("RGB", (200, 1)), tmp_path / "line.png")
    with pytest.raises(InputError, match="200 x 1"):
        read_image(path)


def test_truncated(tmp_path: Path) -> None:
    path = save(Image.fromarray(colours(200, 200)), tmp_path / "a.png")
    path.write_bytes(path.read_bytes()[:-50_000])
    with pytest.raises(MediaError, match="damaged or incomplete"):
        read_image(path)


def test_missing_folder_and_no_picture(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="There is no file"):
        read_image(tmp_path / "none.png")
    with pytest.raises(MediaError, match="is a folder"):
        read_image(tmp_path)
    text = tmp_path / "a.png"
    text.write_text("no picture")
    with pytest.raises(MediaError, match="not a picture"):
        read_image(text)
    text.write_bytes(b"")
    with pytest.raises(MediaError, match="not a picture"):
        read_image(text)


def test_decompression_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    path = save(Image.new("RGB", (40, 40)), tmp_path / "a.png")
    assert kind_of(path) == "picture"
    with pytest.raises(MediaError, match="too large"):
        read_image(path)


def test_a_picture_as_large_as_cameras_take_is_read_without_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 700)
    Image.new("RGB", (30, 40)).save(tmp_path / "large.png")
    assert read_image(tmp_path / "large.png").shape == (40, 30, 3)
    assert kind_of(tmp_path / "large.png") == "picture"
    assert not recwarn.list


def test_content_decides_not_the_suffix(tmp_path: Path) -> None:
    path = save(Image.new("RGB", (40, 40)), tmp_path / "a.png").rename(tmp_path / "a.mp4")
    assert kind_of(path) == "picture"
    assert read_image(path).shape == (40, 40, 3)
