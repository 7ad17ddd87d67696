"""Controls, and what leaves our sockets for ComfyUI's own nodes, in a real ComfyUI."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.comfy_server import ComfyServer, Graph
from PIL import Image

pytestmark = [pytest.mark.comfy, pytest.mark.timeout(1800)]


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def stages() -> Graph:
    """Half a portrait's motion, with controls, and everything between the stages as pictures."""
    some = {"start": 40, "count": 2}
    return {
        "example": node("DittoExample"),
        "engine": node("DittoLoadEngine", engine="lite"),
        "preset": node("DittoPreset", preset="Fast Preview"),
        "emotion": node(
            "DittoEmotion",
            emotion="happy", second="none", start=0.5, end=0.0, fade=0.5, controls=["preset", 0],
        ),
        "pose": node(
            "DittoHeadPose",
            pitch="", yaw="0: 0, 1s: 4", roll="", pitch_amount="", yaw_amount="", roll_amount="",
            between="smooth", controls=["emotion", 0],
        ),
        "frames": node("DittoFrameControl", ctrl_info='{"3": {"fade_alpha": 0}}', controls=["pose", 0]),
        "plot": node(
            "DittoPlotControls", controls=["frames", 0], audio=["example", 1], fps=25.0, width=600, height=400
        ),
        "avatar": node(
            "DittoLoadAvatar", engine=["engine", 0], source=["example", 0], controls=["frames", 0],
            max_size=1920, fps=25.0, template_n_frames=-1, crop_scale=2.3, crop_vx_ratio=0.0,
            crop_vy_ratio=-0.125, crop_do_rotate=True, face="largest", face_index=0, face_x=0.5, face_y=0.5,
        ),
        "speech": node("DittoWav2Feat", engine=["engine", 0], audio=["example", 1]),
        "motion": node(
            "DittoLMDMSample", avatar=["avatar", 0], speech=["speech", 0], seed=0, fps=25.0, blinks=True,
            controls=["frames", 0],
        ),
        "tensor": node("DittoMotionToTensor", motion=["motion", 0]),
        "half": node("LatentMultiply", samples=["tensor", 0], multiplier=0.5),
        "both": node("LatentAdd", samples1=["half", 0], samples2=["half", 0]),
        "kept": node("SaveLatent", samples=["both", 0], filename_prefix="motion"),
        "mixed": node("DittoMotionFromTensor", tensor=["both", 0], like=["motion", 0]),
        "keypoints": node(
            "DittoMotionStitch", avatar=["avatar", 0], motion=["mixed", 0], mouth_amount=1.0, head_amount=1.0,
            fade_in=-1, fade_out=-1, drive_eye="auto", controls=["frames", 0],
        ),
        "volumes": node("DittoWarp3D", keypoints=["keypoints", 0]),
        "crops": node("DittoDecode", volumes=["volumes", 0]),
        "images": node("DittoCropsToImages", crops=["crops", 0], **some),
        "mask": node("DittoBlendMask", crops=["crops", 0], on="frame", amount=1.0, feather=0.05, **some),
        "masks": node("MaskToImage", mask=["mask", 0]),
        "points": node("DittoKeypointsToImages", keypoints=["keypoints", 0], **some),
        **{
            f"save_{name}": node("SaveImage", images=[name, 0], filename_prefix=name)
            for name in ("plot", "images", "masks", "points")
        },
    }  # fmt: skip


def pictures(server: ComfyServer, outputs: dict[str, Any], name: str) -> list[np.ndarray]:
    entries = outputs[f"save_{name}"]["images"]
    return [np.asarray(Image.open(server.file(entry)).convert("RGB")) for entry in entries]


def test_controls_and_everything_between_the_stages(server: ComfyServer) -> None:
    result = server.run(stages())
    assert result.succeeded, result.events
    (plot,) = pictures(server, result.outputs, "plot")
    assert plot.shape == (400, 600, 3)
    for name in ("images", "masks", "points"):
        first, second = pictures(server, result.outputs, name)
        assert first.shape == second.shape
        assert first.std() > 10, name
    assert list((server.base / "output").glob("motion*.latent"))


def test_motion_mixed_by_latent_nodes_to_itself_is_the_same_motion(server: ComfyServer) -> None:
    mixed = stages()
    plain = stages()
    plain["keypoints"]["inputs"]["motion"] = ["motion", 0]
    shown = [pictures(server, server.run(graph).outputs, "images") for graph in (mixed, plain)]
    assert all(np.array_equal(a, b) for a, b in zip(*shown, strict=True))


def test_a_wrong_control_is_an_error_on_its_node(server: ComfyServer) -> None:
    graph = stages()
    graph["frames"]["inputs"]["ctrl_info"] = '{"3": {"fade": 0}}'
    error = server.run(graph).error
    assert error["node_type"] == "DittoFrameControl"
    assert "frame 3 sets 'fade'" in error["exception_message"]


def test_a_newly_installed_checkpoint_is_noticed(server: ComfyServer) -> None:
    graph = {
        "engine": node("DittoLoadEngine", engine="auto"),
        "shown": node("PreviewAny", source=["engine", 0]),
    }
    assert server.run(graph).succeeded
    assert "engine" in server.run(graph).cached
    file = server.base / "models" / "ditto" / "ditto_pytorch" / "models" / "decoder.pth"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"not yet whole")
    again = server.run(graph)
    assert "engine" not in again.cached
    assert "were not found" in again.outputs["engine"]["text"][0]
    file.unlink()
