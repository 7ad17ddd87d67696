"""Super-resolution at the end of the pipeline: on the command line, in scripts, and of Ditto's own region."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.hosts import Told
from helpers.people import face, frames_in, write_speech
from helpers.restorers import saved, small_upscaler

from ditto_core import cli
from ditto_core.__main__ import main
from ditto_core.blend.superres_plan import SuperResOptions
from ditto_core.data import Audio, Frames
from ditto_core.ditto.engine import DittoEngine
from ditto_core.ditto.streaming import ONLINE
from ditto_core.host import Host
from ditto_core.media.source import as_source, open_source
from ditto_core.models.inventory import download_command
from ditto_core.options import AvatarOptions
from ditto_core.sdk import StreamSDK
from ditto_core.talking_head import TalkOptions, render


@pytest.fixture
def talking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A command for a short video of the portrait; models are looked for in `models`."""
    monkeypatch.setenv("DITTO_MODELS", str(tmp_path / "models"))
    face(256).save(tmp_path / "face.png")
    write_speech(tmp_path / "speech.wav")
    files = {"source": "face.png", "audio": "speech.wav", "output": "out.mp4"}
    given = [word for name, file in files.items() for word in (f"--{name}", str(tmp_path / file))]
    return ["talk", *given, "--engine", "lite"]


def pictures(path: Path) -> torch.Tensor:
    return open_source(path, Fraction(25)).frames[:]


def test_a_face_is_enhanced_when_that_is_forced_and_told(
    talking: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = saved(tmp_path / "models/superres/2x.pth", small_upscaler())
    chosen = ["--superres", "model", "--superres_model", str(model)]
    assert main([*talking, "--superres", "none"]) == 0
    plain = pictures(tmp_path / "out.mp4")
    assert main([*talking, *chosen, "--superres_when", "auto"]) == 0
    assert "Super-resolution (model) changes nothing: the face is rendered with" in capsys.readouterr().err
    assert torch.equal(pictures(tmp_path / "out.mp4"), plain)  # Lite renders in the frame's own pixels
    assert main([*talking, *chosen, "--superres_when", "always"]) == 0
    assert "Super-resolution (model) of 10 of 10 frames." in capsys.readouterr().err
    assert frames_in(tmp_path / "out.mp4") == 10
    assert not torch.equal(pictures(tmp_path / "out.mp4"), plain)


def test_a_missing_file_is_said_before_the_work(
    talking: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ditto_core.lite.engine.LiteEngine.register", lambda *_: pytest.fail("began"))
    missing = ["--superres", "model", "--superres_model", "elsewhere/mine.pth"]
    for given, name in ((["--superres", "both"], "GFPGANv1.4.pth"), (missing, "mine.pth")):
        assert main([*talking, *given, "--superres_when", "always"]) == 2
        told = capsys.readouterr().err
        assert f"needs the file {name}" in told
        assert str(tmp_path / "models/superres") in told
        assert str(Path("models/facerestore_models")) in told
        assert download_command("superres") in told
    assert not (tmp_path / "out.mp4").exists()
    assert main([*talking, "--superres", "model"]) == 2
    assert "needs a model" in capsys.readouterr().err


def test_no_network_is_needed_while_no_face_lacks_resolution(
    talking: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*talking, "--superres", "both"]) == 0
    told = capsys.readouterr().err
    assert "This stops the work if a face turns out to lack resolution: Super-resolution needs" in told
    assert "Super-resolution (both) changes nothing: the face is rendered with" in told
    (tmp_path / "models/superres").mkdir(parents=True)
    (tmp_path / "models/superres/codeformer.pth").write_bytes(b"never read")
    assert main([*talking, "--superres", "CodeFormer"]) == 0
    told = capsys.readouterr().err
    assert "licence" not in told
    assert "needs" not in told


def test_a_network_is_named_by_its_path_or_its_name(
    talking: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(tmp_path / "models/superres/2x.pth", small_upscaler())
    for name in (str(path), "2x.pth"):
        chosen = ["--superres", "model", "--superres_model", name, "--superres_when", "always"]
        assert main([*talking, *chosen]) == 0
        assert "Super-resolution (model) of 10 of 10 frames." in capsys.readouterr().err


def test_the_demo_takes_the_flags_too(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    given: list[TalkOptions] = []
    monkeypatch.setattr(cli, "demo", lambda output, host, options: given.append(options) or output)
    assert main(["demo"]) == main(["demo", "--superres", "gfpgan", "--superres_when", "always"]) == 0
    assert given == [TalkOptions(), TalkOptions(superres=SuperResOptions("GFPGAN", when="always"))]
    assert main(["demo", "--superres", "gfpgun"]) == 2
    assert "'gfpgun' is none of none, GFPGAN, CodeFormer, both" in capfd.readouterr().err


def test_the_documents_interface_takes_the_flags_too(talking: list[str], tmp_path: Path) -> None:
    model = saved(tmp_path / "2x.pth", small_upscaler())
    host = Told()
    sdk = StreamSDK("", tmp_path, engine="lite", host=host)
    options = {"superres": "model", "superres_model": model, "superres_when": "always"}
    sdk.setup(tmp_path / "face.png", tmp_path / "out.mp4", **options)
    sdk.setup_Nd(10)
    sdk.run_chunk(np.zeros(6480, np.float32))
    sdk.close()
    assert any(message.startswith("Super-resolution (model) of") for message in host.notices)


@pytest.mark.parametrize("online", [False, True])
def test_ditto_s_frames_know_where_the_face_was_rendered(
    engine: DittoEngine, online: bool, tmp_path: Path
) -> None:
    model = saved(tmp_path / "2x.pth", small_upscaler())
    options = TalkOptions(online=online, avatar=AvatarOptions(crop_scale=2.3))
    options = replace(options, motion=replace(ONLINE, sampling_timesteps=2, overlap_v2=75))
    speech = Audio(torch.zeros(1, 1920), 16000)
    source = as_source(np.asarray(face(1400)))

    def made(more: TalkOptions) -> Frames:
        return render(engine, source, speech, more, Host())

    region = made(options).rendered
    assert region is not None
    assert region.weight.shape == (512, 512)
    assert region.to_frame.shape == (3, 3, 3)
    assert region.shown.all()
    assert region.to_frame[0, 0, 0] > 1  # the frame has more pixels than were rendered
    superres = replace(options.superres, method="model", model=model, steadiness=0)
    frames = made(replace(options, superres=superres))
    assert len(frames.images[:]) == 3
