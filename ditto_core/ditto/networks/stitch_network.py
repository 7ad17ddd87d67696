"""Stitch network S: corrects driving keypoints so that the face joins its shoulders."""

from __future__ import annotations

import torch
from torch import Tensor, nn

KEYPOINTS = 21


class StitchNetwork(nn.Module):
    """kp_source and kp_driving (B, 21, 3) to corrected kp_driving (B, 21, 3)."""

    def __init__(self) -> None:
        super().__init__()
        pair = 2 * 3 * KEYPOINTS
        self.mlp = nn.Sequential(
            nn.Linear(pair, 128),
            nn.ReLU(),
            nn.Linear(128, 128),
            nn.ReLU(),
            nn.Linear(128, 64),
            nn.ReLU(),
            nn.Linear(64, 3 * KEYPOINTS + 2),
        )

    def forward(self, kp_source: Tensor, kp_driving: Tensor) -> Tensor:
        delta = self.mlp(torch.cat([kp_source.flatten(1), kp_driving.flatten(1)], dim=1))
        moved = kp_driving + delta[:, :-2].view_as(kp_driving)
        shift = torch.cat([delta[:, -2:], torch.zeros_like(delta[:, :1])], dim=1)
        return moved + shift[:, None]
