"""What the inside of one person's mouth looks like: measured once on the photo, drawn every frame by `mouth`.

The interior is a toy theatre of four flats standing in the plane of the teeth: the dark cavity and the upper
teeth belong to the skull, the tongue and the lower teeth to the jaw. A frame only has to shift, shade and
warp them. Colours, softness, grain and the depth of the blacks come from the photo: an interior that is
cleaner, sharper or darker than its surroundings looks like a sticker.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from ..face.region import Picture
from .curves import smoothstep
from .geometry import Floats
from .mouth_flats import (
    RASTER,
    lower_teeth,
    plane_x,
    plane_y,
    tongue,
    upper_teeth,
)
from .mouth_photo import FacePhoto, luminance, reddened
from .mouth_teeth import Teeth, teeth_of


@dataclass(frozen=True, eq=False)
class MouthLook:
    """The flats and the light of one mouth.

    Colours are RGB 0..255, float32. Flats are premultiplied RGBA planes (4,H,W), alpha 0..1; the cavity is
    opaque (3,H,W). grain: (H,W), added to every channel, standing still in the mouth.
    dark: (3,) what is left where no light gets in, never blacker than the face's own blacks.
    bounce: (3,) tint of the light that comes back from the depth, luminance 1.
    rims: (2,3) upper and lower lip where they roll in.
    width: cm between the inner corners in the photo.
    """

    cavity: Floats
    tongue: Floats
    lower_teeth: Floats
    upper_teeth: Floats
    grain: Floats
    dark: Floats
    bounce: Floats
    rims: Floats
    width: float

    @staticmethod
    def from_picture(picture: Picture, landmarks: NDArray[np.floating]) -> MouthLook:
        """Measure the photo and paint the flats.

        picture: (H,W,3) uint8 RGB; landmarks: (478,3) px, z in the same unit, as the face mesh gives them.
        Raises InputError when the landmarks do not span a face (less than half a pixel per cm).
        """
        photo = FacePhoto.cut(picture, np.asarray(landmarks, np.float32))
        softness = photo.softness()
        lighting = photo.lighting(plane_x())[:, None]
        upper_lip, lower_lip = photo.lips
        lips = (upper_lip + lower_lip) / 2
        flesh = (photo.skin + lips) / 2
        dark = np.maximum(0.75 * photo.black, reddened(flesh, 2.2, 0.13 * float(luminance(lips))))
        tongue_colour = reddened(flesh, 1.9, 1.2 * float(luminance(flesh)))
        depth = 0.09 + 0.15 * smoothstep(-plane_y() / 1.5)[:, None, None]
        shade, alpha = tongue()
        teeth = teeth_of(photo)
        lower_shade, lower_alpha = lower_teeth()
        return MouthLook(
            cavity=_planes(dark + depth * tongue_colour * lighting),
            tongue=_flat(tongue_colour * lighting * shade[:, :, None], alpha, softness),
            lower_teeth=_flat(teeth.colour * lighting * lower_shade[:, :, None], lower_alpha, softness),
            upper_teeth=_upper_teeth(teeth, lighting, softness),
            grain=_grain(photo),
            dark=dark.astype(np.float32),
            rims=np.stack([0.4 * upper_lip, 0.55 * lower_lip]),
            bounce=reddened(flesh, 2.1, 1.0),
            width=photo.width,
        )


def _flat(colours: Floats, alpha: Floats, softness: float) -> Floats:
    """Premultiplied RGBA planes of colours (H,W,3) and alpha (H,W), as soft as the photo (radius in cm)."""
    rgba = np.dstack([colours * alpha[:, :, None], alpha]).astype(np.float32)
    return _planes(np.asarray(cv2.GaussianBlur(rgba, (0, 0), softness * RASTER), np.float32))


def _planes(colours: Floats) -> Floats:
    """(C,H,W) float32 of (H,W,C): a frame is put together plane by plane, several times as fast."""
    return np.ascontiguousarray(colours.transpose(2, 0, 1), np.float32)


def _upper_teeth(teeth: Teeth, lighting: Floats, softness: float) -> Floats:
    """The photo's own teeth, which have its light and softness already, or drawn ones."""
    shade, alpha = upper_teeth(teeth.edge, evenness=0.0 if teeth.copy is None else 0.3)
    if teeth.copy is None:
        return _flat(teeth.colour * lighting * shade[:, :, None], alpha, softness)
    outline = cv2.GaussianBlur(alpha.astype(np.float32), (0, 0), softness * RASTER)
    return _planes(teeth.copy * outline[:, :, None])


def _grain(photo: FacePhoto) -> Floats:
    """Noise (H,W) nearly as strong and as coarse as the photo's; always the same, so it does not flicker."""
    noise = torch.randn(len(plane_y()), len(plane_x()), generator=torch.Generator().manual_seed(0)).numpy()
    if photo.scale < RASTER:
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), 0.5 * RASTER / photo.scale), np.float32)
        noise /= noise.std()
    return 0.8 * photo.grain() * noise
