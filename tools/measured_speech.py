"""Speech by voices cut from recordings of people, with the times of its sounds, to measure with.

    python -m tools.measured_speech FOLDER                        # a sentence by every voice, FLAC and JSON
    python -m benchmarks.lipsync --speech FOLDER/*.flac           # the films
    python -m tools.measured_speech FOLDER --pace 1.5 --only us   # voices whose names begin so, faster

A maintainer's tool. Needs Debian's `espeak-ng`, `festival` and `mbrola` with their voices. The sentences are
our own.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tools.speech import festival, mbrola
from tools.speech.known import Speech, write

SENTENCES = {
    "af": "Goeie môre, my broer bring elke Saterdag vars brood en appels van die mark af.",
    "ar": "صباح الخير، أمي تشتري الخبز والتفاح من السوق كل يوم.",
    "ca": "Bon dia, la meva mare compra pa i pomes al mercat de la plaça.",
    "cs": "Dobré ráno, moje babička peče každou sobotu bábovku a pomáhá sousedům na poli.",
    "de": "Guten Morgen, meine Mutter backt jeden Sonntag Apfelkuchen und wir bringen Blumen mit.",
    "el": "Καλημέρα, η μητέρα μου αγοράζει ψωμί και μήλα από την αγορά κάθε πρωί.",
    "en": "The problem with people who promise perfect pictures is that they never mention the weather.",
    "es": "Buenos días, mi madre compra pan y manzanas en el mercado de la plaza.",
    "et": "Tere hommikust, minu ema ostab igal laupäeval turult leiba ja punaseid õunu.",
    "fa": "صبح بخیر، مادر من هر روز از بازار نان و سیب می خرد.",
    "fi": "Hyvää huomenta, meidän perheemme muuttaa ensi viikolla pieneen mökkiin metsän reunalle.",
    "fr": "Bonjour, ma mère achète du pain et des pommes au marché tous les samedis.",
    "hi": "नमस्ते, मेरी माँ बाज़ार से फल और सब्ज़ी लाती है।",
    "hr": "Dobro jutro, moja baka svake subote peče kolač i pomaže susjedima u polju.",
    "hu": "Jó reggelt, az anyám minden szombaton kenyeret és almát vesz a piacon.",
    "id": "Selamat pagi, ibu saya membeli roti dan apel di pasar setiap pagi.",
    "is": "Góðan daginn, mamma mín kaupir brauð og epli á markaðnum á hverjum morgni.",
    "it": "Il problema di queste promesse è che nessuno parla mai della primavera.",
    "ja": "おはよう、はははまいあさいちばでぱんとみかんをかいます。",
    "la": "Mater mea panem et poma in foro emit, pueri autem ambulant per viam.",
    "mr": "माझी आई बाजारातून भाजी आणि फळे आणते.",
    "ms": "Selamat pagi, ibu saya membeli roti dan epal di pasar setiap pagi.",
    "nl": "Goedemorgen, mijn moeder koopt elke zaterdag brood en appels op de markt.",
    "pl": "Dzień dobry, moja babcia piecze w każdą sobotę placek i pomaga sąsiadom w polu.",
    "pt": "Bom dia, a minha mãe compra pão e maçãs no mercado todas as manhãs.",
    "pt-br": "Bom dia, a minha mãe compra pão e maçãs no mercado todas as manhãs.",
    "ro": "Bună dimineața, mama mea cumpără pâine și mere de la piață în fiecare zi.",
    "ru": "Доброе утро, моя бабушка каждый день печёт пироги и поливает помидоры в парке.",
    "sv": "God morgon, min mamma köper bröd och äpplen på torget varje lördag.",
    "te": "మా అమ్మ బజారు నుండి పండ్లు తెస్తుంది.",
    "tr": "Günaydın, annem her sabah pazardan ekmek ve elma alıyor.",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pace", type=float, default=1.0, help="1.5 is half as fast again")
    parser.add_argument("--only", default="", help="how the names of the voices begin")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for voice, language in (festival.VOICES | mbrola.VOICES).items():
        if not voice.startswith(options.only):
            continue
        text = SENTENCES[language]
        try:
            speech = _say(text, voice, options.pace)
        except ValueError as error:
            print(error)
            continue
        write(options.folder / voice, voice, text, speech)
        print(f"{voice}: {len(speech.phones)} sounds")


def _say(text: str, voice: str, pace: float) -> Speech:
    if voice in festival.VOICES:
        return festival.say(text, voice, pace)
    return mbrola.say(text, voice, round(165 * pace))


if __name__ == "__main__":
    main()
