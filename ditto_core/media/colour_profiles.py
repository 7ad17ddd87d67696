"""Shows a picture's colours as its profile (ICC.1) means them: in sRGB, which all else takes for granted."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import cast

import numpy as np
from PIL import Image, ImageCms

_ROUNDING = 2
"""Levels by which profiles of sRGB differ among themselves."""


def in_srgb(image: Image.Image) -> Image.Image:
    """The picture as RGB in sRGB, without alpha.

    Its values stay as they are when it has no profile, sRGB's own, a damaged one, or one for other values.
    """
    grey = image.mode in ("1", "L", "LA")
    mode = "L" if grey else "CMYK" if image.mode == "CMYK" else "RGB"
    profile = image.info.get("icc_profile")
    transform = _to_srgb(profile, mode) if profile else None
    return transform.apply(image.convert(mode)) if transform else image.convert("RGB")


@lru_cache(maxsize=8)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The way from a profile's values of a mode to sRGB; None when there is none, or none is needed."""
    srgb = cast(ImageCms.ImageCmsProfile, ImageCms.createProfile("sRGB"))
    try:
        transform = ImageCms.buildTransform(ImageCms.ImageCmsProfile(BytesIO(profile)), srgb, mode, "RGB")
    except (OSError, ImageCms.PyCMSError):
        return None
    swatches = _swatches(mode)
    before, after = (
        np.asarray(seen, np.int16) for seen in (swatches.convert("RGB"), transform.apply(swatches))
    )
    return None if np.abs(after - before).max() <= _ROUNDING else transform


def _swatches(mode: str) -> Image.Image:
    """Colours from all over a mode, side by side."""
    bands = Image.getmodebands(mode)
    levels = np.indices((6,) * bands, np.uint8).reshape(bands, 1, -1) * np.uint8(51)
    return Image.merge(mode, [Image.fromarray(band) for band in levels])
