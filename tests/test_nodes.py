"""The contract of the nodes: schemas, help pages, and the workflows run in-process through the stub host."""

from __future__ import annotations

import inspect
import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from helpers.stub_api import ComboInput, NumberInput, VideoComponents, VideoFromComponents, Widget
from helpers.stub_host import (
    CORE_INPUTS,
    NOTES,
    ROOT,
    InterruptProcessingException,
    StubHost,
    api_form,
)
from PIL import Image

NODE_IDS = {
    "DittoTalkingHead",
    "DittoExample",
    "DittoLoadEngine",
    "DittoReplaceData",
    "DittoDownload",
    "DittoConvertTensorRT",
    "DittoLoadAvatar",
    "DittoWav2Feat",
    "DittoLMDMSample",
    "DittoMotionStitch",
    "DittoWarp3D",
    "DittoDecode",
    "DittoPutBackBlend",
    "DittoLoadSuperRes",
    "DittoSuperRes",
    "DittoFramesToImages",
    "DittoFramesToVideo",
    "DittoPlotMotion",
    "DittoPreset",
    "DittoEmotion",
    "DittoEmotionSchedule",
    "DittoExpression",
    "DittoEyes",
    "DittoBlinks",
    "DittoHeadPose",
    "DittoFade",
    "DittoFrameControl",
    "DittoPlotControls",
    "DittoMotionToTensor",
    "DittoMotionFromTensor",
    "DittoCropsToImages",
    "DittoBlendMask",
    "DittoKeypointsToImages",
}
STAGES = {
    "DittoExample",
    "DittoLoadEngine",
    "DittoLoadAvatar",
    "DittoWav2Feat",
    "DittoLMDMSample",
    "DittoMotionStitch",
    "DittoWarp3D",
    "DittoDecode",
    "DittoPutBackBlend",
    "DittoFramesToVideo",
    "DittoPlotMotion",
}
WORKFLOWS = [ROOT / "workflows" / f"{name}.json" for name in ("quick_start", "stages")]


@pytest.fixture
def host(stub: StubHost) -> StubHost:
    stub.progress.clear()
    stub.interrupted = False
    stub.on_progress = lambda: None
    stub.free_memory = 64 * 10**9
    for path in stub.temporary_files():
        path.unlink()
    return stub


@pytest.fixture
def portrait(host: StubHost) -> torch.Tensor:
    return host.call("DittoExample")[0]


def speech(seconds: float = 0.4, rate: int = 16000) -> dict[str, Any]:
    """Something voiced: a buzz that swells."""
    time = torch.arange(round(seconds * rate)) / rate
    wave = 0.3 * torch.sin(2 * torch.pi * 3 * time) * torch.sign(torch.sin(2 * torch.pi * 120 * time))
    return {"waveform": wave.view(1, 1, -1), "sample_rate": rate}


def frames_of(host: StubHost, portrait: torch.Tensor, seconds: float = 0.4) -> Any:
    """DITTO_FRAMES of the stages with their defaults."""
    (engine,) = host.call("DittoLoadEngine", engine="lite")
    avatar, _ = host.call("DittoLoadAvatar", engine=engine, source=portrait)
    (features,) = host.call("DittoWav2Feat", engine=engine, audio=speech(seconds))
    (motion,) = host.call("DittoLMDMSample", avatar=avatar, speech=features)
    (keypoints,) = host.call("DittoMotionStitch", avatar=avatar, motion=motion)
    (volumes,) = host.call("DittoWarp3D", keypoints=keypoints)
    (crops,) = host.call("DittoDecode", volumes=volumes)
    return host.call("DittoPutBackBlend", crops=crops)[0]


def streams(path: str) -> dict[str, Any]:
    with av.open(path) as container:
        picture = container.streams.video[0]
        return {
            "frames": sum(1 for _ in container.decode(video=0)),
            "fps": picture.average_rate,
            "size": (picture.width, picture.height),
            "sounds": len(container.streams.audio),
        }


class TestSchemas:
    def test_the_ids_workflows_are_made_of(self, host: StubHost) -> None:
        assert set(host.nodes) == NODE_IDS

    def test_every_input_says_what_it_does_and_has_a_default_inside_its_range(self, host: StubHost) -> None:
        faults: list[str] = []
        for name, node in host.nodes.items():
            for wanted in node.define_schema().inputs:
                where = f"{name}.{wanted.id}"
                if not wanted.tooltip or not wanted.tooltip.endswith("."):
                    faults.append(f"{where}: tooltip")
                if isinstance(wanted, Widget) and wanted.default is None:
                    faults.append(f"{where}: default")
                if isinstance(wanted, NumberInput):
                    if wanted.min is None or wanted.max is None:
                        faults.append(f"{where}: range")
                    elif not wanted.min <= wanted.default <= wanted.max:
                        faults.append(f"{where}: default outside its range")
                if isinstance(wanted, ComboInput) and wanted.default not in wanted.options:
                    faults.append(f"{where}: default is no option")
        assert faults == []

    def test_every_node_and_output_is_described(self, host: StubHost) -> None:
        for name, node in host.nodes.items():
            schema = node.define_schema()
            assert schema.node_id == name
            assert schema.display_name, name
            assert schema.description, name
            assert schema.category.startswith("Ditto/"), name
            assert all(output.display_name and output.tooltip for output in schema.outputs), name

    def test_the_licence_of_the_official_faces_is_said_where_they_are_chosen(self, host: StubHost) -> None:
        inputs = host.nodes["DittoLoadAvatar"].define_schema().inputs
        (choice,) = (each for each in inputs if each.id == "face_networks")
        page = (ROOT / "web/docs/DittoLoadAvatar/en.md").read_text()
        for told in (choice.tooltip, page):
            assert "InsightFace's" in told
            assert "non-commercial use only" in told

    def test_every_node_has_a_help_page_that_names_its_inputs_and_outputs(self, host: StubHost) -> None:
        pages = {path.parent.name: path.read_text() for path in (ROOT / "web/docs").glob("*/en.md")}
        assert set(pages) == set(host.nodes)
        for name, node in host.nodes.items():
            schema = node.define_schema()
            named = [wanted.id for wanted in schema.inputs]
            named += [output.display_name for output in schema.outputs]
            assert [word for word in named if f"`{word}`" not in pages[name]] == [], name

    def test_a_help_page_lists_inputs_as_the_node_does(self, host: StubHost) -> None:
        for name, node in host.nodes.items():
            table = (ROOT / "web/docs" / name / "en.md").read_text().split("## Outputs")[0]
            shown = sorted(node.define_schema().inputs, key=lambda wanted: bool(wanted.optional))
            rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
            listed = [word for row in rows for word in re.findall(r"`(\w+)`", row)]
            assert listed == [wanted.id for wanted in shown], name

    def test_what_lite_does_with_head_pose_is_said(self, host: StubHost) -> None:
        schema = host.nodes["DittoHeadPose"].define_schema()
        page = (ROOT / "web/docs/DittoHeadPose/en.md").read_text().replace("\n", " ")
        for told in (schema.description, page):
            assert (
                "a picture only, by at most 5 degrees, and its factors scale the drawn motion alone" in told
            )


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
class TestWorkflows:
    def test_runs_to_a_video_with_sound(self, host: StubHost, path: Path) -> None:
        graph = api_form(json.loads(path.read_text()), host)
        results = host.run(graph)
        (saved,) = [key for key, node in graph.items() if node["class_type"] == "SaveVideo"]
        video = results[graph[saved]["inputs"]["video"][0]][0]
        sound = host.call("DittoExample")[1]
        seconds = Fraction(sound["waveform"].shape[-1], sound["sample_rate"])
        found = streams(video.get_stream_source())
        assert found == {"frames": -(-seconds * 25 // 1), "fps": 25, "size": (512, 512), "sounds": 1}

    def test_uses_only_core_nodes_and_ours_with_fixed_seeds(self, host: StubHost, path: Path) -> None:
        workflow = json.loads(path.read_text())
        for node in workflow["nodes"]:
            assert node["type"] in {*NODE_IDS, *CORE_INPUTS, *NOTES}
            assert "randomize" not in node.get("widgets_values", [])

    def test_has_a_thumbnail(self, host: StubHost, path: Path) -> None:
        with Image.open(path.with_suffix(".jpg")) as picture:
            assert min(picture.size) >= 256
        assert path.with_suffix(".jpg").stat().st_size < 100_000


def test_stages_opens_every_stage() -> None:
    nodes = json.loads((ROOT / "workflows" / "stages.json").read_text())["nodes"]
    assert {node["type"] for node in nodes} >= STAGES


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_what_was_saved_before_optional_widgets_came_still_runs(host: StubHost, path: Path) -> None:
    graph = api_form(json.loads(path.read_text()), host)
    for node in graph.values():
        if node["class_type"] in host.nodes:
            for wanted in host.nodes[node["class_type"]].define_schema().inputs:
                if wanted.optional:
                    node["inputs"].pop(wanted.id, None)
    host.check(graph)
    for node in graph.values():
        if node["class_type"] in host.nodes:
            schema = host.nodes[node["class_type"]].define_schema()
            optional = {wanted.id for wanted in schema.inputs if wanted.optional}
            execute = inspect.signature(host.nodes[node["class_type"]].execute).parameters
            assert all(execute[name].default is not inspect.Parameter.empty for name in optional)


class TestWhatIsShown:
    def test_auto_says_which_engine_it_took(self, host: StubHost) -> None:
        host.call("DittoLoadEngine", engine="auto")
        assert "Lite" in host.shown["text"][0]

    def test_a_chosen_engine_clears_the_notice(self, host: StubHost) -> None:
        host.call("DittoLoadEngine", engine="lite")
        assert host.shown["text"] == ("",)

    def test_rendering_reports_every_batch_with_a_preview(self, host: StubHost, portrait: Any) -> None:
        frames = frames_of(host, portrait, seconds=1.0)
        host.progress.clear()
        host.call("DittoFramesToVideo", frames=frames)
        assert [(done, total) for done, total, _ in host.progress] == [(8, 25), (16, 25), (24, 25), (25, 25)]
        for _, _, (kind, picture, limit) in host.progress:
            assert (kind, picture.size, limit) == ("JPEG", (512, 512), 512)

    def test_the_avatars_preview_shows_landmarks_and_is_bounded(self, host: StubHost, portrait: Any) -> None:
        (engine,) = host.call("DittoLoadEngine", engine="lite")
        _, one = host.call("DittoLoadAvatar", engine=engine, source=portrait)
        avatar, several = host.call("DittoLoadAvatar", engine=engine, source=portrait.repeat(12, 1, 1, 1))
        assert len(avatar.frames) == 12
        assert (len(one), len(several), len(host.shown["images"])) == (1, 8, 8)
        assert one.dtype == torch.float32
        assert 0 <= one.min() < one.max() <= 1


class TestSources:
    def test_half_precision_images_are_taken(self, host: StubHost, portrait: torch.Tensor) -> None:
        (video,) = host.call("DittoTalkingHead", source=portrait.half(), audio=speech(), engine="lite")
        assert streams(video.get_stream_source())["frames"] == 10

    def test_a_video_in_memory_is_brought_to_the_rate_asked_for(self, host: StubHost, portrait: Any) -> None:
        images = portrait.repeat(12, 1, 1, 1)
        video = VideoFromComponents(VideoComponents(images, Fraction(50)))
        (engine,) = host.call("DittoLoadEngine", engine="lite")
        avatar, _ = host.call("DittoLoadAvatar", engine=engine, source=video, fps=25.0)
        assert (len(avatar.frames), avatar.fps) == (6, 25)

    def test_our_own_video_is_a_source_and_is_read_lazily(self, host: StubHost, portrait: Any) -> None:
        (video,) = host.call("DittoTalkingHead", source=portrait, audio=speech(), engine="lite")
        video.get_components = lambda: pytest.fail("the video was decoded as a whole")
        (engine,) = host.call("DittoLoadEngine", engine="lite")
        avatar, _ = host.call("DittoLoadAvatar", engine=engine, source=video)
        assert (len(avatar.frames), avatar.fps) == (10, 25)

    def test_a_trimmed_video_is_not_read_beyond_its_trim(self, host: StubHost, portrait: Any) -> None:
        (video,) = host.call("DittoTalkingHead", source=portrait, audio=speech(), engine="lite")
        whole = video.get_components()
        video.get_duration = lambda: 0.2
        video.get_components = lambda: VideoComponents(whole.images[:5], whole.frame_rate)
        (engine,) = host.call("DittoLoadEngine", engine="lite")
        avatar, _ = host.call("DittoLoadAvatar", engine=engine, source=video)
        assert len(avatar.frames) == 5

    def test_motion_for_a_clip_keeps_the_clips_rate(self, host: StubHost, portrait: Any) -> None:
        (engine,) = host.call("DittoLoadEngine", engine="lite")
        clip = portrait.repeat(3, 1, 1, 1)
        avatar, _ = host.call("DittoLoadAvatar", engine=engine, source=clip, fps=30.0)
        (features,) = host.call("DittoWav2Feat", engine=engine, audio=speech())
        (motion,) = host.call("DittoLMDMSample", avatar=avatar, speech=features, fps=25.0)
        assert (motion.fps, len(motion.values)) == (30, 12)


class TestBadInput:
    """Each is one clear error of the pack, which ComfyUI shows on the node."""

    def refused(self, host: StubHost, words: str) -> Any:
        return pytest.raises(host.core("errors").DittoError, match=words)

    def test_an_unknown_engine(self, host: StubHost) -> None:
        with self.refused(host, "best.*choose one of auto, lite"):
            host.call("DittoLoadEngine", engine="best")

    def test_a_picture_without_a_face(self, host: StubHost) -> None:
        with self.refused(host, "face"):
            host.call(
                "DittoTalkingHead", source=torch.full((1, 64, 64, 3), 0.5), audio=speech(), engine="lite"
            )

    def test_several_recordings_at_once(self, host: StubHost, portrait: torch.Tensor) -> None:
        audio = speech()
        audio["waveform"] = audio["waveform"].repeat(2, 1, 1)
        with self.refused(host, "2 recordings"):
            host.call("DittoTalkingHead", source=portrait, audio=audio, engine="lite")

    def test_the_missing_sound_of_a_silent_video(self, host: StubHost, portrait: torch.Tensor) -> None:
        with self.refused(host, "no audio"):
            host.call("DittoTalkingHead", source=portrait, audio=None, engine="lite")

    @pytest.mark.parametrize(
        ("node", "inputs"),
        [
            ("DittoLoadAvatar", {"face": "smallest"}),
            ("DittoMotionStitch", {"drive_eye": "maybe"}),
            ("DittoFramesToVideo", {"codec": "mpeg1"}),
            ("DittoFramesToVideo", {"preset": "asap"}),
        ],
    )
    def test_a_choice_that_is_not_in_the_list(
        self, host: StubHost, node: str, inputs: dict[str, str]
    ) -> None:
        sockets = {
            wanted.id: None
            for wanted in host.nodes[node].define_schema().inputs
            if not isinstance(wanted, Widget)
        }
        with self.refused(host, "choose one of"):
            host.call(node, **sockets, **inputs)

    def test_more_images_than_fit_in_memory(self, host: StubHost, portrait: torch.Tensor) -> None:
        frames = frames_of(host, portrait)
        host.free_memory = 5 * 512 * 512 * 3 * 4
        with self.refused(host, "10 images of 512x512 need 31.5 MB of memory and 15.7 MB are free"):
            host.call("DittoFramesToImages", frames=frames)
        images, fps = host.call("DittoFramesToImages", frames=frames, start=2, count=5)
        assert (images.shape, fps) == ((5, 512, 512, 3), 25.0)

    def test_a_face_that_is_not_there(self, host: StubHost, portrait: torch.Tensor) -> None:
        given = {"source": portrait, "audio": speech(), "engine": "lite"}
        with self.refused(host, "number 1 from the left.*1 face. Use 0"):
            host.call("DittoTalkingHead", face="from left", face_index=1, **given)
        with self.refused(host, "face rule is 'first'; choose one of"):
            host.call("DittoTalkingHead", face="first", **given)

    def test_an_image_without_pictures(self, host: StubHost, portrait: torch.Tensor) -> None:
        with self.refused(host, "IMAGE batch is empty"):
            host.call("DittoTalkingHead", source=portrait[:0], audio=speech(), engine="lite")
        with self.refused(host, "IMAGE batch is empty"):
            host.call("DittoSuperRes", frames=portrait[:0])

    @pytest.mark.parametrize("node", ["DittoFramesToImages", "DittoFramesToVideo"])
    def test_an_image_where_frames_are_taken(self, host: StubHost, portrait: torch.Tensor, node: str) -> None:
        with self.refused(host, "an IMAGE already; connect it to Create Video"):
            host.call(node, frames=portrait)

    def test_frames_where_an_image_is_taken(self, host: StubHost, portrait: torch.Tensor) -> None:
        frames = frames_of(host, portrait)
        for taken in (lambda: frames[0], lambda: frames.shape, lambda: list(frames)):
            with self.refused(host, "not rendered yet; connect Ditto Frames to Images"):
                taken()

    def test_frames_that_are_not_there(self, host: StubHost, portrait: torch.Tensor) -> None:
        with self.refused(host, "there are 10"):
            host.call("DittoFramesToImages", frames=frames_of(host, portrait), start=8, count=5)


class TestVideo:
    def test_other_sound_can_be_put_under_the_frames(self, host: StubHost, portrait: torch.Tensor) -> None:
        frames = frames_of(host, portrait)
        silence = {"waveform": torch.zeros(1, 2, 48000), "sample_rate": 48000}
        (video,) = host.call("DittoFramesToVideo", frames=frames, audio=silence)
        with av.open(video.get_stream_source()) as container:
            assert container.streams.audio[0].rate == 48000
            loudest = max(np.abs(frame.to_ndarray()).max() for frame in container.decode(audio=0))
        assert loudest < 1e-3

    def test_images_and_video_show_the_same(self, host: StubHost, portrait: torch.Tensor) -> None:
        frames = frames_of(host, portrait)
        images, _ = host.call("DittoFramesToImages", frames=frames)
        (video,) = host.call("DittoFramesToVideo", frames=frames, crf=1, pixel_format="yuv444p")
        assert (images - video.get_components().images).abs().mean() < 0.01

    def test_an_interrupt_leaves_no_file_and_the_next_run_works(self, host: StubHost, portrait: Any) -> None:
        frames = frames_of(host, portrait, seconds=1.0)

        def interrupt() -> None:
            host.interrupted = True

        host.on_progress = interrupt
        with pytest.raises(InterruptProcessingException):
            host.call("DittoFramesToVideo", frames=frames)
        assert host.temporary_files() == []
        host.on_progress = lambda: None
        (video,) = host.call("DittoFramesToVideo", frames=frames)
        assert streams(video.get_stream_source())["frames"] == 25


def test_the_plot_takes_motion_and_keypoints(host: StubHost, portrait: torch.Tensor) -> None:
    (engine,) = host.call("DittoLoadEngine", engine="lite")
    avatar, _ = host.call("DittoLoadAvatar", engine=engine, source=portrait)
    (features,) = host.call("DittoWav2Feat", engine=engine, audio=speech(1.0))
    (motion,) = host.call("DittoLMDMSample", avatar=avatar, speech=features)
    (keypoints,) = host.call("DittoMotionStitch", avatar=avatar, motion=motion, mouth_amount=0.5)
    (sampled,) = host.call("DittoPlotMotion", motion=motion, width=600, height=400)
    (stitched,) = host.call("DittoPlotMotion", motion=keypoints, width=600, height=400)
    assert sampled.shape == stitched.shape == (1, 400, 600, 3)
    assert not torch.equal(sampled, stitched)
