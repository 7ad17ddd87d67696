"""Train the viseme network from synthetic speech and write it as ONNX.

    python -m tools.train_visemes                # writes ditto_core/models/bundled/viseme_tcn.onnx

A maintainer's tool: besides the pack it needs `onnx` and Debian's espeak-ng, flite and wamerican. It says
random texts (kept in --cache), makes every recording harder in several ways, trains on one or two cores
in some minutes, and prints the accuracy on utterances, voices and languages the network has not heard.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ditto_core.lite.visemes import BANDS, FIELD, HOP, ROWS_PER_SECOND, VISEMES, log_mel, normalise
from tools.viseme_augment import make_harder, not_speech
from tools.viseme_data import UNSEEN_VARIANTS, Phone, Speech, Voice, random_voice, say
from tools.viseme_texts import ESPEAK_LANGUAGES, UNSEEN_LANGUAGES, random_text

BUNDLED = Path(__file__).parents[1] / "ditto_core/models/bundled/viseme_tcn.onnx"
DILATIONS = (1, 2, 4, 6)
KERNEL = 5
CROP = 3 * ROWS_PER_SECOND
IGNORED = -1


class VisemeNet(nn.Module):
    """Dilated convolutions over log-mel rows: (B, 40, M) -> logits (B, 17, M)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = BANDS
        for dilation in DILATIONS:
            padding = dilation * (KERNEL // 2)
            layers += [
                nn.Conv1d(inputs, channels, KERNEL, dilation=dilation, padding=padding),
                nn.BatchNorm1d(channels),
                nn.ReLU(),
                nn.Dropout(0.1),
            ]
            inputs = channels
        self.layers = nn.Sequential(*layers, nn.Conv1d(inputs, len(VISEMES), 1))

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features)


@dataclass(frozen=True)
class Clip:
    """Normalised features (M, 40) and the class of every row (M,)."""

    features: NDArray[np.float32]
    labels: NDArray[np.int64]


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
    return Clip(features, labels_of(speech.phones, len(features)))


# ----------------------------------------------------------------------------------------------- data


def spoken(count: int, seed: int, cache: Path) -> list[Speech]:
    """`count` random utterances, from `cache` if they have been said before."""
    path = cache / f"speech_{count}_{seed}.npz"
    if not path.exists():
        rng = random.Random(seed)
        said: list[Speech] = []
        for _ in range(count):
            voice = random_voice(rng)
            said.append(say(random_text(voice.language, rng), voice))
        save_speech(path, said)
    return load_speech(path)


def save_speech(path: Path, said: list[Speech]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = [(i, p.start, p.stop, VISEMES.index(p.viseme)) for i, s in enumerate(said) for p in s.phones]
    sound = np.concatenate([s.samples for s in said])
    np.savez(
        path,
        sound=(sound * 32767).astype(np.int16),
        lengths=[len(s.samples) for s in said],
        phones=np.array(table),
    )


def load_speech(path: Path) -> list[Speech]:
    with np.load(path) as stored:
        sounds = np.split(stored["sound"], np.cumsum(stored["lengths"])[:-1])
        table = stored["phones"]
    phones: list[list[Phone]] = [[] for _ in sounds]
    for index, start, stop, viseme in table.tolist():
        phones[int(index)].append(Phone(start, stop, VISEMES[int(viseme)]))
    return [
        Speech((sound / 32767).astype(np.float32), tuple(said))
        for sound, said in zip(sounds, phones, strict=True)
    ]


def training_clips(said: list[Speech], rounds: int, seed: int) -> list[Clip]:
    """Every utterance made harder in `rounds` ways, and some sound that is no speech."""
    rng = np.random.default_rng(seed)
    clips = [clip_of(make_harder(speech, rng)) for _ in range(rounds) for speech in said]
    return clips + [clip_of(not_speech(rng)) for _ in range(len(clips) // 25)]


def unheard(voices: list[Voice], count: int, seed: int) -> list[Clip]:
    """Clean utterances said by these voices in turn."""
    rng = random.Random(seed)
    turns = [voices[i % len(voices)] for i in range(count)]
    return [clip_of(say(random_text(voice.language, rng), voice)) for voice in turns]


def batches(clips: list[Clip], size: int, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch of random crops of 3 s; a longer clip is drawn more often."""
    rows = np.array([len(clip.labels) for clip in clips])
    for _ in range(int(rows.sum()) // (CROP * size)):
        features = np.zeros((size, CROP, BANDS), np.float32)
        labels = np.full((size, CROP), IGNORED, np.int64)
        for at, chosen in enumerate(rng.choice(len(clips), size, p=rows / rows.sum())):
            clip = clips[chosen]
            start = int(rng.integers(0, max(1, len(clip.labels) - CROP + 1)))
            part = clip.labels[start : start + CROP]
            features[at, : len(part)] = clip.features[start : start + CROP]
            labels[at, : len(part)] = part
        yield torch.from_numpy(features.transpose(0, 2, 1).copy()), torch.from_numpy(labels)


# ------------------------------------------------------------------------------------------- training


def train(clips: list[Clip], epochs: int, channels: int, seed: int, held_out: list[Clip]) -> VisemeNet:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = VisemeNet(channels)
    counts = np.bincount(np.concatenate([clip.labels for clip in clips]), minlength=len(VISEMES))
    weight = torch.from_numpy((counts / counts.mean()) ** -0.4).float()
    loss_of = nn.CrossEntropyLoss(weight, ignore_index=IGNORED, label_smoothing=0.05)
    steps = epochs * (int(sum(len(clip.labels) for clip in clips)) // (CROP * 32))
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    for epoch in range(epochs):
        started, total, count = time.monotonic(), 0.0, 0
        net.train()
        for features, labels in batches(clips, 32, rng):
            optimiser.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):  # half the time where the processor knows it
                logits = net(features)
            loss = loss_of(logits.float(), labels)
            loss.backward()
            optimiser.step()
            schedule.step()
            total, count = total + loss.item(), count + 1
        seconds = time.monotonic() - started
        accuracy = confusion(net, held_out).diagonal().sum() / sum(len(c.labels) for c in held_out)
        print(
            f"epoch {epoch + 1}: loss {total / count:.3f}, held out {accuracy:.3f}, {seconds:.0f} s",
            flush=True,
        )
    return net.eval()


@torch.inference_mode()
def confusion(net: VisemeNet, clips: list[Clip]) -> NDArray[np.int64]:
    """(17, 17) rows by true class and heard class."""
    net.eval()
    table = np.zeros((len(VISEMES), len(VISEMES)), np.int64)
    for clip in clips:
        heard = net(torch.from_numpy(clip.features.T.copy())[None])[0].argmax(0).numpy()
        np.add.at(table, (clip.labels, heard), 1)
    return table


def report(name: str, net: VisemeNet, clips: list[Clip]) -> None:
    table = confusion(net, clips)
    hours = table.sum() / ROWS_PER_SECOND / 3600
    print(f"{name}: {table.diagonal().sum() / table.sum():.3f} of {hours:.2f} h")
    recall = table.diagonal() / np.maximum(table.sum(1), 1)
    print("  " + "  ".join(f"{viseme} {share:.2f}" for viseme, share in zip(VISEMES, recall, strict=True)))


def export(net: VisemeNet, path: Path) -> None:
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
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=BUNDLED)
    parser.add_argument("--cache", type=Path, default=Path("build/visemes"))
    parser.add_argument("--utterances", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=2, help="ways in which each utterance is made harder")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--channels", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    assert sum(DILATIONS) * (KERNEL // 2) == FIELD
    said = spoken(options.utterances, options.seed, options.cache)
    kept = len(said) // 12
    held_out = [clip_of(speech) for speech in said[:kept]]
    clips = training_clips(said[kept:], rounds=options.rounds, seed=options.seed)
    print(f"{sum(len(s.samples) for s in said) / HOP / ROWS_PER_SECOND / 3600:.2f} h of speech", flush=True)
    net = train(clips, options.epochs, options.channels, options.seed, held_out)
    export(net, options.output)

    rng = np.random.default_rng(1)
    report("unheard utterances", net, held_out)
    report("the same, harder", net, [clip_of(make_harder(speech, rng)) for speech in said[:kept]])
    variants = [Voice("espeak", f"{name}+{v}") for v in UNSEEN_VARIANTS for name in ESPEAK_LANGUAGES]
    report("unheard voices", net, unheard(variants, 120, seed=2))
    report(
        "unheard languages", net, unheard([Voice("espeak", name) for name in UNSEEN_LANGUAGES], 60, seed=3)
    )


if __name__ == "__main__":
    main()
