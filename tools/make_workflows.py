"""Writes workflows/*.json for the scripts and examples of Ditto's documents, from their commands.

    python tools/make_workflows.py

A command is read as on the command line (`ditto_core/scripts.py`), and what it sets becomes the widgets'
values; `tests/test_workflows.py` compares both. `quick_start.json`, `stages.json` and
`restore_faces.json` are made by hand.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tools")]

from helpers.stub_host import StubHost  # noqa: E402
from workflow_graph import Graph, Node, lay_out  # noqa: E402

from ditto_core.emotion import EMOTIONS  # noqa: E402
from ditto_core.flags import BY_NAME, add_flag, typed_flags  # noqa: E402
from ditto_core.scripts import SCRIPTS, Script  # noqa: E402
from ditto_core.talking_head import TalkOptions  # noqa: E402

PERSON, MOTION, RENDERING = "#88A", "#3f789e", "#8A8"

VIDEO = "--source_video avatar.mp4 --audio speech.wav --output result.mp4"
IMAGE = "--source_path portrait.jpg --audio_path speech.wav --output_path result.mp4"

CONTROLS = "controls.json"


def superres_files(*sets: str) -> str:
    """When super-resolution changes anything, and how its files are got where ComfyUI is installed."""
    named = " and then ".join(f"`{name}`" for name in sets)
    return (
        "Lite renders in the frame's own pixels: with it only *when* `always` changes anything. The files "
        f"come with the node **Ditto Download**: *files* {named}, *download* switched on. Or, in ComfyUI's "
        f"folder: `python custom_nodes/ComfyUI-Ditto/install.py {' '.join(sets)}`"
    )


@dataclass(frozen=True)
class Example:
    """A command of the documents as a workflow.

    command: as documented, with our name of the script. says: what it is for. clips, recordings: how many it
    goes through. ctrl_info: controls of single frames.
    """

    title: str
    command: str
    says: str
    clips: int = 1
    recordings: int = 1
    ctrl_info: Mapping[int, Mapping[str, float]] = field(default_factory=dict[int, Mapping[str, float]])

    @property
    def script(self) -> Script:
        return SCRIPTS[self.command.split()[0]]

    @property
    def takes_video(self) -> bool:
        return "source_video" in self.script.files

    @property
    def options(self) -> TalkOptions:
        """What the command sets, single frames aside."""
        script = self.script
        parser = argparse.ArgumentParser()
        for name in (*script.files, "data_root", "cfg_pkl"):
            parser.add_argument(f"--{name}")
        for flag in BY_NAME.values():
            add_flag(parser, flag, flag.default)
        words = [word for word in shlex.split(self.command)[1:] if word not in ("--ctrl_info", CONTROLS)]
        return script.options(typed_flags(parser.parse_args(words)))


EXAMPLES: dict[str, Example] = {
    "inference": Example(
        "A portrait speaks",
        f"inference {IMAGE}",
        "Ditto's own script: one picture, one recording. Head, eyes and mouth move.",
    ),
    "inference_video": Example(
        "A video of a person speaks",
        f"inference_video {VIDEO}",
        "The person keeps head motion and blinks of the video; only the mouth follows the speech. A video "
        "shorter than the speech plays there and back again.",
    ),
    "inference_video_high_quality": Example(
        "High quality",
        f"inference_video {VIDEO} --sampling_timesteps 75 --overlap_v2 15 --smo_k_d 5",
        "More steps and smoother joints; slower.",
    ),
    "inference_video_fast_preview": Example(
        "Fast preview",
        f"inference_video {VIDEO} --sampling_timesteps 25 --overlap_v2 5 --max_size 512",
        "Fewer steps and a smaller picture.",
    ),
    "inference_video_fades": Example(
        "Fade in and out",
        f"inference_video {VIDEO} --fade_in 25 --fade_out 25",
        "The motion comes from rest within the first second and returns to it in the last one: 25 frames at "
        "25 a second.",
    ),
    "inference_video_emotion": Example(
        "Another emotion",
        f"inference_video {VIDEO} --emo 6",
        "The documents call number 6 happy; it is *surprise*, and happy is 3.",
    ),
    "inference_video_first_100_frames": Example(
        "The first 100 frames only",
        f"inference_video {VIDEO} --template_n_frames 100",
        "Uses the beginning of a long video, again and again.",
    ),
    "inference_video_original_eyes": Example(
        "The video's own eyes",
        f"inference_video {VIDEO} --drive_eye false",
        "Eyes and blinks stay those of the video. For a video *auto* means the same.",
    ),
    "inference_video_expressive": Example(
        "Expressive",
        f"inference_video {VIDEO} --sampling_timesteps 50 --overlap_v2 10 --smo_k_d 2 --emo 6",
        "Less smoothing, and an emotion. The documents call number 6 happy; it is *surprise*.",
    ),
    "inference_video_stable": Example(
        "Stable",
        f"inference_video {VIDEO} --sampling_timesteps 50 --overlap_v2 15 --smo_k_d 5 --smo_k_s 15",
        "More smoothing, for a restless video.",
    ),
    "inference_video_preserve_motion": Example(
        "Preserve the video's motion",
        f"inference_video_preserve_motion {VIDEO} --motion_frames 100",
        "The expression is taken from the first 100 frames, which should be neutral; picture, head and eyes "
        "from all frames. With Lite every video keeps its motion.",
    ),
    "inference_video_blend_control": Example(
        "Blend mode: blend",
        f"inference_video_blend_control {VIDEO}",
        "The render in the middle of the face, the original at the border of the crop.",
    ),
    "inference_video_blend_control_strong": Example(
        "Blend mode: strong",
        f"inference_video_blend_control {VIDEO} --blend_mode strong",
        "The render in the middle, half of it still at the border, which can be seen.",
    ),
    "inference_video_blend_control_replace": Example(
        "Blend mode: replace",
        f"inference_video_blend_control {VIDEO} --blend_mode replace",
        "The render everywhere in the crop, up to its hard edge.",
    ),
    "inference_video_blend_control_weak": Example(
        "Blend mode: weak",
        f"inference_video_blend_control {VIDEO} --blend_mode weak",
        "Render and original half and half: a subtle lip sync.",
    ),
    "inference_video_blend_control_custom": Example(
        "Blend mode: custom",
        f"inference_video_blend_control {VIDEO} --blend_mode custom --blend_alpha 0.7",
        "70 % of the render in the middle of the face. *custom_formula* `published` blends as the published "
        "code does.",
    ),
    "inference_video_advanced": Example(
        "Preserved motion and blending together",
        f"inference_video_advanced {VIDEO} --motion_frames 100 --blend_mode strong",
        "`inference_video_preserve_motion` and `inference_video_blend_control` in one.",
    ),
    "smiling_avatar_a": Example(
        "A smiling avatar, option A: neutral frames only",
        f"inference_video {VIDEO} --template_n_frames 100",
        "Where the video begins with a neutral face, use that part alone.",
    ),
    "smiling_avatar_b": Example(
        "A smiling avatar, option B: strong blending",
        f"inference_video_blend_control {VIDEO} --blend_mode strong",
        "Where it smiles throughout, show more of the render.",
    ),
    "maximum_quality": Example(
        "Maximum quality",
        f"inference_video_blend_control --data_root ./checkpoints/ditto_trt_Ampere_Plus "
        f"--cfg_pkl ./checkpoints/ditto_cfg/v0.4_hubert_cfg_trt.pkl {VIDEO} --sampling_timesteps 75 "
        "--overlap_v2 15 --blend_mode blend",
        "For TensorRT choose *runner* tensorrt on Ditto Load Engine, with engines built for your GPU.",
    ),
    "superres_gfpgan": Example(
        "Super-resolution: GFPGAN",
        f"inference_video {VIDEO} --superres GFPGAN",
        f"Restores the rendered face where the frame has more pixels for it. {superres_files('superres')}.",
    ),
    "superres_codeformer": Example(
        "Super-resolution: CodeFormer",
        f"inference_video {VIDEO} --superres CodeFormer --superres_fidelity 0.7",
        "*fidelity* 0 paints the finest face, 1 keeps closest to the rendered one. CodeFormer's licence "
        f"allows non-commercial use only. {superres_files('codeformer')}.",
    ),
    "superres_restoreformer": Example(
        "Super-resolution: RestoreFormer",
        f"inference_video {VIDEO} --superres RestoreFormer",
        f"Another face restorer. {superres_files('superres')}.",
    ),
    "superres_both": Example(
        "Super-resolution: both",
        f"inference_video {VIDEO} --superres both",
        "GFPGAN, then CodeFormer on its result. CodeFormer's licence allows non-commercial use only. "
        f"{superres_files('superres', 'codeformer')}.",
    ),
    "batch_videos": Example(
        "Several videos, one recording",
        f"inference_video {VIDEO}",
        "Each row is one video. More of them: copy a row.",
        clips=3,
    ),
    "batch_audios": Example(
        "One video, several recordings",
        f"inference_video {VIDEO}",
        "Each row is one recording; the video is registered once. More of them: copy a row.",
        recordings=3,
    ),
    "frame_level_control": Example(
        "Control of single frames",
        f"inference {IMAGE} --ctrl_info {CONTROLS}",
        "*ctrl_info* in the node **Frame Control** says what changes in which frame: here frame 0 rests, "
        "and in frame 100 the head turns by a tenth of a degree, too little to be seen: try 5.",
        ctrl_info={
            0: {"fade_alpha": 0.0},
            25: {"fade_alpha": 1.0},
            100: {"delta_pitch": 0.1, "delta_yaw": -0.05},
        },
    ),
}
"""The workflows by the name of their file."""

NODES = {
    "avatar": "DittoLoadAvatar",
    "motion": "DittoLMDMSample",
    "stitch": "DittoMotionStitch",
    "blend": "DittoPutBackBlend",
    "superres": "DittoSuperRes",
    "video": "DittoFramesToVideo",
}
"""The node whose widgets hold a part of `TalkOptions`, under the options' names."""

DRIVE_EYE = {None: "auto", True: "on", False: "off"}


def widgets(options: TalkOptions, part: str) -> dict[str, Any]:
    """The options of one part that are not the defaults, as the node's widgets show them."""
    plain, wanted = getattr(TalkOptions(), part), getattr(options, part)
    changed = {option.name: getattr(wanted, option.name) for option in fields(wanted)}
    shown = {name: value for name, value in changed.items() if value != getattr(plain, name)}
    if "drive_eye" in shown:
        shown["drive_eye"] = DRIVE_EYE[shown["drive_eye"]]
    if "emo" in shown:
        shown["emo"] = f"{shown['emo']} {EMOTIONS[shown['emo']]}"
    return shown


@dataclass(frozen=True)
class Row:
    """The nodes that make one video, in columns from left to right."""

    avatar: Node
    speech: Node
    person: list[list[Node]]
    motion: list[list[Node]]
    rendering: list[list[Node]]
    video: list[list[Node]]

    @property
    def columns(self) -> list[list[Node]]:
        return [*self.person, *self.motion, *self.rendering, *self.video]


class Builder:
    """Puts the nodes of an example into a graph, one row for each video."""

    def __init__(self, example: Example, host: StubHost) -> None:
        self.example = example
        self.graph = Graph(host)
        self.note = self.graph.note(read_me(example))
        self.speaker = self.graph.add("DittoExample")
        self.engine = self.graph.add("DittoLoadEngine")
        self.values = {part: widgets(example.options, part) for part in NODES}

    def row(self, number: int, prefix: str, first: Row | None) -> Row:
        """The nodes of a video; it shares with the first row what the example has only one of."""
        if first and number >= self.example.clips:
            person, avatar = [[], []], first.avatar
        else:
            person, avatar = self.person(number)
        if first and number >= self.example.recordings:
            listening, speech = [], first.speech
        else:
            listening, speech = self.listening(number)
        sampling, stitching, keypoints = self.motion(avatar, speech)
        volumes = self.graph.add("DittoWarp3D", keypoints=keypoints.output("keypoints"))
        crops = self.graph.add("DittoDecode", volumes=volumes.output("volumes"))
        frames = self.graph.add("DittoPutBackBlend", crops=crops.output("crops"), **self.values["blend"])
        rendering = [volumes, crops, frames]
        if self.values["superres"]:
            given = {"frames": frames.output("frames"), **self.values["superres"]}
            rendering.append(frames := self.graph.add("DittoSuperRes", **given))
        video = self.graph.add("DittoFramesToVideo", frames=frames.output("frames"), **self.values["video"])
        save = self.graph.add("SaveVideo", video=video.output("video"), filename_prefix=prefix)
        motion = [[*listening, sampling], stitching]
        return Row(avatar, speech, person, motion, [rendering], [[video], [save]])

    def person(self, number: int) -> tuple[list[list[Node]], Node]:
        """The source and its registration.

        There is no video to ship, so a script for videos gets one that Lite makes of the portrait: it moves
        and blinks, its mouth shut.
        """
        clip: list[Node] = []
        source = self.speaker.output("portrait")
        if self.example.takes_video:
            clip.append(
                self.graph.add(
                    "DittoTalkingHead",
                    title="Example video (put Load Video here)",
                    source=source,
                    audio=self.speaker.output("speech"),
                    engine="lite",
                    seed=number,
                    max_size=512,
                    mouth_amount=0.0,
                )
            )
            source = clip[0].output("video")
        engine = self.engine.output("engine")
        avatar = self.graph.add("DittoLoadAvatar", engine=engine, source=source, **self.values["avatar"])
        return [clip, [avatar]], avatar

    def listening(self, number: int) -> tuple[list[Node], Node]:
        """A recording, if there are several, and its features."""
        own: list[Node] = []
        if self.example.recordings > 1:
            own.append(self.graph.add("DittoExample", title=f"Recording {number + 1} (put Load Audio here)"))
        sound = (own or [self.speaker])[0].output("speech")
        speech = self.graph.add("DittoWav2Feat", engine=self.engine.output("engine"), audio=sound)
        return [*own, speech], speech

    def motion(self, avatar: Node, speech: Node) -> tuple[Node, list[Node], Node]:
        """Sampling, the column of stitching, and stitching itself."""
        person = avatar.output("avatar")
        sampling = self.graph.add(
            "DittoLMDMSample", avatar=person, speech=speech.output("speech"), **self.values["motion"]
        )
        given = dict(self.values["stitch"])
        above: list[Node] = []
        if self.example.ctrl_info:
            text = json.dumps(dict(self.example.ctrl_info), indent=1)
            above.append(self.graph.add("DittoFrameControl", ctrl_info=text))
            given["controls"] = above[0].output("controls")
        motion = sampling.output("motion")
        stitching = self.graph.add("DittoMotionStitch", avatar=person, motion=motion, **given)
        return sampling, [*above, stitching], stitching


def workflow(example: Example, name: str, host: StubHost) -> dict[str, Any]:
    """The workflow of an example as the front end saves it."""
    builder = Builder(example, host)
    count = max(example.clips, example.recordings)
    rows: list[Row] = []
    for number in range(count):
        prefix = f"video/ditto_{name}" + (f"_{number + 1}" if count > 1 else "")
        rows.append(builder.row(number, prefix, rows[0] if rows else None))
    common = [builder.note, builder.speaker, builder.engine]
    lay_out([[common if row is rows[0] else [], *row.columns] for row in rows])
    for title, colour, columns in (
        ("Person", PERSON, [common, *(nodes for row in rows for nodes in row.person)]),
        ("Motion", MOTION, [nodes for row in rows for nodes in row.motion]),
        ("Rendering", RENDERING, [nodes for row in rows for nodes in row.rendering]),
        ("Video", RENDERING, [nodes for row in rows for nodes in row.video]),
    ):
        builder.graph.group(title, [node for nodes in columns for node in nodes], colour)
    return builder.graph.saved()


def read_me(example: Example) -> str:
    """What the workflow is for, the command it stands for, and what to replace."""
    command = example.command.replace(" --", " \\\n        --")
    own = "For your own, put **Load Image** and **Load Audio** in place of the example"
    if example.takes_video:
        own = (
            "The example video is the portrait, moved by Lite. For your own, put **Load Video** in its place "
            "and **Load Audio** in place of the example's speech"
        )
    return (
        f"## {example.title}\n\n{example.says}\n\nThe same as\n\n"
        f"    python -m ditto_core {command}\n\n{own}.\n\n"
        "*engine* `auto` takes Ditto when its checkpoints are installed, otherwise Lite. Tooltips say what "
        "is of use with Ditto only."
    )


def main() -> None:
    """Write the workflows."""
    with tempfile.TemporaryDirectory() as folder:
        host = StubHost(Path(folder))
        for name, example in EXAMPLES.items():
            path = ROOT / "workflows" / f"{name}.json"
            path.write_text(as_text(workflow(example, name, host)), encoding="utf-8")
        host.close()
    print(f"{len(EXAMPLES)} workflows in {ROOT / 'workflows'}")


def as_text(graph: dict[str, Any]) -> str:
    """A workflow as it is stored: a node, a link, a group a line."""
    parts: list[str] = []
    for key, value in graph.items():
        lines = [json.dumps(entry) for entry in value] if isinstance(value, list) else []
        shown = "[\n" + ",\n".join(lines) + "\n]" if lines else json.dumps(value)
        parts.append(f"{json.dumps(key)}: {shown}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    main()
