"""Ditto's documented Python interface: the documents' programs run as they are written there."""

from __future__ import annotations

import json
import math
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.command_line import listen_to_talk
from helpers.hosts import Told
from helpers.people import SECONDS, face, frames_in, write_clip, write_speech

from ditto_core import sdk
from ditto_core.errors import DittoError, InputError, ModelError
from ditto_core.host import Host
from ditto_core.media.sound import read_audio
from ditto_core.sdk import StreamSDK, run_video_inference
from ditto_core.talking_head import TalkOptions

FRAMES = math.ceil(SECONDS * 25)


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    face().save(tmp_path / "portrait.png")
    return tmp_path / "portrait.png"


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    return write_speech(tmp_path / "speech.wav")


@pytest.fixture
def stream() -> StreamSDK:
    return StreamSDK(
        "./checkpoints/ditto_cfg/v0.4_hubert_cfg_pytorch.pkl", "./checkpoints/ditto_pytorch", host=Told()
    )


def samples(path: Path) -> np.ndarray:
    return read_audio(path).samples[0].numpy()


DOCUMENTED = {
    "setup_kwargs": {"smo_k_s": 13, "sampling_timesteps": 50, "overlap_v2": 10, "smo_k_d": 3, "emo": 4},
    "run_kwargs": {"fade_in": 25, "fade_out": 25},
}


@pytest.fixture
def ditto_stream(release: Path) -> StreamSDK:
    config = release / "ditto_cfg" / "v0.4_hubert_cfg_pytorch.pkl"
    return StreamSDK(config, release / "ditto_pytorch", engine="ditto")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return listen_to_talk(monkeypatch, sdk)


class TestRunVideoInference:
    def test_the_documents_program_writes_a_video(
        self, stream: StreamSDK, speech: Path, tmp_path: Path
    ) -> None:
        assert any("Lite (draft quality)" in notice for notice in stream.host.notices)  # type: ignore[attr-defined]
        output = tmp_path / "result.mp4"
        more: Any = DOCUMENTED
        clip = write_clip(tmp_path / "person.mp4")
        run_video_inference(
            SDK=stream, audio_path=speech, source_video_path=clip, output_path=output, more_kwargs=more
        )
        assert frames_in(output) == FRAMES

    @pytest.mark.parametrize("made_with", ["stream", "ditto_stream"])
    def test_options_mean_what_they_mean_on_the_command_line(
        self, made_with: str, asked: dict[str, Any], request: pytest.FixtureRequest
    ) -> None:
        before = json.dumps(DOCUMENTED)
        run_video_inference(request.getfixturevalue(made_with), "b.wav", "a.mp4", "c.mp4", DOCUMENTED)
        options: TalkOptions = asked["options"]
        assert (options.stitch.fade_in, options.stitch.fade_out) == (25, 25)
        assert (options.motion.emo, options.motion.eye_f0_mode) == (4, True)
        assert json.dumps(DOCUMENTED) == before

    def test_options_come_before_what_the_script_sets_and_that_before_the_configuration(
        self, ditto_stream: StreamSDK, asked: dict[str, Any]
    ) -> None:
        config: Any = ditto_stream.engine.config  # type: ignore[attr-defined]
        config.options.update(eye_f0_mode=False, smo_k_d=7, relative_d=False, crop_scale=2.0)
        run_video_inference(ditto_stream, "b.wav", "a.mp4", "c.mp4", {"setup_kwargs": {"crop_scale": 1.5}})
        options: TalkOptions = asked["options"]
        assert (options.motion.eye_f0_mode, options.motion.smo_k_d) == (True, 3)
        assert (options.stitch.relative_d, options.avatar.crop_scale) == (False, 1.5)
        given = {"setup_kwargs": {"eye_f0_mode": False, "smo_k_d": 5}}
        run_video_inference(ditto_stream, "b.wav", "a.mp4", "c.mp4", given)
        options = asked["options"]
        assert (options.motion.eye_f0_mode, options.motion.smo_k_d) == (False, 5)

    def test_without_options_the_configurations_emotion_counts(
        self, stream: StreamSDK, asked: dict[str, Any]
    ) -> None:
        run_video_inference(stream, "b.wav", "a.mp4", "c.mp4")
        assert asked["options"].motion.emo is None
        assert asked["engine"] is stream.engine

    @pytest.mark.parametrize("name", ["more.json", "more.pkl"])
    def test_options_may_be_in_a_file(
        self, name: str, stream: StreamSDK, asked: dict[str, Any], tmp_path: Path
    ) -> None:
        content = json.dumps(DOCUMENTED).encode() if name.endswith("json") else pickle.dumps(DOCUMENTED)
        (tmp_path / name).write_bytes(content)
        run_video_inference(stream, "b.wav", "a.mp4", "c.mp4", tmp_path / name)
        assert asked["options"].stitch.fade_out == 25

    def test_a_pickle_is_read_but_not_run(self, stream: StreamSDK, tmp_path: Path) -> None:
        (tmp_path / "more.pkl").write_bytes(pickle.dumps(Path("anything")))
        with pytest.raises(ModelError, match="run code"):
            run_video_inference(stream, "b.wav", "a.mp4", "c.mp4", tmp_path / "more.pkl")


class TestStreamSDK:
    def test_whole_speech_as_in_the_published_program(
        self, stream: StreamSDK, portrait: Path, speech: Path, tmp_path: Path
    ) -> None:
        audio = samples(speech)
        stream.setup(portrait, tmp_path / "out.mp4", drive_eye=True, emo=5, max_size=128)
        stream.setup_Nd(
            N_d=math.ceil(len(audio) / 16000 * 25),
            fade_in=25,
            fade_out=25,
            ctrl_info={0: {"fade_alpha": 0.0}, 5: {"delta_pitch": 0.1, "delta_yaw": -0.05}},
        )
        stream.audio2motion_queue.put(stream.wav2feat.wav2feat(audio))
        assert stream.close() == tmp_path / "out.mp4"
        assert frames_in(tmp_path / "out.mp4") == FRAMES

    def test_speech_in_chunks_gives_the_same_frames(
        self, stream: StreamSDK, portrait: Path, speech: Path, tmp_path: Path
    ) -> None:
        audio = samples(speech)
        chunksize = (3, 5, 2)
        stream.setup(portrait, tmp_path / "chunks.mkv", max_size=128, crf=0)
        stream.setup_Nd(math.ceil(len(audio) / 16000 * 25))
        fed = np.concatenate([np.zeros(chunksize[0] * 640, np.float32), audio])
        length = int(sum(chunksize) * 0.04 * 16000) + 80
        for start in range(0, len(fed), chunksize[1] * 640):
            piece = fed[start : start + length]
            stream.run_chunk(np.pad(piece, (0, length - len(piece))), chunksize)
        stream.close()
        assert frames_in(tmp_path / "chunks.mkv") == FRAMES

    def test_chunks_are_the_speech_again(
        self, stream: StreamSDK, portrait: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        heard: list[np.ndarray] = []
        listen = stream.engine.encode_speech

        def note(audio: Any, host: Host) -> Any:
            heard.append(audio.samples[0].numpy())
            return listen(audio, host)

        monkeypatch.setattr(stream.engine, "encode_speech", note)
        audio = np.arange(1, 6401, dtype=np.float32) / 6400
        stream.setup(portrait, tmp_path / "out.mp4", max_size=128)
        stream.setup_Nd(10)
        fed = np.concatenate([np.zeros(1920, np.float32), audio, np.zeros(6480, np.float32)])
        for start in range(0, 1920 + len(audio), 3200):
            stream.run_chunk(fed[start : start + 6480])
        stream.close()
        assert np.array_equal(heard[0], audio)

    def test_published_names_of_options(self, stream: StreamSDK, portrait: Path, tmp_path: Path) -> None:
        stream.setup(
            portrait,
            tmp_path / "out.mp4",
            online_mode=True,
            crop_flag_do_rot=False,
            delta_eye_open_n=0.1,
            use_d_keys={"exp": 1.1},
            N_d=-1,
        )
        assert stream.online_mode
        options = stream._options
        assert options.avatar.crop_do_rotate is False
        assert options.motion.delta_eye_open_n == 0
        assert options.stitch.use_d_keys == {"exp": 1.1}

    @pytest.mark.parametrize(
        ("kwargs", "words"),
        [
            ({"smo_k": 3}, "no option 'smo_k'"),
            ({"blend_mode": "custom"}, "needs an alpha"),
            ({"max_size": 8}, "max_size"),
        ],
    )
    def test_options_that_cannot_be_used(
        self, kwargs: dict[str, Any], words: str, stream: StreamSDK, portrait: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(InputError, match=words):
            stream.setup(portrait, tmp_path / "out.mp4", **kwargs)

    def test_the_source_is_not_overwritten(self, stream: StreamSDK, portrait: Path, tmp_path: Path) -> None:
        clip = Path(shutil.copy(portrait, tmp_path / "clip.mp4"))
        with pytest.raises(InputError, match="would be lost"):
            stream.setup(clip, clip)

    def test_what_is_forgotten_is_said(self, stream: StreamSDK, portrait: Path, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="call setup"):
            stream.close()
        stream.setup(portrait, tmp_path / "out.mp4", max_size=128)
        with pytest.raises(InputError, match="no speech"):
            stream.close()
        with pytest.raises(InputError, match="6480 samples; this one has 100"):
            stream.run_chunk(np.zeros(100, np.float32))
        with pytest.raises(InputError, match="mono"):
            stream.run_chunk(np.zeros((2, 6480), np.float32))
        assert list(tmp_path.glob("*.mp4")) == []

    def test_after_a_setup_that_failed_there_is_nothing_to_close(
        self, stream: StreamSDK, portrait: Path, tmp_path: Path
    ) -> None:
        stream.setup(portrait, tmp_path / "out.mp4")
        with pytest.raises(DittoError, match=r"missing\.png"):
            stream.setup("missing.png", tmp_path / "other.mp4")
        stream.audio2motion_queue.put(stream.wav2feat(np.zeros(1600, np.float32)))
        with pytest.raises(InputError, match="call setup"):
            stream.close()
        assert list(tmp_path.glob("*.mp4")) == []

    def test_values_may_be_as_json_has_them(self, stream: StreamSDK, portrait: Path, tmp_path: Path) -> None:
        stream.setup(portrait, tmp_path / "out.mp4", fps=25.0, superres_model="x.pth", superres_when="never")
        assert stream._options.motion.fps == 25
        assert stream._options.superres.model == Path("x.pth")
        with pytest.raises(InputError, match="ctrl_info is 5"):
            stream.setup(portrait, tmp_path / "out.mp4", ctrl_info=5)

    @pytest.mark.parametrize(
        "options",
        [
            {"crf": "18"},
            {"blink_times": 0.5},
            {"use_d_keys": {"exp": "1.2"}},
            {"ctrl_info": {0: {"bogus": 1}}},
            {"emo": 8},
            {"delta_eye_open_n": float("nan")},
        ],
    )
    def test_what_cannot_be_is_refused_before_the_source_is_read(
        self, stream: StreamSDK, tmp_path: Path, options: dict[str, Any]
    ) -> None:
        with pytest.raises(InputError, match="|".join([*options, "emotion"])):
            stream.setup("missing.png", tmp_path / "out.mp4", **options)

    def test_checkpoints_that_must_be_there(self) -> None:
        with pytest.raises(DittoError, match="There is no folder missing"):
            StreamSDK("missing.pkl", "missing", engine="ditto")


def test_the_configurations_options_are_the_defaults_of_setup(
    ditto_stream: StreamSDK, portrait: Path, tmp_path: Path
) -> None:
    published = ditto_stream.engine.config.options  # type: ignore[attr-defined]
    ditto_stream.setup(portrait, tmp_path / "out.mp4", smo_k_d=1)
    assert ditto_stream._options.motion.sampling_timesteps == published["sampling_timesteps"]
    assert ditto_stream._options.motion.overlap_v2 == published["overlap_v2"]
    assert ditto_stream._options.motion.smo_k_d == 1


def test_data_of_the_configuration_is_replaced_for_one_video(
    ditto_stream: StreamSDK, portrait: Path, tmp_path: Path
) -> None:
    published = ditto_stream.engine.config.fix_kp_cond  # type: ignore[attr-defined]
    ditto_stream.setup(portrait, tmp_path / "out.mp4", ch_info=None, fix_kp_cond=published + 1)
    assert ditto_stream.engine.config.fix_kp_cond == published + 1  # type: ignore[attr-defined]
    assert ditto_stream.engine.config.character is None  # type: ignore[attr-defined]
    ditto_stream.setup(portrait, tmp_path / "out.mp4")
    assert ditto_stream.engine.config.fix_kp_cond == published  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="unusable"):
        ditto_stream.setup(portrait, tmp_path / "out.mp4", fix_kp_cond="often")


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_speech_may_be_heard_before_and_after_data_are_replaced(
    before: bool, ditto_stream: StreamSDK, portrait: Path, speech: Path, tmp_path: Path
) -> None:
    heard = ditto_stream.wav2feat(samples(speech)) if before else None
    output = tmp_path / "out.mp4"
    ditto_stream.setup(portrait, output, ch_info=None, max_size=128, sampling_timesteps=2)
    ditto_stream.audio2motion_queue.put(heard or ditto_stream.wav2feat(samples(speech)))
    assert frames_in(ditto_stream.close()) == FRAMES


def test_lite_says_what_it_does_not_use(stream: StreamSDK, portrait: Path, tmp_path: Path) -> None:
    stream.setup(portrait, tmp_path / "out.mp4", ch_info={}, smo_k_d=3, max_size=512)
    assert any("does not use ch_info, smo_k_d; with" in notice for notice in stream.host.notices)  # type: ignore[attr-defined]
