"""Make the pack's demo and test speech, with the times of its sounds.

    python -m tools.make_speech       # writes to ditto_core/assets/speech and tests/golden/speech

A maintainer's tool: it needs Debian's espeak-ng and flite. The texts are our own and the recordings are
declared CC0-1.0.
"""

from __future__ import annotations

from pathlib import Path

from ditto_core.lite.visemes import SAMPLE_RATE
from tools.speech.known import write
from tools.speech.voices import Voice, say

FOLDER = Path(__file__).parents[1] / "ditto_core/assets/speech"
TEST_FOLDER = Path(__file__).parents[1] / "tests/golden/speech"

DEMO = (
    "Hello! A moment ago I was only a picture. Now somebody has lent me a voice, "
    "and my lips follow every word of it. Bring me your own portrait, and let it speak."
)
RECORDINGS = {
    "demo": (Voice("flite", "slt"), DEMO),
    "flite_slt": (
        Voice("flite", "slt"),
        "My brother baked a plum pie for the family before breakfast.",
    ),
    "flite_rms": (Voice("flite", "rms"), "Five men pulled a heavy boat over the beach as the moon came up."),
    "flite_awb": (Voice("flite", "awb"), "People remember a warm room, a soft voice, and a simple melody."),
    "espeak_en": (
        Voice("espeak", "en-us+f3"),
        "Maybe the farmer will bring both ponies home by Monday.",
    ),
    "espeak_de": (Voice("espeak", "de"), "Am Abend kommt mein Bruder mit dem Boot über den See."),
}
HARD_TO_HEAR = {
    "breathy_da": (
        Voice("espeak", "da+steph"),
        "Ministeren fremlagde rapporten foran pressen, mens demonstranterne råbte udenfor bygningen.",
    ),
}


def main() -> None:
    for folder, recordings in ((FOLDER, RECORDINGS), (TEST_FOLDER, HARD_TO_HEAR)):
        folder.mkdir(parents=True, exist_ok=True)
        for name, (voice, text) in recordings.items():
            speech = say(text, voice)
            write(folder / name, f"{voice.engine} {voice.name}", text, speech)
            print(f"{name}: {len(speech.samples) / SAMPLE_RATE:.2f} s, {len(speech.phones)} sounds")


if __name__ == "__main__":
    main()
