"""Texts to train on: random English words, and words invented for other languages.

English comes from Debian's `wamerican` (the SCOWL list, free to use for any purpose) and from a list of
frequent words; the words of other languages are built from syllables here, and in the languages for which
there are none, numbers are read. So no text of anybody else is involved.
"""

from __future__ import annotations

import random
import re
from functools import lru_cache
from pathlib import Path

WORD_LIST = Path("/usr/share/dict/american-english")

# Syllable parts (onsets, nuclei, codas) of each language's invented words.
PLAIN_SYLLABLES = ("b d f g h j k l m n p r s t v z st tr pl br", "a e i o u ai au ei ie", "n r l s m t k")
SYLLABLES = {
    "de": (
        "b d f g h j k l m n p r s t w z sch pf st sp kl br fl",
        "a e i o u ä ö ü ei au eu ie",
        "n r t s ch l m f ng",
    ),
    "fr": ("b d f g ch j l m n p r s t v qu bl br cr pr", "a e i o u é è ou eu on an in oi", "r l s n m t"),
    "es": ("b d f g ch j l ll m n ñ p r s t v qu br tr pl", "a e i o u ie ue ai", "n s r l"),
    "it": ("b d f g c ch ci gi l m n p r s t v z gl gn sp tr tt pp cc", "a e i o u ia io uo", "n r l"),
    "pt-br": ("b d f g ch j l lh m n nh p r s t v qu br tr", "a e i o u ão é ê ei ou", "s r l m"),
    "nl": (
        "b d f g h j k l m n p r s t v w z sch st kl",
        "a e i o u aa ee ie oe oo ui ij eu",
        "n r t s l m k p",
    ),
    "pl": ("b d f g h j k l m n p r s t w z sz cz ch ł prz st", "a e i o u y ą ę ó", "n r m k sz t"),
    "cs": ("b d f h j k l m n p r s t v z š č ž ř st pr", "a e i o u á é í ů ou", "n r l k m t"),
    "sv": ("b d f g h j k l m n p r s t v sj tj st kl", "a e i o u å ä ö y", "n r l t s m"),
    "fi": ("h j k l m n p r s t v", "a e i o u ä ö y aa ii uu ie uo ai", "n s l"),
    "tr": ("b c ç d f g h j k l m n p r s ş t v y z", "a e ı i o ö u ü", "n r l k m ş"),
    "hu": ("b d f g gy h j k l m n ny p r s sz t v z cs zs", "a á e é i o ö ő u ü", "n r k t l m"),
    "ro": ("b c d f g h j l m n p r s ș t ț v z ch", "a ă e i o u â ea oa ia", "n r l t m"),
    **dict.fromkeys(("af", "ca", "eo", "et", "la", "lt", "ms", "nb", "sk", "sq"), PLAIN_SYLLABLES),
    "pt": ("b d f g ch j l lh m n nh p r s t v qu br tr", "a e i o u ão é ê ei ou", "s r l m"),
    "ru": ("б в г д ж з к л м н п р с т ф х ч ш", "а е и о у ы я ю", "н р т к м"),
    "uk": ("б в г д ж з к л м н п р с т х ч ш", "а е и і о у я ю", "н р т к м"),
    "el": ("β γ δ θ κ λ μ ν π ρ σ τ φ χ μπ ντ", "α ε ι ο ου αι ει", "ς ν"),
    "ar": ("ب ت ج د ر ز س ش ف ق ك ل م ن ه و ي ح خ", "َ ِ ُ َا ِي ُو", "ن ر ل م ب"),
    "hi": ("क ख ग च ज त द न प फ ब म य र ल व स श ह ट ड", "ा ि ी ु ू े ो ै ौ ा", "न र ल म त क"),
    "vi": (
        "b c ch d đ g h kh l m n ng nh ph r s t th tr v x",
        "a ă â e ê i o ô ơ u ư à á ạ iê ươ ưa",
        "n ng m t c p",
    ),
    "ja": (
        "か き く け こ さ し す せ そ た ち つ て と な に ぬ ね の は ひ ふ へ ほ ま み む め も や ゆ よ "
        "ら り る れ ろ わ が ぎ ぐ ご ざ じ ず だ で ど ば び ぶ べ ぼ ぱ ぴ ぷ "
        "う お あ い え っか っと っぱ",
        "",
        "ん う い",
    ),
    "ko": (
        "가 나 다 라 마 바 사 아 자 차 카 타 파 하 고 노 도 로 모 보 소 오 조 호 "
        "그 느 드 르 므 브 스 으 기 니 디 리 미 비 시 이 지 히 구 누 두 루 무 부 수 우 "
        "어 너 더 러 머 버 서 저 거 여 야 요 유 안 한 인 은 는 을 람 넘 입",
        "",
        "",
    ),
    "da": ("b d f g h j k l m n p r s t v st kl", "a e i o u æ ø å y", "n r l t s m"),
    # Kept out of training, to measure languages the network has never heard.
    "hr": ("b d f g h j k l m n p r s t v z š č ž lj nj", "a e i o u", "n r m k t"),
    "id": ("b c d g h j k l m n p r s t w y ng ny", "a e i o u ai au", "n ng k t s"),
    "sw": ("b ch d f g h j k l m n p r s t v w z sh ny", "a e i o u", ""),
    "bg": ("б в г д ж з к л м н п р с т ф х ч ш", "а е и о у ъ я ю", "н р т к м"),
}
ENGLISH = ("en-us", "en")
UNSEEN_LANGUAGES = ("hr", "id", "sw", "bg", "is", "eu", "cy", "th")
ONE_SYLLABLE = ("vi",)
ESPEAK_LANGUAGES = (*ENGLISH, *(name for name in SYLLABLES if name not in UNSEEN_LANGUAGES))

_READ_NUMBERS = """
    am an as az ba be bn bpy bs cmn fa ga gd gn grc gu hak haw ht hy hyw ia io ka kk kl kn kok ku ky lb
    lfn ltg lv mi mk ml mr mt my nb nci ne om or pa pap py qdb qu quc sd shn si sl smj sr ta te tn tt ug ur
    uz yue
"""
NUMBER_LANGUAGES = tuple(name for name in _READ_NUMBERS.split() if name not in SYLLABLES)
"""Languages that are heard reading numbers."""

_FREQUENT = """
    the of and to a in is it you that he was for on are with as I his they at be this from have or by one
    had not but what all were when we there can an your which their said if do will each about how up out
    them then she many some so these would other into has more her two like him time look people my over
    know than call first who may down side been now find any new work part take get place made live where
    after back little only round man year came show every good me give our under name very through just form
    much great think say help low before turn move right boy old too same tell does set three want air well
    also play small end put home read hand large big even here must such follow why ask men change went
    light kind off need house maybe probably remember problem simple member public people possible company
    important become number
"""
FREQUENT = tuple(_FREQUENT.split())


def random_text(language: str, rng: random.Random) -> str:
    """Three to fourteen words with an occasional comma, or half as many numbers."""
    if language not in ENGLISH and language not in SYLLABLES:
        return ", ".join(str(rng.randrange(10 ** rng.randint(1, 4))) for _ in range(rng.randint(2, 7))) + "."
    words = [random_word(language, rng) for _ in range(rng.randint(3, 14))]
    return " ".join(word + ("," if rng.random() < 0.12 else "") for word in words).rstrip(",") + "."


def random_word(language: str, rng: random.Random) -> str:
    if language in ENGLISH:
        return rng.choice(FREQUENT if rng.random() < 0.45 else _english_words())
    onsets, nuclei, codas = (part.split() or [""] for part in SYLLABLES[language])
    count = 1 if language in ONE_SYLLABLE else rng.choice((1, 2, 2, 3, 3, 4))
    word = "".join(rng.choice(onsets) + rng.choice(nuclei) for _ in range(count))
    return word + (rng.choice(codas) if rng.random() < 0.5 else "")


@lru_cache(maxsize=1)
def _english_words() -> tuple[str, ...]:
    words = WORD_LIST.read_text("utf-8").split()
    return tuple(word for word in words if re.fullmatch("[a-z]{2,11}", word))
