"""What cannot be done is said in one line, with the right exit code, and leaves nothing behind."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest
from helpers.command_line import contents, posix, refusal, talk
from helpers.people import write_clip, write_speech
from PIL import Image

from ditto_core.__main__ import main


def no_face(folder: Path) -> Path:
    Image.new("RGB", (320, 240), (90, 120, 150)).save(folder / "wall.png")
    return folder / "wall.png"


def text_file(folder: Path) -> Path:
    (folder / "notes.mp4").write_text("no picture, no sound\n" * 40)
    return folder / "notes.mp4"


def text_picture(folder: Path) -> Path:
    (folder / "notes.png").write_text("no picture")
    return folder / "notes.png"


def cut_mp4(folder: Path) -> Path:
    """Without its end an mp4 has no index."""
    clip = write_clip(folder / "clip.mp4")
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    return clip


BAD_SOURCES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no face": (no_face, "face"),
    "missing": (lambda folder: folder / "missing.png", "missing.png"),
    "overlong name": (lambda folder: folder / f"{'a' * 300}.png", "too long"),
    "folder": (lambda folder: folder, "folder"),
    "text": (text_file, "notes.mp4"),
    "text as a picture": (text_picture, "notes.png"),
    "cut mp4": (cut_mp4, "clip.mp4"),
}


@pytest.mark.parametrize("kind", BAD_SOURCES)
def test_a_source_that_cannot_be_used_is_refused(
    kind: str, speech: Path, tmp_path: Path, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make, word = BAD_SOURCES[kind]
    assert talk(make(tmp_path), speech, folder / "out.mp4", "-q") == 2
    assert word in refusal(capfd)
    assert contents(folder) == []


def test_what_ffmpeg_says_itself_is_not_shown(
    speech: Path, tmp_path: Path, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)  # as torchvision does
    try:
        assert talk(cut_mp4(tmp_path), speech, folder / "out.mp4", "-q") == 2
    finally:
        av.logging.set_level(before)
    refusal(capfd)


def test_what_libraries_warn_developers_of_is_not_shown(speech: Path, tmp_path: Path, folder: Path) -> None:
    Image.effect_noise((64, 64), 60).save(tmp_path / "cut.tiff")
    (tmp_path / "cut.tiff").write_bytes((tmp_path / "cut.tiff").read_bytes()[:100])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert talk(tmp_path / "cut.tiff", speech, folder / "out.mp4") == 2
    assert not [warning for warning in told if warning.category is UserWarning]


BAD_SOUNDS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda folder: folder / "missing.wav", "missing.wav"),
    "overlong name": (lambda folder: folder / f"{'a' * 300}.wav", "too long"),
    "silent video": (lambda folder: write_clip(folder / "clip.mp4"), "no sound"),
    "text": (text_file, "notes.mp4"),
    "empty": (lambda folder: write_speech(folder / "empty.wav", seconds=0), "empty"),
}


@pytest.mark.parametrize("kind", BAD_SOUNDS)
def test_a_sound_that_cannot_be_used_is_refused(
    kind: str, portrait: Path, tmp_path: Path, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make, word = BAD_SOUNDS[kind]
    assert talk(portrait, make(tmp_path), folder / "out.mp4", "-q") == 2
    assert word in refusal(capfd)
    assert contents(folder) == []


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--engine", "lide"], "lide"),
        (["--engine", "ditto"], "lite"),
        (["--seed", "many"], "--seed"),
        (["--fps", "0"], "frame rate"),
        (["--fps", "soon"], "frame rate"),
        (["--max_size", "8"], "max_size"),
        (["--face", "second"], "largest, from-left:N, nearest:X,Y"),
        (["--face", "nearest:1"], "nearest:X,Y"),
        (["--face", "from-left:7"], "face"),
        (["--mouth_amount", "nan"], "mouth_amount"),
        (["--drive_eye", "maybe"], "true nor false"),
        (["--blend_amount", "2"], "amount"),
        (["--codec", "h265"], "h264"),
        (["--pixel_format", "rgb8"], "rgb8"),
        (["--crf", "99"], "crf"),
        (["--no_such_flag"], "no_such_flag"),
        (["--blend_mode", "custom"], "alpha"),
        (["--blend_mode", "custom", "--blend_alpha", "1.1"], "between 0 and 1"),
        (["--emo", "glad"], "4 neutral"),
        (["--emo", "8"], "4 neutral"),
        (["--sampling_timesteps", "0"], "between 1 and 1000"),
        (["--overlap_v2", "80"], "between 0 and 79"),
        (["--smo_k_s", "10001"], "between 1 and 10000"),
        (["--crf", "half"], "no whole number"),
        (["--blink_rate", "often"], "no number"),
        (["--superres_when", "often"], "auto, always, never"),
        (["--emotion_fade", "1"], "about --emotion_schedule"),
        (["--emotion_schedule", "0: happy", "--emotion_fade", "61"], "between 0 and 60"),
        (["--between", "hold"], "about curves"),
        (["--smo_k_d", "half"], "no whole number"),
        (["--seed", "-1"], "between 0 and 18446744073709551615"),
        (["--seed", str(2**64)], "between 0 and 18446744073709551615"),
        (["--blink_times", "soon"], "must be seconds"),
        (["--blink_times", "-1"], "time of a blink"),
        (["--use_d_keys", "exp:much"], "is no number"),
        (["--blend_alpha", "abc"], "'abc' is no number"),
        (["--overall_ctrl_info", "delta_pitch"], "gives no numbers"),
        (["--ctrl_info", "missing.json"], "missing.json"),
        (["--overall_ctrl_info", "delta_yam:5"], "'delta_yam'"),
        (["--yaw", "0: far"], "is no value"),
        (["--emotion_schedule", "0: glad"], "no emotion"),
    ],
)
def test_impossible_values_are_refused(
    arguments: list[str],
    word: str,
    portrait: Path,
    speech: Path,
    folder: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert talk(portrait, speech, folder / "out.mp4", "-q", *arguments) == 2
    assert word in refusal(capfd)
    assert contents(folder) == []


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"5", "a single int"),
        (b"null", "a single NoneType"),
        (b'{"-1": {"delta_yaw": 5}}', "a frame before 0"),
        (b'{"3": ', "no JSON"),
        (b'{"3": {"delta_yaw": "half"}}', "delta_yaw in ctrl_info of frame 3 is 'half'"),
        (b"\xff", "controls.json"),
    ],
)
def test_controls_that_are_none_are_refused(
    content: bytes, word: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    controls = tmp_path / "controls.json"
    controls.write_bytes(content)
    assert talk(Path("a.png"), Path("b.wav"), Path("c.mp4"), "--ctrl_info", str(controls)) == 2
    assert word in refusal(capfd)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--max_size", "8"], "max_size"),
        (["--overall_ctrl_info", "delta_pich:2"], "'delta_pich'"),
        (["--delta_eye_open_n", "-5,3"], "delta_eye_open_n"),
        (["--use_d_keys", "exp:nan"], "factor of exp"),
    ],
)
def test_a_bad_option_is_told_before_a_missing_engine(
    arguments: list[str], word: str, capfd: pytest.CaptureFixture[str]
) -> None:
    files = Path("a.png"), Path("b.wav"), Path("c.mp4")
    assert talk(*files, "--engine", "ditto", *arguments) == 2
    assert word in refusal(capfd)


@pytest.mark.parametrize(
    "arguments", [[], ["talk"], ["talk", "--source", "a.png"], ["sing"], ["demo", "loud"]]
)
def test_an_incomplete_command_is_refused(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "--help" in refusal(capfd)


@pytest.mark.parametrize("name", [".", "out.txt", "speech.wav/out.mp4", f"{'a' * 300}.mp4"])
def test_a_place_that_cannot_be_written_is_refused(
    name: str, portrait: Path, speech: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = contents(tmp_path)
    assert talk(portrait, speech, tmp_path / name, "-q") == 2
    refusal(capfd)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("which", ["source", "audio"])
def test_an_input_is_not_overwritten(
    which: str, tmp_path: Path, portrait: Path, speech: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    clip = write_clip(tmp_path / "clip.mp4")
    before = clip.read_bytes()
    source, audio = (clip, speech) if which == "source" else (portrait, clip)
    assert talk(source, audio, clip, "-q") == 2
    assert "would be lost" in refusal(capfd)
    assert clip.read_bytes() == before


@posix
def test_a_full_disk_is_one_line_and_leaves_nothing(
    portrait: Path, speech: Path, folder: Path, small_files_only: None, capfd: pytest.CaptureFixture[str]
) -> None:
    assert talk(portrait, speech, folder / "out.mp4", "-q", "--crf", "0") == 2
    assert "disk is full" in refusal(capfd)
    assert contents(folder) == []


@pytest.fixture
def small_files_only() -> Iterator[None]:
    """No file may grow beyond 20 kB, as under a quota."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
