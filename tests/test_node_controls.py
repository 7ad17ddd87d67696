"""Controls and mixing through the nodes, with Lite and with Ditto on seeded stand-ins."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.stub_host import StubHost

PITCH, YAW = 11, 10  # of Lite's motion


@pytest.fixture
def host(stub: StubHost) -> StubHost:
    return stub


@pytest.fixture
def portrait(host: StubHost) -> torch.Tensor:
    return host.call("DittoExample")[0]


def speech(seconds: float = 0.4) -> dict[str, Any]:
    time = torch.arange(round(seconds * 16000)) / 16000
    wave = 0.3 * torch.sin(2 * torch.pi * 3 * time) * torch.sign(torch.sin(2 * torch.pi * 120 * time))
    return {"waveform": wave.view(1, 1, -1), "sample_rate": 16000}


class Stages:
    """An avatar and its speech, and the stages that follow with their controls."""

    def __init__(self, host: StubHost, portrait: torch.Tensor, engine: str, seconds: float = 0.4) -> None:
        self.host = host
        (loaded,) = host.call("DittoLoadEngine", engine=engine)
        self.avatar, _ = host.call("DittoLoadAvatar", engine=loaded, source=portrait)
        (self.speech,) = host.call("DittoWav2Feat", engine=loaded, audio=speech(seconds))

    def motion(self, **inputs: Any) -> Any:
        return self.host.call("DittoLMDMSample", avatar=self.avatar, speech=self.speech, **inputs)[0]

    def stitch(self, motion: Any, **inputs: Any) -> Any:
        return self.host.call("DittoMotionStitch", avatar=self.avatar, motion=motion, **inputs)[0]

    def crops(self, keypoints: Any) -> Any:
        (volumes,) = self.host.call("DittoWarp3D", keypoints=keypoints)
        return self.host.call("DittoDecode", volumes=volumes)[0]


class TestData:
    def test_what_a_file_holds_replaces_the_configurations(
        self, host: StubHost, portrait: torch.Tensor, ditto: Path
    ) -> None:
        file = ditto / "ditto_cfg" / "still.json"
        file.write_text(json.dumps({"v_min_max_for_clip": [[0.25] * 265, [0.25] * 265]}))
        before = host.nodes["DittoReplaceData"].fingerprint_inputs(file="still.json")
        (published,) = host.call("DittoLoadEngine", engine="ditto")
        (replaced,) = host.call("DittoReplaceData", engine=published, file="still.json")
        (avatar, _) = host.call("DittoLoadAvatar", engine=replaced, source=portrait)
        (heard,) = host.call("DittoWav2Feat", engine=replaced, audio=speech())
        (motion,) = host.call("DittoLMDMSample", avatar=avatar, speech=heard, sampling_timesteps=1)
        assert (motion.values == 0.25).all()
        assert published.config.limits is not replaced.config.limits
        assert host.call("DittoReplaceData", engine=published)[0] is published
        file.write_text("{}")
        assert host.nodes["DittoReplaceData"].fingerprint_inputs(file="still.json") != before

    def test_a_file_that_is_not_there_any_more_is_refused(self, host: StubHost) -> None:
        (lite,) = host.call("DittoLoadEngine", engine="lite")
        said = "'gone.json'; no data file lies in models/ditto/ditto_cfg.*choose none"
        with pytest.raises(host.core("errors").InputError, match=said):
            host.call("DittoReplaceData", engine=lite, file="gone.json")

    def test_a_file_that_is_not_among_those_there_is_refused(self, host: StubHost, ditto: Path) -> None:
        (ditto / "ditto_cfg" / "mine.json").write_text("{}")
        (lite,) = host.call("DittoLoadEngine", engine="lite")
        with pytest.raises(host.core("errors").InputError, match=r"choose one of none, .*mine\.json"):
            host.call("DittoReplaceData", engine=lite, file="gone.json")


class TestControls:
    def test_nodes_in_a_row_add_up(self, host: StubHost) -> None:
        (controls,) = host.call("DittoPreset", preset="Fast Preview")
        (controls,) = host.call("DittoEmotion", emotion="happy", second="surprise", controls=controls)
        (controls,) = host.call("DittoEmotionSchedule", controls=controls)
        (controls,) = host.call("DittoBlinks", controls=controls)
        (controls,) = host.call("DittoHeadPose", yaw="0: 0, 1s: 10", controls=controls)
        (controls,) = host.call("DittoExpression", gate="0.5", controls=controls)
        (controls,) = host.call("DittoEyes", gaze_x="10", controls=controls)
        (controls,) = host.call("DittoFade", controls=controls)
        (controls,) = host.call("DittoFrameControl", controls=controls)
        assert [type(part).__name__ for part in controls.parts] == [
            "Preset", "Emotion", "EmotionSchedule", "Blinks", "HeadPose", "Expression", "Eyes", "Fade",
            "SingleFrames",
        ]  # fmt: skip

    def test_lite_follows_head_pose_gate_fades_and_blinks(self, host: StubHost, portrait: Any) -> None:
        stages = Stages(host, portrait, "lite", 2.0)
        (blinks,) = host.call("DittoBlinks", per_minute=0.0)
        assert not stages.motion(controls=blinks).values[:, 6:8].any()
        motion = stages.motion()
        (controls,) = host.call("DittoHeadPose", yaw="3", between="linear")
        (controls,) = host.call("DittoFade", fade_in=10, fade_out=-1, controls=controls)
        (controls,) = host.call("DittoExpression", gate="0", controls=controls)
        moved = stages.stitch(motion, controls=controls).motion.values
        assert not moved[0].any()
        assert torch.allclose(moved[20:, YAW], (motion.values[20:, YAW] + 3).clamp(max=5))
        assert not moved[:, 0].any()

    def test_the_whole_pipeline_takes_controls(self, host: StubHost, portrait: Any) -> None:
        (controls,) = host.call("DittoPreset", preset="Maximum Speed")
        (controls,) = host.call("DittoExpression", amount=0.0, controls=controls)
        inputs = {"source": portrait.repeat_interleave(2, 1).repeat_interleave(2, 2), "engine": "lite"}
        (video,) = host.call("DittoTalkingHead", audio=speech(), controls=controls, **inputs)
        assert video.get_components().images.shape == (10, 512, 512, 3)

    def test_the_controls_of_all_frames(self, host: StubHost, portrait: Any) -> None:
        stages = Stages(host, portrait, "lite", 1.0)
        motion = stages.motion()
        moved = stages.stitch(motion, overall_ctrl_info="delta_yaw: 2").motion.values
        assert torch.allclose(moved[:, YAW], motion.values[:, YAW] + 2)

    def test_the_diagram_shows_what_changes(self, host: StubHost) -> None:
        (turning,) = host.call("DittoHeadPose", yaw="0: 0, 10: 20")
        given = {"audio": speech(), "width": 600, "height": 320}
        (plot,) = host.call("DittoPlotControls", controls=turning, **given)
        assert plot.shape == (1, 320, 600, 3)

    @pytest.mark.parametrize(
        "node",
        [
            "DittoPreset", "DittoEmotion", "DittoEmotionSchedule", "DittoBlinks", "DittoHeadPose",
            "DittoExpression", "DittoEyes", "DittoFade", "DittoFrameControl",
        ],
    )  # fmt: skip
    def test_every_control_with_its_defaults_can_be_drawn(self, host: StubHost, node: str) -> None:
        (controls,) = host.call(node)
        (plot,) = host.call("DittoPlotControls", controls=controls, audio=speech(), width=600, height=320)
        assert plot.shape == (1, 320, 600, 3)

    @pytest.mark.parametrize(
        ("node", "inputs", "said"),
        [
            ("DittoHeadPose", {"yaw": "left"}, "'left' is no value"),
            ("DittoHeadPose", {"between": "jump"}, "choose one of"),
            (
                "DittoMotionStitch",
                {"overall_ctrl_info": "delta_pitch", "avatar": None, "motion": None},
                "gives no numbers",
            ),
            ("DittoEmotion", {"emotion": "joy"}, "no emotion 'joy'"),
            ("DittoEmotion", {"start": 3.0, "end": 2.0}, "ends at 2 s and starts at 3 s"),
            ("DittoEmotionSchedule", {"schedule": "0: joy"}, "no emotion 'joy'"),
            ("DittoEmotionSchedule", {"schedule": " "}, "empty"),
            ("DittoBlinks", {"gaps": "often"}, "whole numbers"),
            ("DittoBlinks", {"gaps": "-5, 3"}, "delta_eye_open_n is -5"),
            ("DittoBlinks", {"times": "-1"}, "time of a blink"),
            ("DittoFrameControl", {"ctrl_info": '{"0": {"delta_yaw": "half"}}'}, "frame 0 is 'half'"),
            ("DittoBlinks", {"times": "soon"}, "must be seconds"),
            ("DittoEyes", {"source": "mine"}, "choose one of"),
            ("DittoFade", {"parts": "nose"}, "choose one of"),
            ("DittoPreset", {"preset": "Best"}, "choose one of Maximum Quality"),
            ("DittoFrameControl", {"ctrl_info": "{"}, "no JSON"),
            ("DittoFrameControl", {"ctrl_info": '{"0": {"yaw": 1}}'}, "frame 0 sets 'yaw'"),
        ],
    )
    def test_what_cannot_be_read_is_one_clear_error(
        self, host: StubHost, node: str, inputs: dict[str, Any], said: str
    ) -> None:
        with pytest.raises(host.core("errors").DittoError, match=said):
            host.call(node, **inputs)


class TestMixing:
    def test_motion_goes_through_a_latent_unchanged(self, host: StubHost, portrait: Any) -> None:
        stages = Stages(host, portrait, "lite")
        motion = stages.motion()
        (latent,) = host.call("DittoMotionToTensor", motion=motion)
        assert latent["samples"].shape == (1, 15, 1, 10)
        (back,) = host.call("DittoMotionFromTensor", tensor=latent, like=motion)
        assert torch.equal(back.values, motion.values)
        halved = {"samples": latent["samples"] * 0.5}
        (back,) = host.call("DittoMotionFromTensor", tensor=halved, like=motion)
        assert torch.equal(back.values, motion.values * 0.5)
        assert (back.fps, back.channels, back.audio) == (motion.fps, motion.channels, motion.audio)

    def test_a_latent_that_is_no_motion(self, host: StubHost, portrait: Any) -> None:
        motion = Stages(host, portrait, "lite").motion()
        error = host.core("errors").DittoError
        with pytest.raises(error, match=r"\(1, 4, 64, 64\).*\(1, 15, 1, 10\)"):
            host.call("DittoMotionFromTensor", tensor={"samples": torch.zeros(1, 4, 64, 64)}, like=motion)
        broken = torch.zeros(1, 15, 1, 10)
        broken[0, 3, 0, 7] = torch.nan
        with pytest.raises(error, match="frame 7"):
            host.call("DittoMotionFromTensor", tensor={"samples": broken}, like=motion)

    @pytest.mark.parametrize("engine", ["lite", "ditto"])
    def test_crops_and_mask_put_together_are_the_frames(
        self, host: StubHost, portrait: torch.Tensor, engine: str, request: pytest.FixtureRequest
    ) -> None:
        if engine == "ditto":
            request.getfixturevalue("ditto")
        stages = Stages(host, portrait, engine)
        crops = stages.crops(stages.stitch(stages.motion()))
        (images,) = host.call("DittoCropsToImages", crops=crops, start=2, count=3)
        assert images.shape == (3, *crops.images.shape)
        assert 0 <= images.min() < images.max() <= 1
        (mask,) = host.call("DittoBlendMask", crops=crops, mode="weak", count=2)
        assert mask.shape == (2, 512, 512)
        assert mask.max() == pytest.approx(0.5, abs=1e-6)
        (whole,) = host.call("DittoPutBackBlend", crops=crops, feather=0.0, mode="replace")
        (weak,) = host.call("DittoPutBackBlend", crops=crops, mode="weak")
        (rendered,), (shown,) = (
            host.call("DittoFramesToImages", frames=frames, count=2)[:1] for frames in (whole, weak)
        )
        # Where the crop ends, `replace` itself shows a mix of both.
        mixed = rendered * mask[..., None] + portrait * (1 - mask[..., None])
        assert (mixed - shown).abs().quantile(0.99) < 1.1 / 255

    def test_the_mask_of_a_crop(self, host: StubHost, portrait: Any) -> None:
        stages = Stages(host, portrait, "lite")
        crops = stages.crops(stages.stitch(stages.motion()))
        (mask,) = host.call("DittoBlendMask", crops=crops, on="crop", amount=0.25, count=1)
        assert mask.shape == (1, *crops.mask.shape)
        assert (mask.max(), mask[0, 0, 0]) == (0.25, 0)

    @pytest.mark.parametrize(
        ("mode", "middle", "border"), [("blend", 1, 0), ("strong", 1, 0.5), ("custom", 0.3, 0)]
    )
    def test_the_modes_do_what_their_tooltip_says(
        self, host: StubHost, portrait: Any, mode: str, middle: float, border: float
    ) -> None:
        stages = Stages(host, portrait, "lite")
        crops = stages.crops(stages.stitch(stages.motion()))
        (mask,) = host.call("DittoBlendMask", crops=crops, on="crop", mode=mode, alpha=0.3, count=1)
        height, width = mask.shape[1:]
        assert mask[0, height // 2, width // 2] == pytest.approx(middle)
        assert mask[0, 0, 0] == pytest.approx(border)

    def test_a_published_custom_blend(self, host: StubHost, portrait: Any) -> None:
        stages = Stages(host, portrait, "lite")
        crops = stages.crops(stages.stitch(stages.motion()))
        given = {"on": "crop", "mode": "custom", "alpha": 0.3, "custom_formula": "published", "count": 1}
        (mask,) = host.call("DittoBlendMask", crops=crops, **given)
        assert mask[0, 0, 0] == pytest.approx(0.7)

    def test_keypoints_are_drawn_where_they_go(self, host: StubHost, portrait: Any) -> None:
        stages = Stages(host, portrait, "lite", 1.0)
        motion = stages.motion()
        loud = replace(motion, values=torch.zeros_like(motion.values))
        loud.values[-1, 0] = 2.0
        keypoints = stages.stitch(loud)
        (images,) = host.call("DittoKeypointsToImages", keypoints=keypoints)
        side = stages.avatar.crop_size
        assert images.shape == (25, side, side, 3)
        assert torch.equal(images[0], images[1])
        rows, columns = (images[0] != images[-1]).any(dim=-1).nonzero().unbind(1)
        assert rows.min() > side * 0.4  # the jaw moved, the eyes did not
        assert side * 0.2 < columns.float().mean() < side * 0.8


class TestDitto:
    def test_auto_takes_ditto_when_it_is_installed_and_runs_again_then(
        self, host: StubHost, request: pytest.FixtureRequest
    ) -> None:
        nodes = [host.nodes[name] for name in ("DittoLoadEngine", "DittoTalkingHead")]
        before = [node.fingerprint_inputs(engine="auto") for node in nodes]
        assert before == [node.fingerprint_inputs(engine="auto") for node in nodes]
        folder = request.getfixturevalue("ditto")
        after = [node.fingerprint_inputs(engine="auto") for node in nodes]
        assert all(a != b for a, b in zip(before, after, strict=True))
        assert nodes[0].fingerprint_inputs(engine="lite") == "lite"
        host.call("DittoLoadEngine", engine="auto")
        assert "Engine: Ditto" in host.shown["text"][0]
        (folder / "ditto_pytorch/models/decoder.pth").unlink()
        assert nodes[0].fingerprint_inputs(engine="auto") != after[0]

    def test_controls_reach_it(self, host: StubHost, portrait: Any, ditto: Path) -> None:
        stages = Stages(host, portrait, "ditto")
        fast = {"sampling_timesteps": 2}
        (happy,) = host.call("DittoEmotion", emotion="happy")
        plain = stages.motion(**fast)
        assert not torch.equal(stages.motion(**fast, controls=happy).values, plain.values)
        assert torch.equal(
            stages.motion(**fast, emo="3 happy").values, stages.motion(**fast, controls=happy).values
        )
        (turned,) = host.call("DittoHeadPose", yaw="0: 0, 9: 20")
        (gaze,) = host.call("DittoEyes", gaze_x="20")
        still, turning, looking = (
            stages.stitch(plain, **given).driving[:]
            for given in ({}, {"controls": turned}, {"controls": gaze})
        )
        assert torch.equal(still[0], turning[0])
        assert (still[9] - turning[9]).abs().max() > 0.01
        assert not torch.equal(still[5], looking[5])

    def test_mixed_motion_keeps_its_blinks(self, host: StubHost, portrait: Any, ditto: Path) -> None:
        stages = Stages(host, portrait, "ditto")
        (often,) = host.call("DittoBlinks", per_minute=60.0)
        motion = stages.motion(sampling_timesteps=2, controls=often)
        (latent,) = host.call("DittoMotionToTensor", motion=motion)
        (back,) = host.call("DittoMotionFromTensor", tensor=latent, like=motion)
        assert latent["samples"].shape == (1, 265, 1, 10)
        assert torch.equal(stages.stitch(back).driving[:], stages.stitch(motion).driving[:])

    def test_keypoints_lie_on_the_crop(self, host: StubHost, portrait: Any, ditto: Path) -> None:
        stages = Stages(host, portrait, "ditto")
        keypoints = stages.stitch(stages.motion(sampling_timesteps=2))
        (images,) = host.call("DittoKeypointsToImages", keypoints=keypoints, count=1)
        yellow = (images[0] - torch.tensor([255, 196, 60]) / 255).abs().amax(-1) < 0.15
        points = (keypoints.driving[0][:, :2] + 1) * (stages.avatar.crop_size / 2)
        inside = points[((points > 8) & (points < stages.avatar.crop_size - 8)).all(dim=1)]
        for x, y in inside.long().tolist():
            assert yellow[y, x]
