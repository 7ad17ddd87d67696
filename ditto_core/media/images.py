"""Reads pictures of every common kind as RGB uint8, the way a viewer shows them."""

from __future__ import annotations

import struct
import warnings
from contextlib import closing
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ..errors import InputError, MediaError
from .colour_profiles import in_srgb

BACKDROP = 128
"""Grey level behind transparent pixels: neither light nor dark hair loses its outline on it."""

SMALLEST_SIDE = 16
"""Pixels; a picture with a shorter side is refused, since no face can be found in it."""

# Pillow also knows formats without a signature, which take arbitrary files for pictures, and video streams.
_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "PPM", "JPEG2000", "AVIF", "ICO")
_PLAYED = ("GIF", "PNG")
_SHOWN = ("WEBP", "AVIF")
"""What may move: played by libav, or shown by Pillow alone. What else has several pictures has pages."""
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
"""How HEIF files (ISO/IEC 23008-12) begin."""
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, KeyError, struct.error)
"""What Pillow raises for files that end early or contradict themselves."""


def kind_of(path: str | PathLike[str]) -> Literal["picture", "animation", "no picture"]:
    """What the file's content (not its name) is; what moves and libav plays is no picture."""
    try:
        with closing(open_picture(path)) as image:
            if image.format not in _PLAYED + _SHOWN or not getattr(image, "is_animated", False):
                return "picture"
            return "animation" if image.format in _SHOWN else "no picture"
    except UnidentifiedImageError:
        _refuse_heic(path)
        return "no picture"
    except Image.DecompressionBombError:
        return "picture"
    except DAMAGE as error:
        raise unreadable(path, error) from error


def read_image(path: str | PathLike[str]) -> Tensor:
    """Read a picture as RGB uint8 (H, W, 3) in sRGB, turned upright as its EXIF orientation says.

    Transparent parts show a neutral grey (`BACKDROP`). 16-bit and float greys are scaled to 8 bits; of an
    animation the first frame is taken. Raises `MediaError` when the file is missing, damaged or no picture,
    `InputError` when it is too small.
    """
    try:
        with closing(open_picture(path)) as image:
            pixels = as_rgb(image)
    except UnidentifiedImageError as error:
        raise MediaError(f"{path} is not a picture; use PNG, JPEG, WebP, AVIF, GIF, BMP or TIFF.") from error
    except Image.DecompressionBombError as error:
        raise MediaError(f"{path} is too large to open safely ({error}). Scale it down first.") from error
    except DAMAGE as error:
        raise unreadable(path, error) from error
    check_sides(pixels.shape[0], pixels.shape[1], str(path))
    return torch.from_numpy(pixels)


def _refuse_heic(path: str | PathLike[str]) -> None:
    """Raise for a HEIC picture: libav would play one of its tiles."""
    with Path(path).open("rb") as file:
        start = file.read(12)
    if start[4:8] == b"ftyp" and start[8:] in _HEIC_BRANDS:
        raise MediaError(f"{path} is a HEIC picture, which cannot be read; save it as JPEG or PNG.")


def check_sides(height: int, width: int, name: str) -> None:
    """Raise `InputError` when a side is too short to hold a face."""
    if min(height, width) < SMALLEST_SIDE:
        raise InputError(
            f"{name} is {width} x {height} pixels; use one of at least {SMALLEST_SIDE} x {SMALLEST_SIDE}."
        )


def over_backdrop(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGBA (…, 4) with straight alpha over the neutral grey: RGB (…, 3)."""
    alpha = rgba[..., 3:].astype(np.uint16)
    weighted = rgba[..., :3] * alpha + BACKDROP * (255 - alpha)
    return ((weighted + 127) // 255).astype(np.uint8)


def unreadable(path: str | PathLike[str], error: Exception) -> MediaError:
    """The error for a file that cannot be opened, with the reason in the user's words."""
    try:
        if not Path(path).exists():
            return MediaError(f"There is no file {path}; check the name and the folder.")
        if Path(path).is_dir():
            return MediaError(f"{path} is a folder; name a file in it.")
    except OSError as unreachable:  # the name is too long, or the folder is locked
        return MediaError(f"{path} cannot be read ({unreachable.strerror}); check the name and the folder.")
    reason = getattr(error, "strerror", None) or error
    return MediaError(f"{path} cannot be read ({reason}). It may be damaged or incomplete; export it again.")


def open_picture(path: str | PathLike[str]) -> Image.Image:
    """Open a picture of a common kind with Pillow, whose errors (`DAMAGE` among them) are the caller's.

    Pillow also warns of pictures over 89 megapixels, which cameras take.
    """
    Image.init()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(path, formats=[name for name in _FORMATS if name in Image.OPEN])


def as_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """The pixels (H, W, 3) of an open picture in sRGB, turned upright."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        return np.repeat(_grey_to_8_bit(np.asarray(image))[..., None], 3, axis=2)
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    shown = in_srgb(image)
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        shown.putalpha(image.convert("RGBA").getchannel("A"))
        return over_backdrop(np.asarray(shown))
    return np.array(shown)


def _grey_to_8_bit(values: NDArray[Any]) -> NDArray[np.uint8]:
    # Pillow holds 16-bit greys in 16- or 32-bit integers, depending on the file and its version.
    brightest = 65535 if values.dtype.kind != "f" else 1 if np.nanmax(values) <= 1 else 255
    return np.clip(np.rint(np.nan_to_num(values * (255 / brightest))), 0, 255).astype(np.uint8)
