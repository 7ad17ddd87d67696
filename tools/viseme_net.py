"""The network that hears visemes: its layers, and how it is written to ONNX and read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import GraphProto, TensorProto, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from ditto_core.lite.visemes import BANDS, FIELD, ROWS_PER_SECOND, VISEMES

CHANNELS = 160
DILATIONS = (1, 2, 3, 1, 4, 6, 9, 2, 4)
HEARD_FIRST = 4
"""Layers before the one that looks at the surroundings."""
SURROUNDINGS = 100
"""Rows to either side that tell who is speaking, and how."""
assert 1 + sum(DILATIONS) + SURROUNDINGS == FIELD


class Layer(nn.Module):
    """Adds what three rows, `dilation` apart, have in common: (B, C, M) -> (B, C, M)."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, rows: Tensor) -> Tensor:
        return rows + F.relu(self.norm(self.conv(rows)))


class Surroundings(nn.Module):
    """Adds the mean of the second to either side: the same vowel differs from voice to voice."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down = nn.Conv1d(channels, 32, 1)
        self.up = nn.Conv1d(32, channels, 1)

    def forward(self, rows: Tensor) -> Tensor:
        return rows + self.up(self._mean(F.relu(self.down(rows))))

    def _mean(self, rows: Tensor) -> Tensor:
        if not self.training:
            return F.avg_pool1d(rows, 2 * SURROUNDINGS + 1, 1, SURROUNDINGS, count_include_pad=False)
        sums = F.pad(rows.float().cumsum(-1), (1, 0))  # the same, faster
        at = torch.arange(rows.shape[-1])
        start, stop = (at - SURROUNDINGS).clamp(min=0), (at + SURROUNDINGS + 1).clamp(max=len(at))
        return (sums[..., stop] - sums[..., start]) / (stop - start)


class VisemeNet(nn.Module):
    """Dilated convolutions over log-mel rows: (B, 40, M) -> logits (B, 17, M)."""

    def __init__(self, channels: int = CHANNELS) -> None:
        super().__init__()
        layers = [Layer(channels, dilation) for dilation in DILATIONS]
        self.layers = nn.Sequential(
            nn.Conv1d(BANDS, channels, 3, padding=1),
            nn.BatchNorm1d(channels),
            nn.ReLU(),
            *layers[:HEARD_FIRST],
            Surroundings(channels),
            *layers[HEARD_FIRST:],
            nn.Conv1d(channels, len(VISEMES), 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features)


def export(net: VisemeNet, path: Path) -> None:
    """Write the network with the weights of every channel in 8 bits, with which it hears the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        net,
        (torch.zeros(1, BANDS, 3 * ROWS_PER_SECOND),),
        str(path),
        input_names=["features"],
        output_names=["logits"],
        dynamic_axes={"features": {2: "rows"}, "logits": {2: "rows"}},
        opset_version=16,
        dynamo=False,
    )
    model = onnx.load(path)
    for weight in list(model.graph.initializer):
        values = numpy_helper.to_array(weight)
        if values.ndim == 3:
            _store_small(model.graph, weight, values)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


def _store_small(graph: GraphProto, weight: TensorProto, values: NDArray[np.float32]) -> None:
    """Replace the weight (channels, ...) by bytes and a scale for each channel."""
    scale = np.abs(values).max(axis=(1, 2)) / 127
    stored = np.rint(values / scale[:, None, None]).astype(np.int8)
    names = [f"{weight.name}.bytes", f"{weight.name}.scale"]
    graph.node.insert(0, onnx.helper.make_node("DequantizeLinear", names, [weight.name], axis=0))
    graph.initializer.append(numpy_helper.from_array(scale.astype(np.float32), names[1]))
    weight.CopyFrom(numpy_helper.from_array(stored, names[0]))


def read(path: Path) -> VisemeNet:
    """The network that `export` wrote, to train it on.

    Its batch norms, which are part of the convolutions there, leave everything as it is until
    `let_norms_follow` has seen what they get.
    """
    graph = onnx.load(path).graph
    stored = {weight.name: numpy_helper.to_array(weight) for weight in graph.initializer}
    for node in graph.node:
        if node.op_type == "DequantizeLinear":
            small, scale = (stored[name] for name in node.input)
            stored[node.output[0]] = small.astype(np.float32) * scale[:, None, None]
    read_convolutions = [node.input[1:] for node in graph.node if node.op_type == "Conv"]
    net = VisemeNet()
    convolutions = [module for module in net.modules() if isinstance(module, nn.Conv1d)]
    with torch.no_grad():
        for module, (weight, bias) in zip(convolutions, read_convolutions, strict=True):
            module.weight.copy_(torch.from_numpy(stored[weight].copy()))
            assert module.bias is not None
            module.bias.copy_(torch.from_numpy(stored[bias].copy()))
        for norm in _norms(net):
            norm.weight.fill_((1 + norm.eps) ** 0.5)
    return net.eval()


@torch.inference_mode()
def let_norms_follow(net: VisemeNet, batches: list[Tensor]) -> None:
    """Give the batch norms of a network just read the means and variances of these features, and the gain and
    offset that undo them: it hears as before, and can learn.
    """
    seen: dict[nn.BatchNorm1d, list[Tensor]] = {norm: [] for norm in _norms(net)}
    hooks = [
        norm.register_forward_pre_hook(
            lambda norm, given: seen[norm].append(given[0].transpose(0, 1).flatten(1))
        )
        for norm in seen
    ]
    for features in batches:
        net.eval()(features)
    for hook in hooks:
        hook.remove()
    for norm, rows in seen.items():
        variance, mean = torch.var_mean(torch.cat(rows, dim=1), dim=1)
        norm.get_buffer("running_mean").copy_(mean)
        norm.get_buffer("running_var").copy_(variance)
        norm.bias.copy_(mean)
        norm.weight.copy_((variance + norm.eps).sqrt())


def between(net: VisemeNet, other: VisemeNet, share: float) -> VisemeNet:
    """`share` of the first network and the rest of the other, both just read."""
    first, second = net.state_dict(), other.state_dict()
    net.load_state_dict(
        {
            name: second[name].lerp(first[name], share) if first[name].is_floating_point() else first[name]
            for name in first
        }
    )
    return net


def _norms(net: VisemeNet) -> list[nn.BatchNorm1d]:
    return [module for module in net.modules() if isinstance(module, nn.BatchNorm1d)]
