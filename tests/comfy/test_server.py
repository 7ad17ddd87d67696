"""The pack in a real ComfyUI, through the server's own interface."""

from __future__ import annotations

import math
import time
import wave
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import av
import numpy as np
import pytest
from helpers.comfy_server import PACK, ROOT, ComfyServer, Graph, RefusedError, Result
from PIL import Image

from ditto_core.demo import PORTRAIT, SPEECH
from ditto_core.media.sound import read_audio

pytestmark = [pytest.mark.comfy, pytest.mark.timeout(1800)]

SHORT = "short.wav"
COMPLETE = ("quick_start", "stages")
"""Workflows that run with all of their speech; the others hear its beginning."""


@pytest.fixture
def own_input(server: ComfyServer) -> None:
    """A portrait, a picture without a face and 0.6 s of sound, as a user's files in the input folder."""
    folder = server.base / "input"
    Image.open(PORTRAIT).save(folder / "portrait.png")
    Image.new("RGB", (200, 200), (90, 120, 90)).save(folder / "lawn.png")
    time = np.arange(int(0.6 * 44100)) / 44100
    buzz = 8000 * np.sign(np.sin(2 * np.pi * 120 * time)) * np.abs(np.sin(2 * np.pi * 3 * time))
    with wave.open(str(folder / SHORT), "wb") as sound:
        sound.setparams((2, 2, 44100, 0, "NONE", ""))
        sound.writeframes(np.repeat(buzz.astype("<i2"), 2).tobytes())


def talking(seed: int = 0, **changed: Any) -> Graph:
    """A user's own picture and sound in one node."""
    inputs = {
        "source": ["1", 0],
        "audio": ["2", 0],
        "engine": "lite",
        "seed": seed,
        "max_size": 1920,
        "mouth_amount": 1.0,
        "head_amount": 1.0,
        "blinks": True,
        "crf": 18,
        **changed,
    }
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": "portrait.png"}},
        "2": {"class_type": "LoadAudio", "inputs": {"audio": SHORT}},
        "3": {"class_type": "DittoTalkingHead", "inputs": inputs},
        "4": saving(["3", 0]),
    }


def saving(video: list[Any]) -> dict[str, Any]:
    inputs = {"video": video, "filename_prefix": "test", "format": "auto", "codec": "auto"}
    return {"class_type": "SaveVideo", "inputs": inputs}


def saved_video(server: ComfyServer, result: Result, node: str) -> Path:
    (entry,) = result.outputs[node]["images"]
    return server.file(entry)


def check_playable(path: Path, frames: int, size: tuple[int, int] = (512, 512)) -> None:
    with av.open(str(path)) as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        assert (picture.width, picture.height, picture.average_rate) == (*size, 25)
        seconds = float((sound.duration or 0) * (sound.time_base or 0))
        assert seconds == pytest.approx(frames / 25, abs=0.05)
        assert sum(1 for _ in container.decode(video=0)) == frames


def test_every_node_is_there(server: ComfyServer) -> None:
    info = server.get("/object_info")
    ours = {name for name, node in info.items() if node["python_module"] == f"custom_nodes.{PACK}"}
    assert ours == {path.parent.name for path in (ROOT / "web/docs").glob("*/en.md")}
    assert f"custom_nodes/{PACK} module" not in server.log.read_text()


def test_help_and_templates_are_served(server: ComfyServer) -> None:
    for page in (ROOT / "web/docs").glob("*/en.md"):
        with urlopen(f"{server.url}/extensions/{PACK}/docs/{page.parent.name}/en.md") as reply:
            assert reply.read().decode() == page.read_text()
    names = sorted(path.stem for path in (ROOT / "workflows").glob("*.json"))
    assert sorted(server.get("/api/workflow_templates")[PACK]) == names
    for name in names:
        with urlopen(f"{server.url}/api/workflow_templates/{PACK}/{name}.jpg") as reply:
            assert reply.headers["Content-Type"] == "image/jpeg"
    # Served under one name only: the page loads every extension it is told of.
    assert len([path for path in server.get("/extensions") if path.endswith("/notices.js")]) == 1


def test_a_workflow_runs_to_a_video_and_a_second_run_is_cached(
    server: ComfyServer, graph: Graph, request: pytest.FixtureRequest
) -> None:
    seconds = read_audio(SPEECH).seconds
    if request.node.callspec.params["workflow"] not in COMPLETE:
        seconds = 0.6
        graph = beginning(graph, seconds)
    saves = [key for key, node in graph.items() if node["class_type"] == "SaveVideo"]
    server.forget()
    first = server.result(server.queue(graph), seconds=600)
    assert first.succeeded, first.events
    assert saves
    for save in saves:
        check_playable(saved_video(server, first, save), math.ceil(seconds * 25))
    assert any("Lite" in line for shown in first.outputs.values() for line in shown.get("text", []))
    again = server.run(graph)
    assert again.succeeded
    assert again.cached == set(graph)


def beginning(graph: Graph, seconds: float) -> Graph:
    """A workflow that hears only the first seconds of each recording."""
    cut: Graph = {key: {**node, "inputs": dict(node["inputs"])} for key, node in graph.items()}
    for key, node in graph.items():
        if node["class_type"] == "DittoExample":
            trim = {"audio": [key, 1], "start_index": 0.0, "duration": seconds}
            cut[f"{key} cut"] = {"class_type": "TrimAudioDuration", "inputs": trim}
    for node in graph:
        for name, value in graph[node]["inputs"].items():
            if isinstance(value, list) and value[1] == 1 and f"{value[0]} cut" in cut:
                cut[node]["inputs"][name] = [f"{value[0]} cut", 0]
    return cut


def test_own_files_and_videos_of_every_origin(server: ComfyServer, own_input: None) -> None:
    graph = talking()
    result = server.run(graph)
    assert result.succeeded, result.events
    first = saved_video(server, result, "4")
    check_playable(first, 15)

    first.rename(server.base / "input" / "talking.mp4")
    graph["1"] = {"class_type": "LoadVideo", "inputs": {"file": "talking.mp4"}}
    graph["5"] = {"class_type": "GetVideoComponents", "inputs": {"video": ["3", 0]}}
    components = {"images": ["5", 0], "audio": ["5", 1], "fps": ["5", 2]}
    graph["6"] = {"class_type": "CreateVideo", "inputs": components}
    graph["7"] = {"class_type": "DittoTalkingHead", "inputs": {**graph["3"]["inputs"], "source": ["6", 0]}}
    graph["8"] = saving(["7", 0])
    result = server.run(graph)
    assert result.succeeded, result.events
    check_playable(saved_video(server, result, "8"), 15)


class TestBadInput:
    def failed(self, server: ComfyServer, graph: Graph) -> dict[str, Any]:
        error = server.run(graph).error
        assert error["node_type"] == "DittoTalkingHead"
        return error

    def test_a_picture_without_a_face(self, server: ComfyServer, own_input: None) -> None:
        graph = talking()
        graph["1"]["inputs"]["image"] = "lawn.png"
        error = self.failed(server, graph)
        assert error["exception_type"].endswith("FaceNotFoundError")
        assert "face" in error["exception_message"]

    def test_an_unknown_choice(self, server: ComfyServer, own_input: None) -> None:
        try:
            told = self.failed(server, talking(engine="best"))["exception_message"]
        except RefusedError as refusal:  # newer releases check the choices themselves
            told = str(refusal.node_errors["3"])
        assert "best" in told
        assert "lite" in told

    def test_a_value_out_of_range_and_a_missing_link(self, server: ComfyServer, own_input: None) -> None:
        with pytest.raises(RefusedError) as refusal:
            server.queue(talking(mouth_amount=3.0))
        assert refusal.value.node_errors["3"]["errors"][0]["type"] == "value_bigger_than_max"
        graph = talking()
        del graph["3"]["inputs"]["audio"]
        with pytest.raises(RefusedError) as refusal:
            server.queue(graph)
        assert refusal.value.node_errors["3"]["errors"][0]["type"] == "required_input_missing"

    def test_a_link_of_the_wrong_type(self, server: ComfyServer, own_input: None) -> None:
        with pytest.raises(RefusedError) as refusal:
            server.queue(talking(source=["2", 0]))
        assert refusal.value.node_errors["3"]["errors"][0]["type"] == "return_type_mismatch"


def test_an_interrupt_stops_within_a_second_and_leaves_nothing(server: ComfyServer) -> None:
    graph = talking()
    graph["1"] = {"class_type": "DittoExample", "inputs": {}}
    graph["3"]["inputs"]["audio"] = ["1", 1]
    del graph["2"]
    seconds: list[float] = []
    for seed in (1, 2, 3):
        graph["3"]["inputs"]["seed"] = seed
        seconds.append(interrupt_rendering(server, graph))
    assert max(seconds) < 1, seconds
    assert server.run(graph).succeeded


def interrupt_rendering(server: ComfyServer, graph: Graph) -> float:
    """Seconds by the host's clock from asking to the end, of which nothing is left."""
    before = temporary_videos(server)
    prompt = server.queue(graph)
    wait_for_rendering(server, before)
    asked = time.time()
    server.post("/interrupt", {})
    stopped = server.result(prompt).events["execution_interrupted"]
    assert stopped["node_type"] == "DittoTalkingHead"
    assert temporary_videos(server) == before
    return stopped["timestamp"] / 1000 - asked


def temporary_videos(server: ComfyServer) -> set[Path]:
    """Videos in the temporary folder, unfinished ones as well."""
    return set((server.base / "temp").glob("*.mp4")) | set((server.base / "temp").glob(".*.mp4"))


def wait_for_rendering(server: ComfyServer, before: set[Path]) -> None:
    deadline = time.monotonic() + 60
    while temporary_videos(server) == before:
        assert time.monotonic() < deadline, "no video was begun"
        time.sleep(0.02)
    time.sleep(0.5)
