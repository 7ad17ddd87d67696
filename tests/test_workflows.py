"""The workflows of the documented scripts: made from their commands, run as they are, mean the same."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import av
import pytest
import torch
from helpers.people import face
from helpers.stub_host import CORE_INPUTS, NOTES, ROOT, StubHost, api_form
from PIL import Image

from ditto_core import cli
from ditto_core.__main__ import main
from ditto_core.talking_head import TalkOptions
from tools.make_workflows import EXAMPLES, IMAGE, VIDEO, as_text, workflow

FRAMES = 5

DOCUMENTED: dict[str, dict[str, dict[str, Any]]] = {
    "inference": {"DittoLMDMSample": {"sampling_timesteps": 50, "overlap_v2": 10, "smo_k_d": 3}},
    "inference_video": {
        "DittoLMDMSample": {"emo": "4 neutral", "eye_f0_mode": True, "sampling_timesteps": 50},
        "DittoMotionStitch": {"drive_eye": "auto", "fade_in": -1, "fade_out": -1},
        "DittoLoadAvatar": {"smo_k_s": 13, "template_n_frames": -1, "max_size": 1920, "motion_frames": -1},
        "DittoPutBackBlend": {"mode": "blend"},
    },
    "inference_video_high_quality": {
        "DittoLMDMSample": {"sampling_timesteps": 75, "overlap_v2": 15, "smo_k_d": 5}
    },
    "inference_video_fast_preview": {
        "DittoLMDMSample": {"sampling_timesteps": 25, "overlap_v2": 5},
        "DittoLoadAvatar": {"max_size": 512},
    },
    "inference_video_fades": {"DittoMotionStitch": {"fade_in": 25, "fade_out": 25}},
    "inference_video_emotion": {"DittoLMDMSample": {"emo": "6 surprise"}},
    "inference_video_first_100_frames": {"DittoLoadAvatar": {"template_n_frames": 100}},
    "inference_video_original_eyes": {"DittoMotionStitch": {"drive_eye": "off"}},
    "inference_video_expressive": {"DittoLMDMSample": {"smo_k_d": 2, "emo": "6 surprise"}},
    "inference_video_stable": {
        "DittoLMDMSample": {"overlap_v2": 15, "smo_k_d": 5},
        "DittoLoadAvatar": {"smo_k_s": 15},
    },
    "inference_video_preserve_motion": {"DittoLoadAvatar": {"motion_frames": 100}},
    "inference_video_blend_control": {"DittoPutBackBlend": {"mode": "blend"}},
    "inference_video_blend_control_strong": {"DittoPutBackBlend": {"mode": "strong"}},
    "inference_video_blend_control_replace": {"DittoPutBackBlend": {"mode": "replace"}},
    "inference_video_blend_control_weak": {"DittoPutBackBlend": {"mode": "weak"}},
    "inference_video_blend_control_custom": {"DittoPutBackBlend": {"mode": "custom", "alpha": 0.7}},
    "inference_video_advanced": {
        "DittoLoadAvatar": {"motion_frames": 100},
        "DittoPutBackBlend": {"mode": "strong"},
    },
    "smiling_avatar_a": {"DittoLoadAvatar": {"template_n_frames": 100}},
    "smiling_avatar_b": {"DittoPutBackBlend": {"mode": "strong"}},
    "maximum_quality": {
        "DittoLMDMSample": {"sampling_timesteps": 75, "overlap_v2": 15},
        "DittoPutBackBlend": {"mode": "blend"},
    },
    "superres_gfpgan": {"DittoSuperRes": {"method": "GFPGAN", "when": "auto"}},
    "superres_codeformer": {"DittoSuperRes": {"method": "CodeFormer", "fidelity": 0.7}},
    "superres_restoreformer": {"DittoSuperRes": {"method": "RestoreFormer"}},
    "superres_both": {"DittoSuperRes": {"method": "both"}},
    "batch_videos": {"DittoLMDMSample": {"sampling_timesteps": 50, "overlap_v2": 10}},
    "batch_audios": {"DittoLMDMSample": {"sampling_timesteps": 50, "overlap_v2": 10}},
    "frame_level_control": {"DittoMotionStitch": {"fade_in": -1, "fade_out": -1}},
}
"""Some widgets by the name of the workflow, from the documents and not from our tables."""


@pytest.fixture
def host(stub: StubHost, monkeypatch: pytest.MonkeyPatch) -> StubHost:
    """A host whose example is small and short."""
    example = stub.pack.nodes.example
    small = torch.frombuffer(bytearray(face(128).tobytes()), dtype=torch.uint8).view(128, 128, 3)
    monkeypatch.setattr(example, "read_image", lambda _path: small)
    read = example.read_audio

    def short(path: Path) -> Any:
        audio = read(path)
        return replace(audio, samples=audio.samples[:, : audio.rate * FRAMES // 25])

    monkeypatch.setattr(example, "read_audio", short)
    return stub


@pytest.fixture(params=EXAMPLES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def stored(name: str) -> dict[str, Any]:
    return json.loads((ROOT / "workflows" / f"{name}.json").read_text())


def widgets_of(name: str, host: StubHost) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for node in api_form(stored(name), host).values():
        found.setdefault(node["class_type"], []).append(node["inputs"])
    return found


def test_every_example_has_its_line_here() -> None:
    assert set(DOCUMENTED) == set(EXAMPLES)
    made_by_hand = {"quick_start", "stages", "restore_faces"}
    assert {path.stem for path in (ROOT / "workflows").glob("*.json")} == made_by_hand | set(EXAMPLES)


def test_the_file_is_what_the_tool_makes(name: str, stub: StubHost) -> None:
    made = as_text(workflow(EXAMPLES[name], name, stub))
    assert (ROOT / "workflows" / f"{name}.json").read_text() == made, "run python tools/make_workflows.py"


def test_the_widgets_say_what_the_documents_say(name: str, stub: StubHost) -> None:
    found = widgets_of(name, stub)
    assert DOCUMENTED[name]
    for kind, values in DOCUMENTED[name].items():
        for inputs in found[kind]:
            assert {widget: inputs[widget] for widget in values} == values


def test_batches_and_single_frames(stub: StubHost) -> None:
    kinds = {name: {kind: len(nodes) for kind, nodes in widgets_of(name, stub).items()} for name in EXAMPLES}
    videos, recordings = kinds["batch_videos"], kinds["batch_audios"]
    assert (videos["DittoLoadAvatar"], videos["DittoWav2Feat"], videos["SaveVideo"]) == (3, 1, 3)
    assert (recordings["DittoLoadAvatar"], recordings["DittoWav2Feat"], recordings["SaveVideo"]) == (1, 3, 3)
    (control,) = widgets_of("frame_level_control", stub)["DittoFrameControl"]
    assert json.loads(control["ctrl_info"]) == {
        "0": {"fade_alpha": 0.0},
        "25": {"fade_alpha": 1.0},
        "100": {"delta_pitch": 0.1, "delta_yaw": -0.05},
    }


@pytest.fixture
def recorded(host: StubHost, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The options the stages of the workflow's own engine get."""
    noted: dict[str, Any] = {}
    lite = host.core("lite.engine").LiteEngine

    class Noting(lite):  # type: ignore[misc,valid-type]
        def register(self, source: Any, options: Any, host: Any) -> Any:
            noted["avatar"] = options
            return super().register(source, options, host)

        def sample_motion(self, avatar: Any, speech: Any, options: Any, host: Any) -> Any:
            noted["motion"] = options
            return super().sample_motion(avatar, speech, options, host)

        def stitch(self, avatar: Any, motion: Any, options: Any) -> Any:
            noted["stitch"] = options
            return super().stitch(avatar, motion, options)

    monkeypatch.setattr(host.pack.nodes.load_engine, "shared_engine", lambda *_: Noting())
    put_back = host.pack.nodes.put_back_blend.put_back

    def noting(crops: Any, options: Any) -> Any:
        noted["blend"] = options
        return put_back(crops, options)

    enhance = host.pack.nodes.superres.enhance

    def enhancing(frames: Any, opened: Any, options: Any, *more: Any) -> Any:
        noted["superres"] = options
        return enhance(frames, opened, options, *more)

    monkeypatch.setattr(host.pack.nodes.put_back_blend, "put_back", noting)
    monkeypatch.setattr(host.pack.nodes.superres, "enhance", enhancing)
    return noted


def test_it_runs_with_ditto_when_its_checkpoints_are_there(name: str, host: StubHost, ditto: Path) -> None:
    graph = api_form(stored(name), host)
    results = host.run(graph)
    for key, node in graph.items():
        if node["class_type"] == "DittoFramesToVideo":
            frames = results[node["inputs"]["frames"][0]][0]
            assert len(frames.images) == FRAMES
        if node["class_type"] == "DittoLoadEngine":
            assert results[key][0].name == "ditto"


def plain(options: Any) -> dict[str, Any]:
    """Options of any copy of the pack, comparable."""
    values = {field.name: getattr(options, field.name) for field in fields(options)}
    if values.get("mode") != "custom":
        values.pop("alpha", None)  # its widget always has a number
    if "ctrl_info" in values:
        values["ctrl_info"] = json.loads(json.dumps(dict(values["ctrl_info"])))
    if "face" in values:
        values["face"] = plain(values["face"])
    return values


def test_it_runs_at_once_and_does_what_its_command_does(
    name: str,
    host: StubHost,
    recorded: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    graph = api_form(stored(name), host)
    results = host.run(graph)
    saved = [node["inputs"]["video"][0] for node in graph.values() if node["class_type"] == "SaveVideo"]
    assert len(saved) == max(EXAMPLES[name].clips, EXAMPLES[name].recordings)
    for key in saved:
        with av.open(results[key][0].get_stream_source()) as container:
            assert sum(1 for _ in container.decode(video=0)) == FRAMES
            assert len(container.streams.audio) == 1

    meant = options_of_command(name, monkeypatch, tmp_path)
    for part, options in recorded.items():
        assert plain(options) == plain(getattr(meant, part)), part


def options_of_command(name: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> TalkOptions:
    """What the command in a workflow's note sets, on the command line."""
    (note,) = [node for node in stored(name)["nodes"] if node["type"] == "MarkdownNote"]
    (text,) = re.findall(r"python -m ditto_core (.*?)\n\n", note["widgets_values"][0], re.DOTALL)
    given: dict[str, Any] = {}
    monkeypatch.setattr(cli, "talk", lambda *_files, **more: given.update(more) or Path())
    monkeypatch.chdir(folder)
    Path("controls.json").write_text(json.dumps(dict(EXAMPLES[name].ctrl_info)))
    assert main([*shlex.split(text.replace("\\\n", " ")), "--seed", "0", "-q"]) == 0
    return given["options"]


@pytest.mark.parametrize(
    ("name", "sets"),
    [
        ("restore_faces", "superres"),
        ("superres_gfpgan", "superres"),
        ("superres_codeformer", "codeformer"),
        ("superres_restoreformer", "superres"),
        ("superres_both", "superres codeformer"),
    ],
)
def test_the_note_says_how_files_come_into_comfyui(name: str, sets: str) -> None:
    (note,) = [node for node in stored(name)["nodes"] if node["type"] == "MarkdownNote"]
    text = note["widgets_values"][0]
    assert "**Ditto Download**" in text
    assert f"python custom_nodes/ComfyUI-Ditto/install.py {sets}" in text
    assert "ditto download" not in text
    assert "ditto_core download" not in text


def test_the_document_shows_the_command_beside_the_workflow(name: str) -> None:
    command = EXAMPLES[name].command
    for files in (VIDEO, IMAGE):
        command = command.replace(f" {files}", "")
    rows = (ROOT / "docs" / "scripts.md").read_text(encoding="utf-8").splitlines()
    assert f"| {EXAMPLES[name].title} | `{command}` | [{name}](../workflows/{name}.json) |" in rows


def test_only_core_nodes_and_ours_with_fixed_seeds(name: str, stub: StubHost) -> None:
    for node in stored(name)["nodes"]:
        assert node["type"] in {*stub.nodes, *CORE_INPUTS, *NOTES}
        assert "randomize" not in node.get("widgets_values", [])


def test_nothing_overlaps(name: str) -> None:
    boxes = [(*node["pos"], *node["size"]) for node in stored(name)["nodes"]]
    title = 30
    for number, (x, y, width, height) in enumerate(boxes):
        for left, top, across, down in boxes[:number]:
            apart = x >= left + across or left >= x + width
            assert apart or y - title >= top + down or top - title >= y + height


def test_it_has_a_thumbnail(name: str) -> None:
    path = ROOT / "workflows" / f"{name}.jpg"
    with Image.open(path) as picture:
        assert min(picture.size) >= 256
    assert path.stat().st_size < 60_000
