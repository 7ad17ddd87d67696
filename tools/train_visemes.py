"""Train the viseme network from synthetic speech and write it as ONNX.

    python -m tools.train_visemes                # writes ditto_core/models/bundled/viseme_tcn.onnx
    python -m tools.train_visemes --onward       # only the last rounds, from the bundled network

A maintainer's tool: besides the pack it needs `onnx` and what `viseme_clips` names. It says random texts and
makes every recording harder in several ways (what the network gets to hear of that is kept in --cache),
trains, and prints the accuracy on utterances, voices and languages the network has not heard.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ditto_core.lite.motion import OPEN, WIDE
from ditto_core.lite.visemes import BANDS, HIGHEST_HZ, LOWEST_HZ, ROWS_PER_SECOND, VISEMES
from tools.speech.align import align
from tools.speech.espeak_voices import UNSEEN_VARIANTS
from tools.speech.texts import ESPEAK_LANGUAGES, UNSEEN_LANGUAGES
from tools.speech.voices import Voice
from tools.viseme_clips import (
    Clip,
    Untimed,
    festival_utterances,
    silences,
    unheard,
    untimed_utterances,
    utterances,
)
from tools.viseme_net import VisemeNet, between, export, let_norms_follow, read

BUNDLED = Path(__file__).parents[1] / "ditto_core/models/bundled/viseme_tcn.onnx"
CROP = 3 * ROWS_PER_SECOND
BATCH = 32
STRETCHED = 1.6
"""How much longer or shorter a sound gets at most."""
IGNORED = -1
HELD_OUT = 416
SHOWN_EVERY = 500
LEFT_OUT = 0.08
"""Share of the utterances without times that are left out."""


@dataclass(frozen=True)
class Onward:
    """A round with voices made from recordings.

    fastest: rate of learning. shares: of Festival, of the voices that do not tell when and of the others in
    the batches. kept: the share of the weights before the round in the result; between the two it hears
    unknown voices better than at either end.
    """

    steps: int
    fastest: float
    shares: tuple[float, float, float]
    kept: float


ONWARD = (
    Onward(14000, 2e-3, (0.28, 0.26, 0.46), 0.25),
    Onward(9500, 1.2e-3, (0.19, 0.20, 0.61), 0.25),
)
"""The first learns the new voices, the second brings back what it forgot of the others."""

Batch = tuple[Tensor, Tensor]
"""Features (B, 40, M) and labels (B, M)."""


def mixed(*kinds: list[Clip], shares: tuple[float, ...]) -> NDArray[np.float64]:
    """How often each clip is drawn, so that every kind has its share and long clips of a kind more of it."""
    rows = [np.array([len(clip.labels) for clip in kind], float) for kind in kinds]
    return np.concatenate([each / each.sum() * share for each, share in zip(rows, shares, strict=True)])


def random_batch(clips: list[Clip], shares: NDArray[np.float64], rng: np.random.Generator) -> Batch:
    """Crops of 3 s, many of them at another pace, from another throat or without a few neighbouring bands."""
    features = np.zeros((BATCH, BANDS, CROP), np.float32)
    labels = np.full((BATCH, CROP), IGNORED, np.int64)
    for at, chosen in enumerate(rng.choice(len(clips), BATCH, p=shares)):
        rows, classes = _crop(clips[chosen], rng.uniform(0.8, 1.3) if rng.random() < 0.4 else 1.0, rng)
        if rng.random() < 0.6:
            rows = _bend(rng) @ rows
        if rng.random() < 0.3:
            rows = rows * np.float32(rng.uniform(0.75, 1.25))
        if rng.random() < 0.5:
            band = int(rng.integers(0, BANDS - 6))
            rows[band : band + int(rng.integers(1, 5))] = 0
        features[at, :, : len(classes)] = rows
        labels[at, : len(classes)] = classes
    return torch.from_numpy(features), torch.from_numpy(labels)


def _crop(clip: Clip, pace: float, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """Up to 3 s of the clip, said `pace` times as fast: features (40, M) and classes (M,).

    In half of them every sound has a pace of its own.
    """
    needed = int(CROP * pace * STRETCHED) + 2
    start = int(rng.integers(0, max(1, len(clip.labels) - needed + 1)))
    rows, classes = clip.features[start : start + needed].astype(np.float32), clip.labels[start:][:needed]
    paces = np.full(len(classes), pace)
    if rng.random() < 0.5:
        sound = np.cumsum(np.diff(classes, prepend=classes[:1]) != 0)
        paces *= np.exp(rng.normal(0, 0.25, sound[-1] + 1)).clip(1 / STRETCHED, STRETCHED)[sound]
    ends = np.cumsum(1 / paces)
    at = np.interp(np.arange(ends[0], ends[-1])[:CROP], ends, np.arange(len(ends)))
    before = np.minimum(at.astype(int), len(rows) - 2)
    part = (at - before)[:, None].astype(np.float32)
    return (rows[before] * (1 - part) + rows[before + 1] * part).T, classes[np.rint(at).astype(int)]


_MEL_EDGES = np.linspace(*(2595 * np.log10(1 + hertz / 700) for hertz in (LOWEST_HZ, HIGHEST_HZ)), BANDS + 2)
_BAND_HERTZ = 700 * (10 ** (_MEL_EDGES[1:-1] / 2595) - 1)


def _bend(rng: np.random.Generator) -> NDArray[np.float32]:
    """What moves the bands as another throat does, (40, 40): low, middle and high ones not quite alike."""
    factors = rng.uniform(0.87, 1.15) * rng.uniform(0.93, 1.07, 3)
    moved = _BAND_HERTZ * np.interp(_BAND_HERTZ, (500.0, 1800.0, 5000.0), factors)
    at = np.interp(2595 * np.log10(1 + moved / 700), _MEL_EDGES[1:-1], np.arange(BANDS))
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(BANDS))).astype(np.float32)


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
    net: VisemeNet,
    clips: list[Clip],
    shares: NDArray[np.float64],
    steps: int,
    fastest: float,
    seed: int,
    held_out: list[Clip],
    at_steps: dict[int, Callable[[], None]] | None = None,
) -> None:
    """One cycle of learning, whose rate rises to `fastest` and falls to nothing."""
    rng = np.random.default_rng(seed)
    counts = sum(np.bincount(clip.labels[clip.labels >= 0], minlength=len(VISEMES)) for clip in clips)
    weight = torch.from_numpy((counts / np.mean(counts)) ** -0.2).float()
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, fastest, total_steps=steps, pct_start=0.15)
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
        if at_steps and step in at_steps:
            at_steps[step]()
        if step % SHOWN_EVERY == 0:
            accuracy = confusion(net, held_out).diagonal().sum() / sum(len(c.labels) for c in held_out)
            told = f"loss {total / SHOWN_EVERY:.3f}, held out {accuracy:.3f}"
            print(f"step {step}: {told}, {time.monotonic() - started:.0f} s", flush=True)
            total = 0.0
    net.eval()


@torch.inference_mode()
def find_times(net: VisemeNet, untimed: list[Untimed]) -> None:
    """Write into the labels of every utterance when the network hears its sounds.

    Those that fit worst, whose text was perhaps read otherwise, are left out until the next time.
    """
    net.eval()
    fits: list[float] = []
    for each in untimed:
        clear = each.utterance[0]
        heard = net(torch.from_numpy(clear.features.T.astype(np.float32))[None])[0].softmax(0).T.numpy()
        found = align(heard, each.sounds)
        clear.labels[:], fit = found or (IGNORED, -np.inf)
        fits.append(fit)
    for each, bad in zip(untimed, fits < np.quantile(fits, LEFT_OUT), strict=True):
        if bad:
            each.utterance[0].labels[:] = IGNORED


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


def train_from_nothing(options: argparse.Namespace, held_out: list[Clip]) -> VisemeNet:
    """A network that has heard espeak-ng and flite."""
    first, more = options.utterances
    net = VisemeNet()
    clips = list(chain(*utterances(first, options.seed, options.cache))) + silences(first // 25, options.seed)
    train(net, clips, mixed(clips, shares=(1.0,)), options.steps[0], 3e-3, options.seed, held_out)
    clips += chain(*utterances(more, options.seed + 1, options.cache))
    train(net, clips, mixed(clips, shares=(1.0,)), options.steps[1], 2e-3, options.seed + 1, held_out)
    return net


def train_onward(start: Path, options: argparse.Namespace, held_out: list[Clip]) -> VisemeNet:
    """The network at `start` after the last rounds, with voices made from recordings."""
    festival = list(chain(*festival_utterances(options.festival, options.seed, options.cache)))
    untimed = untimed_utterances(options.untimed, options.seed, options.cache)
    others = list(chain(*utterances(options.others, options.seed + 2, options.cache)))
    others += silences(options.others // 25, options.seed + 2)
    untimed_clips = list(chain.from_iterable(each.utterance for each in untimed))
    clips = festival + untimed_clips + others
    for number, plan in enumerate(ONWARD):
        net = read(start)
        find_times(net, untimed)
        shares = mixed(festival, untimed_clips, others, shares=plan.shares)
        rng = np.random.default_rng(options.seed + number)
        let_norms_follow(net, [random_batch(clips, shares, rng)[0] for _ in range(30)])
        steps = round(plan.steps * options.part)
        again = {round(steps * part): partial(find_times, net, untimed) for part in (0.2, 0.5)}
        train(net, clips, shares, steps, plan.fastest, number, held_out, again)
        learned = options.cache / f"learned{number}.onnx"
        export(net, learned)
        net, start = between(read(start), read(learned), plan.kept), options.cache / f"onward{number}.onnx"
        export(net, start)
    return read(start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--onward", action="store_true", help="only the last rounds, from the bundled network"
    )
    parser.add_argument("--output", type=Path, default=BUNDLED)
    parser.add_argument("--cache", type=Path, default=Path("build/visemes"))
    parser.add_argument("--utterances", type=int, nargs=2, default=(26000, 20000), metavar=("FIRST", "MORE"))
    parser.add_argument("--steps", type=int, nargs=2, default=(20000, 18000), metavar=("FIRST", "MORE"))
    parser.add_argument("--festival", type=int, default=10400, help="utterances of the last rounds")
    parser.add_argument("--untimed", type=int, default=5600, help="by voices that do not tell when")
    parser.add_argument("--others", type=int, default=23000)
    parser.add_argument(
        "--part", type=float, default=1.0, help="of the steps of the last rounds, to try them"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    held_out, harder = map(list, zip(*utterances(HELD_OUT, options.seed + 3, options.cache), strict=True))
    start = BUNDLED
    if not options.onward:
        start = options.cache / "start.onnx"
        export(train_from_nothing(options, held_out), start)
    net = train_onward(start, options, held_out)
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
