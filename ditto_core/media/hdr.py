"""Brings pictures of high dynamic range (HLG, as phones film, and PQ) to the range that all others have.

What their codes mean is ITU-R BT.2100-2. The light is compressed by method C of report ITU-R BT.2446-1, which
leaves faces nearly as bright as they are; colours that BT.709 lacks are clipped.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

_LUMINANCE = np.array([[0.2627, 0.6780, 0.0593]], np.float32)
_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
"""The light of BT.2020's primaries to that of BT.709's (report ITU-R BT.2407-0)."""
_WHITE, _GAMMA = 100.0, 2.4
"""cd/m² of a display of the usual range, and its gamma (BT.1886)."""
_SLOPE, _KNEE, _BEND = 0.83802, 58.535, 0.74204
"""Method C: light is scaled, up to so many cd/m² of the result; from there on it grows with its logarithm."""
_STEPS = np.linspace(0, 1, 65536)
_STRIP = 2**18
"""Pixels done at a time, so that what they need stays small."""


class Signal(NamedTuple):
    """light: what each code of 16 bits stands for, 0..1. gain: by its luminance, 0..1 in as many steps, what
    light is multiplied with to be that of a display of the usual range."""

    light: NDArray[np.float32]
    gain: NDArray[np.float32]


def _signal(light: NDArray[Any], peak: float, gamma: float) -> Signal:
    """Of a display that shows peak * luminance ** gamma cd/m²."""
    luminance = np.maximum(_STEPS, _STEPS[1])
    gain = _compressed(peak * luminance**gamma) / _WHITE / luminance
    return Signal(light.astype(np.float32), gain.astype(np.float32))


def _compressed(luminance: NDArray[Any]) -> NDArray[Any]:
    """cd/m² of a display of the usual range for those of one of a high range."""
    bent = np.maximum(luminance * _SLOPE / _KNEE - _BEND, 1 - _BEND)
    return np.minimum(luminance * _SLOPE, _KNEE) + _KNEE * (1 - _BEND) * np.log(bent / (1 - _BEND))


def _pq() -> Signal:
    """BT.2100-2, table 4."""
    root = _STEPS ** (32 / 2523)
    light = (np.maximum(root - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * root)) ** (16384 / 2610)
    return _signal(light, 10_000, 1)


def _hlg() -> Signal:
    """BT.2100-2, table 5, on a display of 1000 cd/m²."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    light = np.where(_STEPS <= 0.5, _STEPS**2 / 3, (np.exp((_STEPS - c) / a) + b) / 12)
    return _signal(light, 1000, 1.2)


_SHOWN: NDArray[np.uint8] = np.asarray((255 * _STEPS ** (1 / _GAMMA)).round(), np.uint8)
"""The level that shows as much light, 0..1 in as many steps."""

SIGNALS = {16: _pq(), 18: _hlg()}
"""By FFmpeg's AVColorTransferCharacteristic."""


def to_usual_range(rgb: NDArray[np.uint16], signal: Signal) -> NDArray[np.uint8]:
    """RGB (H, W, 3) of BT.2100, its codes scaled to 16 bits, as RGB of BT.709."""
    strips = np.array_split(rgb, -(-rgb.shape[0] * rgb.shape[1] // _STRIP))
    return np.concatenate([_strip_to_usual_range(strip, signal) for strip in strips])


def _strip_to_usual_range(rgb: NDArray[np.uint16], signal: Signal) -> NDArray[np.uint8]:
    light = signal.light.take(rgb, mode="clip")  # every code is in the table, so no check is needed
    luminance = cv2.transform(light, _LUMINANCE)
    light *= signal.gain.take((luminance * 65535).astype(np.uint16))[..., None]
    brightest: Any = len(_STEPS) - 1
    shown = cv2.multiply(cv2.transform(light, _TO_BT709), brightest, dtype=cv2.CV_16U)
    return _SHOWN.take(np.asarray(shown, np.uint16))
