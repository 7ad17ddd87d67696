"""The nodes of super-resolution, run in-process through the stub host."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.people import face
from helpers.restorers import saved, small_upscaler
from helpers.stub_host import ROOT, GraphError, StubHost, api_form


@pytest.fixture(scope="module")
def host(stub: StubHost) -> StubHost:
    saved(stub.folder / "models/upscale_models/2x.pth", small_upscaler())
    return stub


def portrait(count: int = 1) -> torch.Tensor:
    pixels = torch.frombuffer(bytearray(face(256).tobytes()), dtype=torch.uint8).view(1, 256, 256, 3)
    return pixels.repeat(count, 1, 1, 1) / 255


def superres(host: StubHost, frames: Any, **more: Any) -> tuple[Any, ...]:
    (model,) = host.call("DittoLoadSuperRes", model="2x.pth")
    return host.call("DittoSuperRes", frames=frames, model=model, method="model", **more)


def lite_frames(host: StubHost) -> Any:
    (engine,) = host.call("DittoLoadEngine", engine="lite")
    avatar, _ = host.call("DittoLoadAvatar", engine=engine, source=portrait())
    sound = {"waveform": torch.zeros(1, 1, 1920), "sample_rate": 16000}
    (features,) = host.call("DittoWav2Feat", engine=engine, audio=sound)
    (motion,) = host.call("DittoLMDMSample", avatar=avatar, speech=features)
    (keypoints,) = host.call("DittoMotionStitch", avatar=avatar, motion=motion)
    (volumes,) = host.call("DittoWarp3D", keypoints=keypoints)
    (crops,) = host.call("DittoDecode", volumes=volumes)
    return host.call("DittoPutBackBlend", crops=crops)[0]


def test_files_are_listed_then_published_ones_that_are_missing(host: StubHost) -> None:
    (wanted, _) = host.nodes["DittoLoadSuperRes"].define_schema().inputs
    assert wanted.options[0] == wanted.default == "2x.pth"
    assert {"GFPGANv1.4.pth", "RestoreFormer.pth", "codeformer.pth"} <= set(wanted.options[1:])
    with pytest.raises(host.core("errors").ModelError, match=r"DittoDownload.* codeformer$"):
        host.call("DittoLoadSuperRes", model="codeformer.pth")
    with pytest.raises(host.core("errors").ModelError, match=r"needs the file other\.pth.* superres$"):
        host.call("DittoLoadSuperRes", model="other.pth")


def test_a_changed_file_is_loaded_again(host: StubHost) -> None:
    node = host.nodes["DittoLoadSuperRes"]
    before = node.fingerprint_inputs(model="2x.pth", precision="auto")
    assert node.fingerprint_inputs(model="2x.pth", precision="auto") == before
    (first,) = host.call("DittoLoadSuperRes", model="2x.pth")
    assert host.call("DittoLoadSuperRes", model="2x.pth") == (first,)
    saved(host.folder / "models/upscale_models/2x.pth", small_upscaler())
    assert node.fingerprint_inputs(model="2x.pth", precision="auto") != before
    assert host.call("DittoLoadSuperRes", model="2x.pth") != (first,)
    assert node.fingerprint_inputs(model="codeformer.pth", precision="auto") == "missing auto"


def test_a_file_of_the_same_time_and_another_size_has_changed(host: StubHost) -> None:
    node, file = host.nodes["DittoLoadSuperRes"], host.folder / "models/upscale_models/other.pth"
    file.write_bytes(b"one")
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    before = node.fingerprint_inputs(model="other.pth", precision="auto")
    file.write_bytes(b"another")
    os.utime(file, ns=times)
    assert node.fingerprint_inputs(model="other.pth", precision="auto") != before
    file.unlink()


def test_a_better_file_of_the_method_counts_when_the_workflow_runs_again(host: StubHost) -> None:
    node, folder = host.nodes["DittoSuperRes"], host.folder / "models/facerestore_models"
    folder.mkdir(parents=True, exist_ok=True)
    states = {name: node.fingerprint_inputs(method=name, when="auto") for name in ("GFPGAN", "none", "model")}
    (folder / "GFPGANv1.3.pth").write_bytes(b"1.3")
    older = node.fingerprint_inputs(method="GFPGAN", when="auto")
    assert older == node.fingerprint_inputs(method="GFPGAN", when="auto") != states["GFPGAN"]
    (folder / "GFPGANv1.4.pth").write_bytes(b"1.4")
    assert node.fingerprint_inputs(method="GFPGAN", when="auto") != older
    assert node.fingerprint_inputs(method="both", when="auto").endswith("missing")
    for name in ("none", "model"):
        assert node.fingerprint_inputs(method=name, when="auto") == states[name]
    for name in ("GFPGANv1.3.pth", "GFPGANv1.4.pth"):
        (folder / name).unlink()


def test_images_come_back_as_images_with_a_report(host: StubHost) -> None:
    images = portrait(2)
    result, report = superres(host, images)
    assert result.shape == images.shape
    assert 0 < (result != images).any(dim=-1).float().mean() < 1
    assert report == "Super-resolution (model) of faces with fewer than 512x512 pixels in 2 frames."
    assert host.shown["text"] == (report,)
    assert host.patchers  # ComfyUI may ask for the memory back
    same, told = host.call("DittoSuperRes", frames=images, method="GFPGAN", when="never")
    assert torch.equal(same, images)
    assert told == "Super-resolution is off."


def test_frames_stay_lazy_and_keep_their_sound(host: StubHost) -> None:
    frames = lite_frames(host)
    same, report = superres(host, frames)
    assert same is frames
    assert "changes nothing" in report
    result, report = superres(host, frames, when="always")
    assert "of 3 of 3 frames" in report
    assert result.audio is frames.audio
    assert not torch.equal(result.images[:], frames.images[:])


def test_what_is_missing_is_said(host: StubHost) -> None:
    error = host.core("errors")
    with pytest.raises(error.ModelError, match=r"GFPGANv1\.4\.pth.*DittoDownload.* superres$"):
        host.call("DittoSuperRes", frames=portrait())
    with pytest.raises(error.InputError, match="needs a model"):
        host.call("DittoSuperRes", frames=portrait(), method="model")


def test_the_output_goes_wherever_its_input_came_from(host: StubHost) -> None:
    def graph(follower: dict[str, Any]) -> dict[str, Any]:
        return {
            "1": {"class_type": "DittoExample", "inputs": {}},
            "2": {"class_type": "DittoSuperRes", "inputs": {"frames": ["1", 0], **widgets}},
            "3": follower,
        }

    schema = host.nodes["DittoSuperRes"].define_schema()
    widgets = {wanted.id: wanted.default for wanted in schema.inputs if hasattr(wanted, "default")}
    video = {wanted.id: wanted.default for wanted in host.nodes["DittoFramesToVideo"].define_schema().inputs
             if hasattr(wanted, "default")}  # fmt: skip
    host.check(graph({"class_type": "DittoFramesToVideo", "inputs": {"frames": ["2", 0], **video}}))
    host.check(graph({"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}}))
    with pytest.raises(GraphError, match="takes DITTO_CROPS"):
        host.check(
            graph(
                {"class_type": "DittoCropsToImages", "inputs": {"crops": ["2", 0], "start": 0, "count": -1}}
            )
        )


def test_the_folder_of_face_restorers_is_registered(host: StubHost) -> None:
    import folder_paths  # pyright: ignore

    assert Path(folder_paths.get_folder_paths("facerestore_models")[0]).name == "facerestore_models"


def test_the_workflow_for_pictures_runs_with_a_network_in_its_place(host: StubHost) -> None:
    saved(host.folder / "models/ditto/superres/GFPGANv1.4.pth", small_upscaler())
    graph = api_form(json.loads((ROOT / "workflows" / "restore_faces.json").read_text()), host)
    results = host.run(graph)
    (shown,) = [results[key][0] for key, node in graph.items() if node["class_type"] == "PreviewImage"]
    (before,) = [results[key][0] for key, node in graph.items() if node["class_type"] == "DittoExample"]
    assert shown.shape == before.shape
    assert not torch.equal(shown, before)
