"""Train the viseme network from synthetic speech and write it as ONNX.

    python -m tools.train_visemes                # writes ditto_core/models/bundled/viseme_tcn.onnx

A maintainer's tool: besides the pack it needs `onnx` and Debian's espeak-ng, flite, wamerican and the
Hunspell dictionaries of `viseme_texts.DICTIONARIES`. It says random texts and makes every recording harder in
several ways (what the network gets to hear of that is kept in --cache), trains, and prints the accuracy on
utterances, voices and languages the network has not heard.
"""

from __future__ import annotations

import argparse
import random
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import GraphProto, TensorProto, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from ditto_core.lite.motion import OPEN, WIDE
from ditto_core.lite.visemes import BANDS, FIELD, ROWS_PER_SECOND, VISEMES, log_mel, normalise
from tools.viseme_augment import make_harder, not_speech
from tools.viseme_data import UNSEEN_VARIANTS, Phone, Speech, Voice, random_voice, say
from tools.viseme_texts import ESPEAK_LANGUAGES, UNSEEN_LANGUAGES, random_text

BUNDLED = Path(__file__).parents[1] / "ditto_core/models/bundled/viseme_tcn.onnx"
DILATIONS = (1, 2, 3, 4, 6, 9)
HEARD_FIRST = 3
"""Layers before the one that looks at the surroundings."""
SURROUNDINGS = 100
"""Rows to either side that tell who is speaking, and how."""
CROP = 3 * ROWS_PER_SECOND
BATCH = 32
IGNORED = -1
HELD_OUT = 416
SHOWN_EVERY = 500

Batch = tuple[Tensor, Tensor]
"""Features (B, 40, M) and labels (B, M)."""


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

    def __init__(self, channels: int) -> None:
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


@dataclass(frozen=True)
class Clip:
    """Normalised features (M, 40) and the class of every row (M,), stored small."""

    features: NDArray[np.float16]
    labels: NDArray[np.int8]


Utterance = tuple[Clip, Clip]
"""As it was said, and harder to hear."""


def labels_of(phones: tuple[Phone, ...], rows: int) -> NDArray[np.int64]:
    """The viseme at the centre of every row."""
    starts = np.array([phone.start for phone in phones])
    classes = np.array([VISEMES.index(phone.viseme) for phone in phones])
    times = np.arange(rows) / ROWS_PER_SECOND
    labels = classes[np.searchsorted(starts, times, side="right") - 1]
    labels[times >= phones[-1].stop] = VISEMES.index("sil")
    return labels


def clip_of(speech: Speech) -> Clip:
    features = normalise(log_mel(torch.from_numpy(speech.samples))[0]).numpy()
    labels = labels_of(speech.phones, len(features))
    return Clip(features.astype(np.float16), labels.astype(np.int8))


# ----------------------------------------------------------------------------------------------- data


def utterances(count: int, seed: int, cache: Path) -> list[Utterance]:
    """`count` random utterances, from `cache` if they have been said before."""
    path = cache / f"utterances_{count}_{seed}.npz"
    if not path.exists():
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
            save(path, list(pool.map(utterance, [seed] * count, range(count), chunksize=50)))
    return load(path)


def utterance(seed: int, index: int) -> Utterance:
    """Something that a random voice says, and the same made harder to hear."""
    torch.set_num_threads(1)
    rng = random.Random(f"{seed} {index}")
    voice = random_voice(rng)
    speech = say(random_text(voice.language, rng), voice)
    return clip_of(speech), clip_of(make_harder(speech, np.random.default_rng((seed, index))))


def save(path: Path, said: list[Utterance]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    clips = [clip for pair in said for clip in pair]
    np.savez(
        path,
        features=np.concatenate([clip.features for clip in clips]),
        labels=np.concatenate([clip.labels for clip in clips]),
        ends=np.cumsum([len(clip.labels) for clip in clips]),
    )


def load(path: Path) -> list[Utterance]:
    with np.load(path) as stored:
        features = np.split(stored["features"], stored["ends"][:-1])
        labels = np.split(stored["labels"], stored["ends"][:-1])
    clips = [Clip(*both) for both in zip(features, labels, strict=True)]
    return list(zip(clips[::2], clips[1::2], strict=True))


def silences(count: int, seed: int) -> list[Clip]:
    """Sound that is no speech."""
    rng = np.random.default_rng(seed)
    return [clip_of(not_speech(rng)) for _ in range(count)]


def unheard(voices: list[Voice], count: int, seed: int) -> list[Clip]:
    """Clean utterances said by these voices in turn."""
    rng = random.Random(seed)
    turns = [voices[i % len(voices)] for i in range(count)]
    return [clip_of(say(random_text(voice.language, rng), voice)) for voice in turns]


def random_batch(clips: list[Clip], shares: NDArray[np.float64], rng: np.random.Generator) -> Batch:
    """Crops of 3 s, half of them without a few neighbouring bands; a clip is drawn by its share."""
    features = np.zeros((BATCH, BANDS, CROP), np.float32)
    labels = np.full((BATCH, CROP), IGNORED, np.int64)
    for at, chosen in enumerate(rng.choice(len(clips), BATCH, p=shares)):
        clip = clips[chosen]
        start = int(rng.integers(0, max(1, len(clip.labels) - CROP + 1)))
        part = clip.labels[start : start + CROP]
        features[at, :, : len(part)] = clip.features[start : start + CROP].T
        labels[at, : len(part)] = part
        if rng.random() < 0.5:
            band = int(rng.integers(0, BANDS - 6))
            features[at, band : band + int(rng.integers(1, 5))] = 0
    return torch.from_numpy(features), torch.from_numpy(labels)


# ------------------------------------------------------------------------------------------- training

ASKED = torch.tensor(
    [[OPEN.get(v, 0) / 0.6, WIDE.get(v, 0) / 0.45, 3.0 * (v == "PP")] for v in VISEMES], dtype=torch.float32
)
"""What each viseme asks of the lips, (17, 3): opening, width and closure on one scale."""


def loss_of(logits: Tensor, labels: Tensor, weight: Tensor) -> Tensor:
    """How wrongly the sounds are heard, and how far the lips they ask for are from the right ones."""
    heard = F.cross_entropy(logits, labels, weight, ignore_index=IGNORED, label_smoothing=0.02)
    known = (labels != IGNORED)[..., None]
    wrong = (logits.softmax(1).transpose(1, 2) @ ASKED - ASKED[labels.clamp(min=0)]) * known
    kernel = torch.exp(-0.5 * (torch.arange(-9, 10) / 3.0) ** 2)  # lips are slower than sounds
    kernel = (kernel / kernel.sum()).expand(3, 1, -1)
    return heard + F.conv1d(wrong.transpose(1, 2), kernel, groups=3, padding=9).square().mean()


def train(
    net: VisemeNet, clips: list[Clip], steps: int, fastest: float, seed: int, held_out: list[Clip]
) -> None:
    """One cycle of learning, whose rate rises to `fastest` and falls to nothing."""
    rng = np.random.default_rng(seed)
    counts = sum(np.bincount(clip.labels, minlength=len(VISEMES)) for clip in clips)
    weight = torch.from_numpy((counts / np.mean(counts)) ** -0.2).float()
    shares = np.array([len(clip.labels) for clip in clips]) / np.sum(counts)
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, fastest, total_steps=steps)
    started, total = time.monotonic(), 0.0
    for step in range(1, steps + 1):
        net.train()
        features, labels = random_batch(clips, shares, rng)
        optimiser.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):  # half the time where the processor knows it
            logits = net(features)
        loss = loss_of(logits.float(), labels, weight)
        loss.backward()
        optimiser.step()
        schedule.step()
        total += loss.item()
        if step % SHOWN_EVERY == 0:
            accuracy = confusion(net, held_out).diagonal().sum() / sum(len(c.labels) for c in held_out)
            told = f"loss {total / SHOWN_EVERY:.3f}, held out {accuracy:.3f}"
            print(f"step {step}: {told}, {time.monotonic() - started:.0f} s", flush=True)
            total = 0.0
    net.eval()


@torch.inference_mode()
def confusion(net: VisemeNet, clips: list[Clip]) -> NDArray[np.int64]:
    """(17, 17) rows by true class and heard class."""
    net.eval()
    table = np.zeros((len(VISEMES), len(VISEMES)), np.int64)
    for clip in clips:
        heard = net(torch.from_numpy(clip.features.T.astype(np.float32))[None])[0].argmax(0).numpy()
        np.add.at(table, (clip.labels, heard), 1)
    return table


def report(name: str, net: VisemeNet, clips: list[Clip]) -> None:
    table = confusion(net, clips)
    hours = table.sum() / ROWS_PER_SECOND / 3600
    print(f"{name}: {table.diagonal().sum() / table.sum():.3f} of {hours:.2f} h")
    recall = table.diagonal() / np.maximum(table.sum(1), 1)
    print("  " + "  ".join(f"{viseme} {share:.2f}" for viseme, share in zip(VISEMES, recall, strict=True)))


def export(net: VisemeNet, path: Path) -> None:
    """Write the network with the weights of every channel in 8 bits, with which it hears the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        net,
        (torch.zeros(1, BANDS, CROP),),
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=BUNDLED)
    parser.add_argument("--cache", type=Path, default=Path("build/visemes"))
    parser.add_argument("--utterances", type=int, nargs=2, default=(26000, 20000), metavar=("FIRST", "MORE"))
    parser.add_argument("--steps", type=int, nargs=2, default=(20000, 18000), metavar=("FIRST", "MORE"))
    parser.add_argument("--channels", type=int, default=160)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    assert 1 + sum(DILATIONS) + SURROUNDINGS == FIELD
    first, more = options.utterances
    said = utterances(first, options.seed, options.cache)
    kept = min(first // 12, HELD_OUT)
    held_out, harder = ([pair[i] for pair in said[:kept]] for i in (0, 1))
    clips = [clip for pair in said[kept:] for clip in pair] + silences(first // 25, options.seed)
    torch.manual_seed(options.seed)
    net = VisemeNet(options.channels)
    train(net, clips, options.steps[0], 3e-3, options.seed, held_out)
    clips += [clip for pair in utterances(more, options.seed + 1, options.cache) for clip in pair]
    print(f"{sum(len(clip.labels) for clip in clips) / ROWS_PER_SECOND / 3600:.2f} h in all", flush=True)
    train(net, clips, options.steps[1], 2e-3, options.seed + 1, held_out)
    export(net, options.output)

    report("unheard utterances", net, held_out)
    report("the same, harder", net, harder)
    variants = [Voice("espeak", f"{name}+{v}") for v in UNSEEN_VARIANTS for name in ESPEAK_LANGUAGES]
    report("unheard voices", net, unheard(variants, 120, seed=2))
    report(
        "unheard languages", net, unheard([Voice("espeak", name) for name in UNSEEN_LANGUAGES], 60, seed=3)
    )


if __name__ == "__main__":
    main()
