"""Texts to train on: random English words, and words invented for other languages.

English comes from Debian's `wamerican` (the SCOWL list, free to use for any purpose) and from lists of
frequent words, which some other languages have too; the words of other languages are built from syllables
here, and in the languages for which there are none, numbers are read. So no text of anybody else is involved.
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

_FREQUENT = {
    "en": """
        the of and to a in is it you that he was for on are with as I his they at be this from have or by one
        had not but what all were when we there can an your which their said if do will each about how up out
        them then she many some so these would other into has more her two like him time look people my over
        know than call first who may down side been now find any new work part take get place made live where
        after back little only round man year came show every good me give our under name very through just
        form much great think say help low before turn move right boy old too same tell does set three want
        air well also play small end put home read hand large big even here must such follow why ask men
        change went light kind off need house maybe probably remember problem simple member public possible
        company important become number
    """,
    "da": """
        og i at det er en til på med af for der de ikke den har jeg som et om var han fra kan eller så vi men
        hvad du skal ved også man nu bare hun noget efter sig mig dig min din sin os jer dem deres vores hans
        hendes være blev bliver blive gå går gik komme kommer kom se ser sige siger sagde få får fik tage
        tager tog give giver gav gøre gør gjorde vide vidste tro tror troede mene mener tænke tænker tænkte bo
        bor arbejde arbejder læse læser skrive skriver købe køber købte spise spiser drikke drikker høre hører
        hørte tale taler talte spørge spørger svare svarer løbe løber sove sover leve lever hjælpe hjælper
        bruge bruger åbne lukke begynde begynder dag dage uge måned år tid time minut morgen aften nat mandag
        tirsdag onsdag torsdag fredag lørdag søndag sommer vinter vand mad brød mælk kaffe øl hus by vej gade
        skole barn børn mand mænd kvinde kvinder dreng pige mor far bror søster ven venner folk menneske
        mennesker land verden liv hånd hoved øje øjne mund hjerte bil cykel bog bøger ord navn penge spørgsmål
        svar problem sted ting måde del side bord stol dør vindue køkken have skov hav strand sol måne himmel
        vejr regn sne god godt gode stor stort store lille små ny nyt nye gammel gamle lang langt korte høj
        lav ung smuk rød blå grøn hvid sort varm kold hurtig langsom glad ked træt rigtig forkert mange meget
        mere mest lidt hele hver alle alt andre anden første sidste næste to tre fire fem seks syv otte ni ti
        hundrede tusind her hvor hvem hvorfor hvordan hvornår altid aldrig ofte måske næsten allerede stadig
        igen sammen uden under over mellem mod gennem langs tilbage ude hjemme forsinket bevæge burde kunne
        skulle ville måtte
    """,
    "fr": """
        le la les un une des de du et à il elle on nous vous ils elles je tu que qui quoi dont où ce cette ces
        mon ton son ma ta sa mes tes ses notre votre leur être est sont était avoir a ont avait faire fait
        fais dire dit aller va vont pouvoir peut vouloir veut venir vient voir voit devoir doit prendre prend
        trouver donner parler aimer passer mettre demander savoir sait croire rester penser jour jours nuit
        matin soir semaine mois an année temps heure homme femme enfant enfants fille garçon père mère frère
        soeur ami monde vie main tête yeux coeur maison ville rue pays eau pain vin café lait table porte
        fenêtre chambre jardin mer soleil ciel pluie neige voiture train livre mot nom chose travail question
        réponse problème bon bonne grand grande petit petite nouveau vieille beau belle long court haut bas
        jeune rouge bleu vert blanc noir chaud froid vite heureux triste beaucoup plus moins très bien mal
        toujours jamais souvent encore déjà maintenant hier demain aujourd'hui ici là dans sur sous avec sans
        pour par entre vers chez pendant depuis mais ou donc car si comme quand parce peu trop tout tous toute
        autre même premier dernier deux trois quatre cinq six sept huit neuf dix cent mille gens
    """,
    "sv": """
        och i att det är en till på med av för de inte den har jag som ett om var han från kan eller så vi men
        vad du ska vid också man nu bara hon något efter sig mig dig min din sin oss er dem deras vår hans
        hennes vara blev blir bli gå går gick komma kommer kom se ser såg säga säger sade få får fick ta tar
        tog ge ger gav göra gör gjorde veta vet tro tror tycka tycker tänka tänker bo bor arbeta läsa läser
        skriva köpa köper köpte äta äter dricka höra hör tala fråga svara springa sova leva hjälpa dag dagar
        vecka månad år tid timme morgon kväll natt vatten mat bröd mjölk kaffe hus stad väg gata skola barn
        kvinna pojke flicka mor far bror syster vän folk människa land värld liv hand huvud öga mun hjärta bil
        tåg cykel bok ord namn pengar god gott stor stort liten små ny nytt gammal lång kort hög låg ung
        vacker röd blå grön vit svart varm kall snabb glad trött rätt fel många mycket mer mest lite hela
        varje alla allt andra första sista nästa två tre fyra fem sex sju åtta nio tio hundra tusen här där
        hur vem varför när alltid aldrig ofta kanske nästan redan igen tillsammans utan under över mellan mot
        genom längs tillbaka hemma försenad röra borde
    """,
    "vi": """
        tôi bạn anh chị em ông bà cô chú nó họ chúng ta mình là có không được và của cho với trong ngoài trên
        dưới ở đây đó này kia một hai ba bốn năm sáu bảy tám chín mười trăm nghìn người nhà nước ngày đêm sáng
        trưa chiều tối tháng tuần giờ phút hôm nay mai qua sau trước khi nào đâu ai gì sao thế bao nhiêu rất
        lắm quá cũng đã đang sẽ vẫn còn chưa mới lại nữa mỗi mọi các những đi đến về ra vào lên xuống ăn uống
        ngủ nói nghe nhìn thấy biết hiểu nghĩ yêu thích muốn cần phải nên làm việc học đọc viết mua bán lấy
        đưa mang mở đóng chạy bước ngồi đứng sống chết giúp hỏi trả lời gọi tìm chơi xe tàu đường phố sông
        biển núi rừng cây hoa trời đất mưa gió nắng lửa cơm phở bánh cà phê trà sữa cá thịt rau quả sách bút
        bàn ghế cửa phòng trường lớp thầy bố mẹ con cháu vợ chồng bè tiếng Việt Nam Hà Nội thành lớn nhỏ cao
        thấp dài ngắn đẹp xấu tốt nhanh chậm nóng lạnh cũ già trẻ xanh đỏ vàng trắng đen vui buồn khó dễ nhiều
        ít đúng sai xa gần vận động dọc theo bờ trễ muộn chuyến cốc
    """,
}
FREQUENT = {language: tuple(words.split()) for language, words in _FREQUENT.items()}

# Americans say these with an open o, which sounds like the vowel of "hot" but rounds the lips.
_OPEN_O = """
    all almost along alongside already also alter altered altering alternate alternately alternative alters
    although altogether always applauding auctions audibly audience audio audit audition auditions auditor
    auditorium auditoriums augment augmented author authors authorship auto automatic automatics automobile
    autumn autumnal autumns auxiliaries awesome awful awkward awning baldness ball balling ballroom belong
    belonged belongs beyond blossom bought brawny broad broadcast broadcasts broadening brought call called
    caller calling calls caught cause caused causes causing cawing chalkiest chalky claw claws cloth coffee
    cosmonaut cost costing costings costs cross crossed crosswalks crosswords daubs dawdling dawn dawned
    default defraud distraught donkey draw drawing drawn draws exhaustive fall fallen falling falls false
    falsely fault faultless faults fauna fawn football forestalls frosting gall gaudier gaudy gawky glossed
    gone gong guffawed hall halted halters haughtier haughtily haughty haunting headstrong inaudible
    inaugurated install installed installing installs jaundices jawed jaywalked juggernaut kickoff launches
    laundries law lawful laws lawsuit lifelong loft log logged logging logs long longer longest longs lorries
    lorry loss lost menopause mongrels monster monsters monstrous naughty nauseating offer offered offering
    offers offhand offsetting often on ought overall overalls overlong overwrought pause paw pawn paws
    plausible prolongs qualified qualifies qualify qualifying quality quantities quantity raw recall recalling
    redraw saunter sauntering saw sawing scrawl seesaw sidewalks small smaller smallest snowballed soft
    softball softer software sought spawn spawned spawning stalking stalks stalling standoff standoffs
    staunchly strong strongly swallows talk talkative talked talker talking talks taller taught tawdry thought
    thoughts torrents torrid tossing trawlers unaltered underwater unwanted vault vaulting walk walked walking
    walks wall wallop wallowed walls walnuts walruses waltzes wanderer wands want wanted wanting wants water
    watermarks waterproofs waterway withdraw withdrawn wrong wrongdoer yawn yawning
"""
OPEN_O = tuple(_OPEN_O.split())


def random_text(language: str, rng: random.Random) -> str:
    """Three to fourteen words with an occasional comma, or half as many numbers."""
    if language not in ENGLISH and language not in SYLLABLES:
        return ", ".join(str(rng.randrange(10 ** rng.randint(1, 4))) for _ in range(rng.randint(2, 7))) + "."
    words = [random_word(language, rng) for _ in range(rng.randint(3, 14))]
    return " ".join(word + ("," if rng.random() < 0.12 else "") for word in words).rstrip(",") + "."


def random_word(language: str, rng: random.Random) -> str:
    if language in ENGLISH:
        return rng.choice(rng.choices((FREQUENT["en"], OPEN_O, _english_words()), (45, 10, 45))[0])
    if language in FREQUENT and rng.random() < 0.6:
        return rng.choice(FREQUENT[language])
    onsets, nuclei, codas = (part.split() or [""] for part in SYLLABLES[language])
    count = 1 if language in ONE_SYLLABLE else rng.choice((1, 2, 2, 3, 3, 4))
    word = "".join(rng.choice(onsets) + rng.choice(nuclei) for _ in range(count))
    return word + (rng.choice(codas) if rng.random() < 0.5 else "")


@lru_cache(maxsize=1)
def _english_words() -> tuple[str, ...]:
    words = WORD_LIST.read_text("utf-8").split()
    return tuple(word for word in words if re.fullmatch("[a-z]{2,11}", word))
