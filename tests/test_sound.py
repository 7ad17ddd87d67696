from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from helpers.media import encode_sound, in_another_encoding, numbered, tone, write_clip, write_sound
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ditto_core.data import Audio
from ditto_core.errors import InputError, MediaError
from ditto_core.media.sound import as_audio, read_audio

VOICE = tone(0.5, 16000)


def loudest_match(samples: Tensor, wanted: np.ndarray) -> float:
    """Pearson r at no delay, over the common length."""
    length = min(len(wanted), samples.shape[-1])
    return float(np.corrcoef(samples.numpy()[:length], wanted[:length])[0, 1])


@pytest.mark.parametrize(
    ("codec", "sample_format", "suffix", "scale", "offset", "step"),
    [
        ("pcm_u8", "u8", "wav", 128, 128, 2**-7),
        ("pcm_s16le", "s16", "wav", 2**15, 0, 2**-15),
        ("pcm_s24le", "s32", "wav", 2**31, 0, 2**-23),
        ("pcm_s32le", "s32", "wav", 2**31, 0, 2**-24),
        ("pcm_f32le", "flt", "wav", 1, 0, 0),
        ("pcm_f64le", "dbl", "mkv", 1, 0, 2**-24),
        ("flac", "s16", "flac", 2**15, 0, 2**-15),
    ],
)
def test_every_sample_format_keeps_its_scale(
    tmp_path: Path, codec: str, sample_format: str, suffix: str, scale: int, offset: int, step: float
) -> None:
    kind = {"u8": np.uint8, "s16": np.int16, "s32": np.int32, "flt": np.float32, "dbl": np.float64}[
        sample_format
    ]
    stereo = np.stack([VOICE, -0.5 * VOICE])
    packed = (stereo.T.reshape(1, -1).astype(np.float64) * scale + offset).astype(kind)
    path = write_sound(tmp_path / f"a.{suffix}", packed, 16000, codec, sample_format, "stereo")
    audio = read_audio(path)
    assert audio.rate == 16000
    assert audio.samples.shape == stereo.shape
    assert audio.samples.dtype == torch.float32
    np.testing.assert_allclose(audio.samples.numpy(), stereo, atol=step)


@pytest.mark.parametrize(("suffix", "codec"), [("wav", "pcm_s16le"), ("flac", "flac")])
def test_titles_may_be_in_any_encoding(tmp_path: Path, suffix: str, codec: str) -> None:
    samples = np.arange(1000, dtype=np.int16)[None]
    path = in_another_encoding(write_sound(tmp_path / f"a.{suffix}", samples, 16000, codec, "s16"))
    assert read_audio(path).samples.shape == (1, 1000)


def test_integers_of_64_bits(tmp_path: Path) -> None:
    samples = (VOICE * 2.0**62).astype("<i8").tobytes()
    kind = struct.pack("<HHIIHH", 1, 1, 16000, 16000 * 8, 8, 64)
    chunks = b"fmt " + struct.pack("<I", 16) + kind + b"data" + struct.pack("<I", len(samples)) + samples
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)
    np.testing.assert_allclose(read_audio(path).samples[0].numpy(), VOICE / 2, atol=2**-24)


@settings(max_examples=20)
@given(rate=st.sampled_from([8000, 11025, 22050, 44100, 48000, 96000]), length=st.integers(1, 9000))
def test_rate_and_length_are_kept(tmp_path_factory: pytest.TempPathFactory, rate: int, length: int) -> None:
    samples = np.arange(length, dtype=np.int16)[None] % 999
    path = write_sound(tmp_path_factory.mktemp("rates") / "a.wav", samples, rate, "pcm_s16le", "s16")
    audio = read_audio(path)
    assert (audio.rate, audio.samples.shape) == (rate, (1, length))


@pytest.mark.parametrize(
    ("codec", "suffix", "rate"),
    [("aac", "m4a", 44100), ("libmp3lame", "mp3", 44100), ("libopus", "ogg", 48000)],
)
def test_compressed_sound_begins_in_time(tmp_path: Path, codec: str, suffix: str, rate: int) -> None:
    chirp = np.sin(2 * np.pi * (300 + 2000 * np.linspace(0, 1, rate) ** 2) * np.arange(rate) / rate)
    chirp = (0.5 * chirp).astype(np.float32)
    audio = read_audio(
        write_sound(
            tmp_path / f"a.{suffix}",
            chirp[None],
            rate,
            codec,
            {"aac": "fltp", "libmp3lame": "fltp", "libopus": "flt"}[codec],
        )
    )
    assert audio.rate == rate
    assert loudest_match(audio.samples[0], chirp) > 0.98
    assert abs(audio.samples.shape[1] - rate) < (1 if suffix == "m4a" else 2000)


def test_sound_of_a_video_begins_with_its_first_picture(tmp_path: Path) -> None:
    late = write_clip(tmp_path / "late.mkv", [0, 40, 80], sound=VOICE[None], sound_starts=800)
    samples = read_audio(late).samples[0]
    assert samples[:800].abs().max() == 0
    assert loudest_match(samples[800:], VOICE) > 0.999
    early = write_clip(tmp_path / "early.mkv", [100, 140, 180], sound=VOICE[None])
    assert loudest_match(read_audio(early).samples[0], VOICE[1600:]) > 0.999


def test_sound_of_a_cut_video_begins_at_the_cut(tmp_path: Path) -> None:
    """Pictures before the cut are in the file, for later ones to refer to, but are not shown."""
    cut = write_clip(tmp_path / "cut.mov", range(-400, 400, 40), sound=VOICE[None])
    with av.open(str(cut)) as container:
        assert next(container.demux(video=0)).is_discard
    samples = read_audio(cut).samples[0]
    assert len(samples) == len(VOICE)
    assert loudest_match(samples, VOICE) > 0.999


def test_files_without_sound(tmp_path: Path) -> None:
    silent = write_clip(tmp_path / "a.mp4", [0, 40], pictures=[numbered(0)] * 2)
    with pytest.raises(MediaError, match="no sound"):
        read_audio(silent)
    empty = write_sound(tmp_path / "a.wav", np.zeros((1, 1), np.int16), 16000, "pcm_s16le", "s16")
    empty.write_bytes(empty.read_bytes()[:-2])
    with pytest.raises(MediaError, match="empty or damaged"):
        read_audio(empty)
    text = tmp_path / "a.mp3"
    text.write_text("la la la")
    with pytest.raises(MediaError, match="cannot be read"):
        read_audio(text)
    with pytest.raises(MediaError, match="There is no file"):
        read_audio(tmp_path / "none.wav")
    with pytest.raises(MediaError, match="is a folder"):
        read_audio(tmp_path)


def test_silence_is_sound(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", np.zeros((1, 1600), np.int16), 16000, "pcm_s16le", "s16")
    assert read_audio(path).samples.abs().max() == 0


def test_truncated_sound_uses_what_is_readable(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_sound(
        tmp_path / "a.flac", (tone(5, 16000) * 9999).astype(np.int16)[None], 16000, "flac", "s16"
    )
    whole = path.read_bytes()
    assert read_audio(path).seconds == 5
    assert not caplog.messages
    path.write_bytes(whole[: len(whole) // 2])
    assert 1 < read_audio(path).seconds < 4
    assert "of 5.0 s can be read" in caplog.messages[-1]


def test_damaged_parts_of_the_sound_are_silent_and_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_sound(tmp_path / "a.m4a", tone(5, 16000)[None].astype(np.float32), 16000, "aac", "fltp")
    content = bytearray(path.read_bytes())
    for part in (2, 3):
        middle = len(content) * part // 5
        content[middle : middle + 200] = b"\xa5" * 200
    path.write_bytes(content)
    assert read_audio(path).seconds == 5
    assert sum("damaged parts" in message for message in caplog.messages) == 1


def write_parts(path: Path, codec: str, rate: int, starts: list[int]) -> Path:
    """A second of a tone from each of these times (s) on, and nothing between."""
    with av.open(str(path), "w") as output:
        track = output.add_stream(codec, rate=rate, layout="mono")
        track.codec_context.open()
        size = track.codec_context.frame_size
        for start in starts:
            for number in range(rate // size):
                part = tone(1, rate)[None, number * size : (number + 1) * size]
                frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(part), "flt", "mono")
                frame.sample_rate = rate
                frame.pts, frame.time_base = start * rate + number * size, Fraction(1, rate)
                for converted in av.AudioResampler(track.format.name, "mono", rate).resample(frame):
                    converted.pts = frame.pts
                    output.mux(track.encode(converted))
        output.mux(track.encode(None))
    return path


def loud_parts(path: Path) -> list[tuple[float, float]]:
    """From when to when (s) there is sound, with silence of more than 0.1 s between."""
    audio = read_audio(path)
    loud = torch.nonzero(audio.samples[0].abs() > 0.1)[:, 0].numpy() / audio.rate
    ends = np.flatnonzero(np.diff(loud) > 0.1)
    return list(zip(loud[[0, *ends + 1]], loud[[*ends, -1]], strict=True))


@pytest.mark.parametrize(
    ("suffix", "codec", "rate"),
    [
        ("mkv", "aac", 44100),
        ("mp4", "aac", 44100),
        ("ts", "aac", 44100),
        ("webm", "libopus", 48000),
        ("ogg", "libopus", 48000),
        ("mkv", "libmp3lame", 44100),
    ],
)
def test_what_follows_a_pause_stays_in_time(
    tmp_path: Path, suffix: str, codec: str, rate: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_parts(tmp_path / f"a.{suffix}", codec, rate, [0, 4])
    np.testing.assert_allclose(loud_parts(path), [(0, 1), (4, 5)], atol=0.04)
    assert not caplog.messages


def test_what_follows_damage_stays_in_time(tmp_path: Path) -> None:
    whole = write_parts(tmp_path / "a.mkv", "flac", 16000, [0, 3, 6])
    content = bytearray(whole.read_bytes())
    middle = len(content) // 2
    content[middle - 300 : middle + 300] = b"\xa5" * 600
    (tmp_path / "b.mkv").write_bytes(content)
    assert read_audio(tmp_path / "b.mkv").samples.shape == read_audio(whole).samples.shape
    np.testing.assert_allclose(loud_parts(tmp_path / "b.mkv")[-1], loud_parts(whole)[-1])


def test_files_strung_together_follow_each_other(tmp_path: Path) -> None:
    """Their time stamps begin anew, or far away."""
    path = tmp_path / "a.ts"
    parts = [write_parts(tmp_path / f"{n}.ts", "aac", 44100, [start]) for n, start in enumerate([0, 0, 9999])]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert 2.8 < read_audio(path).seconds < 3.2


def opus(path: Path, stamp: Callable[[int], int], count: int = 100) -> Path:
    """2 s of a tone in packets of 20 ms; `stamp` says what time (ms) each claims to begin."""
    with av.open(str(path), "w") as output:
        track = output.add_stream("libopus", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone(count / 50, 48000)[None], "flt", "mono")
        frame.sample_rate = 48000
        for number, packet in enumerate([*track.encode(frame), *track.encode(None)]):
            packet.pts = packet.dts = stamp(20 * number)
            packet.time_base = Fraction(1, 1000)
            output.mux(packet)
    return path


def test_live_recordings_whose_time_stamps_waver_are_without_holes(tmp_path: Path) -> None:
    path = opus(tmp_path / "a.webm", lambda ms: 1060 + (ms - 1000) // 20 if 1000 <= ms <= 1060 else ms)
    heard = read_audio(path).samples[0, 4800:-4800]
    assert (torch.nn.functional.max_pool1d(heard[None].abs(), 480) > 0.1).all()


def test_sound_whose_time_stamps_are_nonsense_stays_small(tmp_path: Path) -> None:
    """Each gap could be one; all of them would be hours."""
    path = opus(tmp_path / "a.webm", lambda ms: 1000 * ms)
    assert read_audio(path).seconds < 700


def test_damage_that_decodes_to_huge_samples_is_cut_off(tmp_path: Path) -> None:
    samples = tone(1, 16000)
    samples[5000] = 1e9
    path = write_sound(tmp_path / "a.wav", samples[None], 16000, "pcm_f32le", "flt")
    assert read_audio(path).samples.abs().max() == 64


@pytest.mark.parametrize("suffix", ["mp3", "avi", "mkv", "mov", "wav"])
def test_sound_of_a_variable_bit_rate_is_without_holes(tmp_path: Path, suffix: str) -> None:
    samples = tone(3, 44100, level=0.3)
    samples[44100:88200] = np.random.default_rng(0).uniform(-0.9, 0.9, 44100)
    path = tmp_path / f"a.{suffix}"
    with av.open(str(path), "w") as output:
        track = output.add_stream("libmp3lame", rate=44100, layout="mono", options={"q": "2"})
        encode_sound(output, track, samples[None], "flt", 0)
    heard = read_audio(path).samples[0]
    assert abs(len(heard) - len(samples)) < 2500
    assert (torch.nn.functional.max_pool1d(heard[None, 2500:-2500].abs(), 441) > 0.05).all()


@given(
    dtype=st.sampled_from([np.uint8, np.int8, np.int16, np.int32, np.float16, np.float32, np.float64]),
    shape=st.sampled_from(["(T,)", "(1, T)", "(2, T)", "(1, 2, T)"]),
    as_tensor=st.booleans(),
)
def test_arrays_of_every_kind(dtype: type, shape: str, as_tensor: bool) -> None:
    wave = tone(0.05, 8000)
    if np.issubdtype(dtype, np.floating):
        values, step = wave.astype(dtype), 1e-3
    else:
        info = np.iinfo(dtype)
        half = (int(info.max) - int(info.min) + 1) / 2
        values = np.round(wave.astype(np.float64) * half + (half if info.min == 0 else 0)).astype(dtype)
        step = 1 / half
    channels = 2 if "2" in shape else 1
    values = np.broadcast_to(
        values, {"(T,)": (400,), "(1, T)": (1, 400), "(2, T)": (2, 400)}.get(shape, (1, 2, 400))
    )
    audio = as_audio(torch.from_numpy(values.copy()) if as_tensor else values.copy(), 8000)
    assert audio.samples.shape == (channels, 400)
    assert audio.samples.dtype == torch.float32
    np.testing.assert_allclose(audio.samples[-1].numpy(), wave, atol=step)


def test_full_scale_integers_reach_one() -> None:
    assert as_audio(np.array([-32768, 32767], np.int16), 16000).samples.tolist() == [[-1.0, 32767 / 32768]]
    assert as_audio(np.array([0, 128, 255], np.uint8), 16000).samples.tolist() == [[-1.0, 0.0, 127 / 128]]


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.zeros(0, np.float32), 16000, "empty"),
        (np.zeros((2, 0), np.float32), 16000, "empty"),
        (np.array([0, np.nan]), 16000, "NaN"),
        (np.array([0, np.inf]), 16000, "NaN or infinity"),
        (np.array([0.0, -20000.0]), 16000, r"must be in -1\.\.1; these reach 20000"),
        (np.zeros((2, 2, 100)), 16000, "channels, samples"),
        (np.zeros((16000, 2)), 16000, "channels, samples"),
        (np.zeros(100, np.complex64), 16000, "float or integer"),
        (np.zeros(100), 0, "sample rate"),
        (np.zeros(100), 10**7, "sample rate"),
    ],
)
def test_arrays_that_cannot_be_used(samples: np.ndarray, rate: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_audio(samples, rate)


def test_the_callers_samples_are_not_changed() -> None:
    samples = torch.ones(1, 10)
    assert isinstance(as_audio(samples, 8000), Audio)
    assert torch.equal(samples, torch.ones(1, 10))


def test_flipped_and_byte_swapped_arrays() -> None:
    ramp = np.linspace(-1, 1, 5, dtype=np.float32)
    np.testing.assert_array_equal(as_audio(ramp[::-1], 8000).samples[0].numpy(), ramp[::-1])
    assert as_audio(np.array([16384], ">i2"), 8000).samples.tolist() == [[0.5]]
