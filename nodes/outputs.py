"""What we hand to other nodes, in ComfyUI's terms: IMAGE and AUDIO."""

from __future__ import annotations

import torch

from ..ditto_core.data import Audio
from ..ditto_core.media.collect import float_images


def image_from(pixels: torch.Tensor) -> torch.Tensor:
    """One picture, RGB uint8 (H, W, 3), as an IMAGE batch."""
    return float_images(pixels).unsqueeze(0)


def audio_to_comfy(audio: Audio) -> dict[str, object]:
    """A recording as an AUDIO."""
    return {"waveform": audio.samples.unsqueeze(0), "sample_rate": audio.rate}
