"""Deterministic weights for parity tests.

No pretrained checkpoint is needed to prove that a network is wired as published: give every
tensor of its state dict a value drawn from the tensor's own *name*, run it on a recorded input,
and compare with the recorded output. Two implementations that agree on key names, shapes,
layer order and arithmetic give the same numbers; any other pair does not.

    model = MotionDecoder(...)                      # keys named as in the published checkpoint
    fill_(model, salt="ditto/lmdm")                 # in place; returns the module in eval mode
    out = model(**golden_inputs)

`salt` keeps the networks of one system apart; each golden file's metadata names the salt it used.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch


def _generator(name: str, salt: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{salt}:{name}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:8], "little")))


def seeded_array(name: str, shape: tuple[int, ...], salt: str = "", gain: float = 1.0) -> np.ndarray:
    """The float32 value of the tensor called `name`: fan-in scaled normal for matrices and kernels,
    near-one for norm scales and running variances, near-zero for everything else."""
    rng = _generator(name, salt)
    noise = rng.standard_normal(shape, dtype=np.float32)
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "running_var":
        return 1.0 + 0.1 * np.abs(noise)
    if leaf == "running_mean":
        return 0.02 * noise
    if len(shape) >= 2:
        fan_in = int(np.prod(shape[1:]))
        return noise * np.float32(gain / np.sqrt(max(fan_in, 1)))
    if leaf == "weight":
        return 1.0 + 0.02 * noise
    return 0.02 * noise


def _power_iteration(
    weight: np.ndarray, u: np.ndarray, steps: int = 15, dim: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    matrix = np.moveaxis(weight, dim, 0).reshape(weight.shape[dim], -1).astype(np.float64)
    u = u.astype(np.float64)
    for _ in range(steps):
        v = matrix.T @ u
        v /= np.linalg.norm(v) + 1e-12
        u = matrix @ v
        u /= np.linalg.norm(u) + 1e-12
    return u.astype(np.float32), v.astype(np.float32)


def seeded_state_dict(
    template: dict[str, torch.Tensor], salt: str = "", gain: float = 1.0
) -> dict[str, torch.Tensor]:
    """Values for every floating tensor of `template` (a state dict; only names, shapes and dtypes are
    read). Integer tensors are kept. Spectral-norm pairs (`weight_u`, `weight_v`) get the leading
    singular vectors of their `weight_orig`, so that the normalised weight has unit spectral norm."""
    out: dict[str, torch.Tensor] = {}
    for name, tensor in template.items():
        if not tensor.dtype.is_floating_point:
            out[name] = tensor.clone()
            continue
        if name.endswith(("weight_u", "weight_v")):
            continue
        out[name] = torch.from_numpy(seeded_array(name, tuple(tensor.shape), salt, gain)).to(tensor.dtype)
    for name in template:
        if not name.endswith("weight_u"):
            continue
        stem = name[: -len("weight_u")]
        weight = out[stem + "weight_orig"].float().numpy()
        u0 = seeded_array(name, tuple(template[name].shape), salt)
        u, v = _power_iteration(weight, u0)
        out[name] = torch.from_numpy(u)
        out[stem + "weight_v"] = torch.from_numpy(v)
    return {name: out[name] for name in template}


def fill_(
    module: torch.nn.Module, salt: str = "", gain: float = 1.0, keep: tuple[str, ...] = ()
) -> torch.nn.Module:
    """Load seeded values into `module` in place (state-dict names containing any of `keep` stay as
    constructed: fixed schedules, rotary frequencies, mel filters) and return it in eval mode."""
    template = module.state_dict()
    values = seeded_state_dict(template, salt, gain)
    for name in template:
        if any(part in name for part in keep):
            values[name] = template[name]
    module.load_state_dict(values, strict=True)
    return module.eval()


def seeded_input(
    name: str, shape: tuple[int, ...], salt: str = "", low: float | None = None, high: float | None = None
) -> torch.Tensor:
    """A recorded test input: standard normal, or uniform in [low, high) when both are given."""
    rng = _generator("input/" + name, salt)
    if low is None or high is None:
        return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
    return torch.from_numpy(rng.uniform(low, high, shape).astype(np.float32))
