"""Texts to train on: random words, frequent, from a dictionary or invented.

English words come from Debian's `wamerican` (the SCOWL list, free to use for any purpose), those of some
other languages from its Hunspell dictionaries whose licence leaves that free too (MPL, LGPL, BSD). Lists of
frequent words are kept here, invented words are built from syllables, and in the languages for which there is
neither, numbers are read. No sentence of anybody else is involved.
"""

from __future__ import annotations

import random
import re
import unicodedata
from functools import cache, lru_cache
from pathlib import Path

WORD_LIST = Path("/usr/share/dict/american-english")
DICTIONARIES = {
    "ar": "ar", "da": "da_DK", "el": "el_GR", "es": "es_ES", "fr": "fr", "hu": "hu_HU", "ko": "ko",
    "lt": "lt_LT", "nl": "nl", "pl": "pl_PL", "pt": "pt_PT", "pt-br": "pt_BR", "ro": "ro_RO", "ru": "ru_RU",
    "sk": "sk_SK", "sv": "sv_SE", "tr": "tr_TR", "uk": "uk_UA",
}  # fmt: skip
"""Names of Hunspell dictionaries by language (Debian's hunspell-ar, hunspell-da, ...)."""
DICTIONARY_FOLDER = Path("/usr/share/hunspell")

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
    "cmn-latn-pinyin": (
        "b p m f d t n l g k h j q x zh ch sh r z c s w y",
        "a o e i u ai ei ao ou an en ang eng ong ia ie iao iu ian in ing uo ui uan un uang",
        "1 2 3 4",
    ),
    # Kept out of training, to measure languages the network has never heard.
    "hr": ("b d f g h j k l m n p r s t v z š č ž lj nj", "a e i o u", "n r m k t"),
    "id": ("b c d g h j k l m n p r s t w y ng ny", "a e i o u ai au", "n ng k t s"),
    "sw": ("b ch d f g h j k l m n p r s t v w z sh ny", "a e i o u", ""),
    "bg": ("б в г д ж з к л м н п р с т ф х ч ш", "а е и о у ъ я ю", "н р т к м"),
}
ENGLISH = ("en-us", "en")
UNSEEN_LANGUAGES = ("hr", "id", "sw", "bg", "is", "eu", "cy", "th")
ONE_SYLLABLE = ("vi",)
HARDEST = ("cmn-latn-pinyin", "da", "fr", "hu", "ko", "nb", "sv", "vi")
"""Languages whose vowels are told apart least well, heard more often than the others."""
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
    "de": """
        der die das und in den von zu mit sich des auf für ist im dem nicht ein eine als auch es an werden
        aus er hat dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur
        oder aber vor zur bis mehr durch man sein wurde wenn ich du wir ihr kann könnte muss soll will
        gehen geht kommen kommt machen macht sagen sagt sehen weiß glaube denken leben wohnen arbeiten
        kaufen essen trinken hören sprechen fragen Tag Woche Jahr Zeit Morgen Abend Nacht Wasser Brot
        Kaffee Haus Stadt Weg Straße Schule Kind Kinder Frau Mann Mutter Vater Bruder Schwester Freund
        Mensch Leute Welt Hand Kopf Auge Mund Herz Auto Zug Buch Wort Name Geld gut groß klein neu alt
        lang kurz hoch jung schön rot blau grün weiß schwarz warm kalt schnell müde richtig falsch viele
        wenig ganz jede alles andere erste letzte nächste zwei drei vier fünf sechs sieben acht neun zehn
        hundert hier dort wo wer warum immer nie oft vielleicht schon wieder zusammen ohne unter zwischen
        gegen zurück heute gestern morgen
    """,
    "nb": """
        og i det er en til på som av for med å de ikke den har jeg et om var han fra kan eller så vi men
        hva du skal vil også man nå bare hun noe etter seg meg deg min din sin oss dere dem deres vår hans
        hennes være blir ble bli går gikk komme kommer kom se ser si sier sa få får fikk ta tar tok gi gir
        ga gjøre gjør gjorde vite vet tro tror mene mener tenke tenker bo bor arbeide lese skrive kjøpe
        kjøper kjøpte spise drikke høre hører snakke snakker spørre svare løpe sove leve hjelpe bruke åpne
        begynne dag dager uke måned år tid time minutt morgen kveld natt mandag tirsdag onsdag torsdag
        fredag lørdag søndag sommer vinter vann mat brød melk kaffe hus by vei gate skole barn mann menn
        kvinne kvinner jente gutt mor far bror søster venn folk menneske land verden liv hånd hode øye
        øyne munn hjerte bil tog sykkel bok bøker ord navn penger spørsmål svar problem sted ting måte del
        bord stol dør vindu kjøkken hage skog hav strand sol måne himmel vær regn snø god godt stor stort
        store liten små ny nytt gammel lang kort høy lav ung vakker rød blå grønn hvit svart varm kald
        rask glad trøtt riktig feil mange mye mer mest litt hele hver alle alt andre første siste neste to
        tre fire fem seks sju åtte ni ti hundre tusen her der hvor hvem hvorfor hvordan når alltid aldri
        ofte kanskje nesten allerede igjen sammen uten under over mellom mot gjennom langs tilbake hjemme
        forsinket bør burde
    """,
    "it": """
        di che e la il un a è per una in non sono mi ho si lo con ma ti se da come le ci hai i questo ha
        del al no bene tu io qui cosa era tutto più solo su quando della sei gli così ora mio chi anche o
        va quello dei perché ne fatto essere molto dove ancora voglio so tua mai fare sua dal posso nel
        loro lei poi noi due sempre lui niente prima dire andare viene vedere parlare mangiare bere
        comprare leggere scrivere pensare vivere giorno notte sera mattina settimana anno tempo acqua pane
        vino casa città strada scuola bambino donna uomo madre padre fratello sorella amico gente mondo
        mano testa occhi bocca cuore macchina treno libro parola nome soldi buono grande piccolo nuovo
        vecchio lungo corto alto basso giovane bello rosso bianco nero caldo freddo veloce stanco giusto
        sbagliato molti poco ogni altro primo ultimo tre quattro cinque sei sette otto nove dieci cento
        mille oggi domani ieri forse spesso insieme senza sotto sopra fra contro
    """,
    "hu": """
        a az és hogy nem is egy van volt de csak már meg ha ez ezt azt mint vagy még kell én te ő mi ti ők
        nincs lesz most itt ott hol ki mit miért hogyan mikor igen jó nagyon minden semmi valami aki ami
        akkor után előtt között alatt fölött mellett nélkül miatt felé haza vissza el fel le be ki rá bele
        jön megy mond kérdez felel lát néz hall tud akar gondol hisz szeret él lakik dolgozik olvas ír
        vesz vett eszik iszik alszik fut segít nyit zár kezd nap hét hónap év idő óra perc reggel este
        éjszaka ma holnap tegnap víz kenyér kávé tej ház város út utca iskola gyerek férfi nő anya apa
        testvér barát ember emberek ország világ élet kéz fej szem száj szív autó vonat könyv szó név pénz
        kérdés válasz dolog hely asztal szék ajtó ablak kert erdő tenger nap hold ég eső hó nagy kicsi új
        régi öreg fiatal hosszú rövid magas szép piros kék zöld fehér fekete meleg hideg gyors lassú
        fáradt boldog rossz sok kevés több első utolsó másik kettő három négy öt hat hét nyolc kilenc tíz
        száz ezer mindig soha gyakran talán majdnem megint együtt alma arany anyag hasonló hamar varázslat
    """,
    "ko": """
        이 그 저 것 수 나 너 우리 저는 나는 그는 그녀는 우리는 사람 사람들 사람들이 사람들은
        있다 있습니다 없다 없습니다 하다 합니다 했습니다 된다 됩니다 되었습니다 가다 갑니다 갔습니다
        오다 옵니다 왔습니다 보다 봅니다 보았습니다 말했다 말합니다 생각합니다 알다 압니다 모릅니다
        좋다 좋은 좋습니다 크다 큰 작은 새로운 오래된 많은 많이 더 매우 아주 정말 항상 자주 가끔
        다시 함께 그리고 그러나 하지만 그래서 오늘 내일 어제 아침 아침에 저녁 밤 시간 날 년 월
        일 물 밥 빵 커피 집 집에서 학교 학교에 길 거리 도시 나라 세계 아이 남자 여자 어머니
        아버지 동생 형 친구 친구가 손 머리 눈 입 마음 차 기차 책 말 이름 돈 문제 문제가 대답
        곳 문 창문 정원 숲 바다 해 달 하늘 비 눈이 하나 둘 셋 넷 다섯 여섯 일곱 여덟 아홉 열
        백 천 여기 거기 어디 누가 왜 어떻게 언제 위에 아래 앞에서 뒤에 사이에 때문에 위해서
        에서는 으로 부터 까지 처럼 읽습니다 씁니다 삽니다 샀습니다 먹습니다 마십니다 듣습니다
        움직여야
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
    if language in FREQUENT and rng.random() < 0.5:
        return rng.choice(FREQUENT[language])
    if language in DICTIONARIES and rng.random() < 0.75:
        return rng.choice(_dictionary(DICTIONARIES[language]))
    return _invented_word(language, rng)


def _invented_word(language: str, rng: random.Random) -> str:
    onsets, nuclei, codas = (part.split() or [""] for part in SYLLABLES[language])
    count = 1 if language in ONE_SYLLABLE else rng.choice((1, 2, 2, 3, 3, 4))
    word = "".join(rng.choice(onsets) + rng.choice(nuclei) for _ in range(count))
    return word + (rng.choice(codas) if rng.random() < 0.5 else "")


@lru_cache(maxsize=1)
def _english_words() -> tuple[str, ...]:
    words = WORD_LIST.read_text("utf-8").split()
    return tuple(word for word in words if re.fullmatch("[a-z]{2,11}", word))


@cache
def _dictionary(name: str) -> tuple[str, ...]:
    """The lower-case words of a Hunspell dictionary, without their flags."""
    rules = (DICTIONARY_FOLDER / f"{name}.aff").read_text("latin-1")
    encoding = re.search(r"SET (\S+)", rules)
    text = (DICTIONARY_FOLDER / f"{name}.dic").read_text(encoding[1] if encoding else "utf-8", "ignore")
    words = (
        unicodedata.normalize("NFC", line.split("/")[0].split("\t")[0].strip()) for line in text.splitlines()
    )
    return tuple(word for word in words if re.fullmatch(r"[^\W\d_]{2,14}", word) and word == word.lower())
