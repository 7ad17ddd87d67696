"""Renders the pictures that ComfyUI's template browser shows for the workflows, and the README's moving one,
from the demo itself.

python tools/thumbnails.py
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tools")]

from make_workflows import EXAMPLES, Example  # noqa: E402

from ditto_core.blend.put_back import put_back  # noqa: E402
from ditto_core.blend.superres_faces import face_square, five_points  # noqa: E402
from ditto_core.data import Frames, Keypoints  # noqa: E402
from ditto_core.demo import PORTRAIT, SPEECH  # noqa: E402
from ditto_core.engines import load_engine  # noqa: E402
from ditto_core.face.crop import crop_faces  # noqa: E402
from ditto_core.face.find import FaceFinder  # noqa: E402
from ditto_core.face.preview import preview_face  # noqa: E402
from ditto_core.face.region import apply_affine  # noqa: E402
from ditto_core.host import Host  # noqa: E402
from ditto_core.media.images import read_image  # noqa: E402
from ditto_core.media.plot import plot_motion  # noqa: E402
from ditto_core.media.sound import read_audio  # noqa: E402
from ditto_core.media.source import as_source  # noqa: E402
from ditto_core.options import AvatarOptions, MotionOptions, StitchOptions  # noqa: E402
from ditto_core.talking_head import animate  # noqa: E402

TILE = 256
BAND = 60
"""Height of what stands under the pictures."""

DRAWN_BY = "pictures by Lite, the draft engine"

CLIP = slice(0, 24)
"""Frames of the video that stands for the user's."""

QUALITY = 80

HEAD = np.s_[:288, 84:372]
"""Where the README's picture shows the portrait."""

SHOWN_FRAMES, EVERY = 130, 2
"""How much of the demo it shows."""


def main() -> None:
    """Write a picture beside each workflow."""
    keypoints, frames = render_demo()
    faces = [face(keypoints, frames, moment) for moment in moments(keypoints)]
    landmarks = tile(preview_face(keypoints.avatar, 1)[0])
    save_moving(frames)
    plot = tile(plot_motion(keypoints.motion, 2 * TILE, TILE), 2 * TILE)
    save("quick_start", [[faces[0], faces[1]], [faces[2], faces[3]]])
    save("stages", [[landmarks, faces[1]], [plot]])
    save(
        "restore_faces",
        [[tile(square_around_the_face())], [band("Restore faces", "the square a restorer sees", TILE)]],
    )
    still, _ = render_demo(mouth_amount=0.0)
    clip = put_back(still.engine.decode(still.engine.warp(still))).images[CLIP]
    for number, (name, example) in enumerate(EXAMPLES.items()):
        shown = moments(keypoints)[1:]
        pictures = speaking(
            example, clip, [*shown[number % 3 :], *shown][: 1 + max(example.clips, example.recordings) // 2]
        )
        save(name, [pictures, [band(example.title, DRAWN_BY, TILE * len(pictures))]])


def render_demo(mouth_amount: float = 1.0) -> tuple[Keypoints, Frames]:
    """The demo's stages, up to frames that are rendered when they are read."""
    host, engine = Host(), load_engine("lite", Host())
    avatar = engine.register(
        as_source(read_image(PORTRAIT)), AvatarOptions(crop_scale=1.6, crop_do_rotate=False), host
    )
    speech = engine.encode_speech(read_audio(SPEECH), host)
    motion = engine.sample_motion(avatar, speech, MotionOptions(), host)
    keypoints = engine.stitch(avatar, motion, StitchOptions(mouth_amount=mouth_amount))
    return keypoints, put_back(engine.decode(engine.warp(keypoints)))


def speaking(example: Example, clip: torch.Tensor, shown: list[int]) -> list[Image.Image]:
    """The source's face, and its face in some frames of what the example makes."""
    host, engine = Host(), load_engine("lite", Host())
    options = example.options
    pixels, fps = (clip, options.motion.fps) if example.takes_video else (read_image(PORTRAIT), None)
    source = as_source(pixels, fps)
    avatar = engine.register(source, replace(options.avatar, crop_scale=1.6, crop_do_rotate=False), host)
    frames = animate(avatar, engine.encode_speech(read_audio(SPEECH), host), options, host)
    index = avatar.source_index(len(frames.images), options.motion.fps)
    numbers = [int(index[number]) for number in shown]
    crops = [(avatar.frames[numbers[0]], numbers[0])]
    crops += [(frames.images[number], at) for number, at in zip(shown, numbers, strict=True)]
    return [
        tile(crop_faces(as_source(picture).frames, avatar.crop_to_original[at : at + 1], avatar.crop_size)[0])
        for picture, at in crops
    ]


def square_around_the_face() -> torch.Tensor:
    """The portrait's upper half with the square that a face restorer sees."""
    picture = read_image(PORTRAIT)[:256, 96:352].numpy().copy()
    (face,) = FaceFinder.default().find_all(picture, thorough=False)
    square = face_square(five_points(face.landmarks))
    corners = apply_affine(square.to_picture(1), np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32))
    cv2.polylines(picture, [corners.round().astype(np.int32)], True, (120, 255, 200), 2, cv2.LINE_AA)
    return torch.from_numpy(picture)


def band(title: str, remark: str, width: int) -> Image.Image:
    """A title, and under it a remark on the pictures above."""
    picture = Image.new("RGB", (width, BAND), (24, 24, 28))
    draw = ImageDraw.Draw(picture)
    for text, size, grey, y in ((title, 20, 235, 20), (remark, 13, 150, 44)):
        font = ImageFont.load_default(size)
        draw.text((width // 2, y), text, fill=(grey, grey, grey), font=font, anchor="mm")
    return picture


def moments(keypoints: Keypoints) -> list[int]:
    """Frames that differ: mouth shut, most open, most rounded, most stretched."""
    motion = keypoints.motion
    opening, width = (motion.values[:, motion.channels.index(name)] for name in ("open", "wide"))
    awake = motion.values[:, motion.channels.index("blink_left")] < 0.1
    spoken = torch.where(awake & (opening > 0.3), 0.0, torch.inf)
    return [
        int(torch.where(awake, opening, torch.inf).argmin()),
        int(torch.where(awake, opening, -torch.inf).argmax()),
        int((width + spoken).argmin()),
        int((width - spoken).argmax()),
    ]


def face(keypoints: Keypoints, frames: Frames, number: int) -> Image.Image:
    """The face crop of one finished frame."""
    avatar = keypoints.avatar
    still = as_source(frames.images[number]).frames
    return tile(crop_faces(still, avatar.crop_to_original[:1], avatar.crop_size)[0])


def tile(pixels: torch.Tensor, width: int = TILE) -> Image.Image:
    return Image.fromarray(pixels.numpy()).resize((width, width * pixels.shape[0] // pixels.shape[1]))


def save_moving(frames: Frames) -> None:
    """Write the README's picture: the demo's beginning."""
    first, *others = (Image.fromarray(shown[HEAD]) for shown in frames.images[:SHOWN_FRAMES].numpy()[::EVERY])
    path = ROOT / "docs" / "demo.webp"
    milliseconds = round(1000 * EVERY / frames.fps)
    first.save(path, save_all=True, append_images=others, duration=milliseconds, loop=0, quality=60, method=6)
    print(f"{path}: {first.width} x {first.height}, {path.stat().st_size / 1000:.0f} kB")


def save(name: str, rows: list[list[Image.Image]]) -> None:
    width = sum(picture.width for picture in rows[0])
    sheet = Image.new("RGB", (width, sum(row[0].height for row in rows)))
    top = 0
    for row in rows:
        for column, picture in enumerate(row):
            sheet.paste(picture, (column * picture.width, top))
        top += row[0].height
    path = ROOT / "workflows" / f"{name}.jpg"
    sheet.save(path, quality=QUALITY)
    print(f"{path}: {sheet.width} x {sheet.height}, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
