"""Super-resolution: the right faces, in the right place, only where it is asked for, without flicker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any, cast

import cv2
import numpy as np
import pytest
import torch
from helpers.golden import table
from helpers.hosts import Told
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from ditto_core.blend.put_back import put_back
from ditto_core.blend.restorers import Restorer
from ditto_core.blend.superres import EnhancedFrames, enhance, enhance_images
from ditto_core.blend.superres_faces import TEMPLATE, face_square
from ditto_core.blend.superres_files import KINDS
from ditto_core.blend.superres_plan import SuperResOptions, listed, plan, shortfall
from ditto_core.data import Frames, RenderedRegion
from ditto_core.demo import PORTRAIT
from ditto_core.errors import InputError, Interrupted
from ditto_core.host import Host
from ditto_core.sequences import ComputedSequence, LazySequence, TensorSequence

FPS = Fraction(25)


class Fake:
    """A restorer that does what it is told to faces (B, 3, S, S) in 0..1."""

    device = torch.device("cpu")

    def __init__(self, work: Callable[[Tensor], Tensor], kind: str = "GFPGAN", scale: int = 1) -> None:
        self.work = work
        self.kind = kind
        self.scale = scale
        self.fidelities: list[float] = []
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, faces: Tensor, fidelity: float = 0.5) -> Tensor:
        self.fidelities.append(fidelity)
        self.shapes.append(tuple(faces.shape))
        return self.work(faces).clamp(0, 1)


def keep(faces: Tensor) -> Tensor:
    return faces


def redder(faces: Tensor) -> Tensor:
    return faces + torch.tensor([0.2, 0.0, 0.0])[:, None, None]


def portrait(side: int = 512) -> np.ndarray:
    with Image.open(PORTRAIT) as picture:
        return np.array(picture.convert("RGB").resize((side, side)))


def clip(*pictures: np.ndarray, rendered: RenderedRegion | None = None) -> Frames:
    return Frames(TensorSequence(torch.from_numpy(np.stack(pictures))), FPS, None, rendered)


def rendered(side: int, scale: float, count: int = 1, x: float = 0.0, y: float = 0.0) -> RenderedRegion:
    """A square crop of `side` pixels, `scale` pixels of the frame each, at (x, y) in all frames."""
    matrix = torch.tensor([[scale, 0, x], [0, scale, y], [0, 0, 1]])
    return RenderedRegion(
        torch.ones(side, side), matrix.expand(count, 3, 3), torch.ones(count, dtype=torch.bool)
    )


def run(
    frames: Frames, work: Callable[[Tensor], Tensor] | Fake = redder, host: Host | None = None, **options: Any
) -> Tensor:
    restorer = cast(Restorer, work if isinstance(work, Fake) else Fake(work))
    chosen = SuperResOptions(**{"method": "GFPGAN", **options})
    return enhance(frames, lambda: [restorer], chosen, host or Host())[0].images[:]


def unopened() -> list[Restorer]:
    raise AssertionError("no network is needed")


def changed(result: Tensor, before: np.ndarray) -> np.ndarray:
    """Where a picture differs: (H, W) bool."""
    return (result.numpy() != before).any(axis=-1)


@pytest.mark.parametrize("case", table("latentsync/superres_decisions")["cases"])
def test_the_decisions_are_the_published_ones_at_one_factor(case: dict[str, Any]) -> None:
    factor = shortfall(tuple(case["sub_hw"]), tuple(case["ref_hw"]))
    methods = {name.lower(): kinds for name, kinds in KINDS.items()}
    kinds = methods.get(case["method"].lower(), ())
    called = [call[0] for call in case["calls"] if "." not in call[0]]
    assert [kind.lower() for kind in kinds if factor > 1] == called
    for call in case["calls"]:
        if call[0] == "gfpgan":
            assert call[2] == factor


@pytest.mark.parametrize(
    ("scale", "when", "enhanced"),
    [
        (1.0, "auto", False), (0.8, "auto", False), (1.001, "auto", False), (1.01, "auto", True),
        (2.0, "auto", True), (0.8, "always", True), (2.0, "never", False),
    ],
)  # fmt: skip
def test_a_rendered_face_counts_when_the_frame_has_more_pixels_for_it(
    scale: float, when: Any, enhanced: bool
) -> None:
    decided = plan(clip(portrait(64), rendered=rendered(256, scale)), SuperResOptions("GFPGAN", when=when))
    assert decided.frames.tolist() == [enhanced]
    if when != "never":
        assert "rendered with 256x256 pixels" in decided.report
        assert f"{round(256 * scale)}x{round(256 * scale)}" in decided.report


def test_the_report_names_the_frames_and_sizes() -> None:
    region = rendered(256, 2.0, 6)
    matrices = region.to_frame.clone()
    matrices[3, :2, :2] *= 0.4
    region = RenderedRegion(region.weight, matrices, torch.tensor([True] * 5 + [False]))
    decided = plan(clip(*[portrait(64)] * 6, rendered=region), SuperResOptions("both"))
    assert decided.frames.tolist() == [True, True, True, False, True, False]
    assert "(both) of 4 of 6 frames: 0-2, 4." in decided.report
    assert "in the frame 205x205 to 512x512, which lacks resolution." in decided.report
    forced = plan(clip(*[portrait(64)] * 6, rendered=region), SuperResOptions("both", when="always"))
    assert "5 of 6 frames: 0-4." in forced.report
    assert forced.report.endswith("and `always` is chosen.")
    assert listed([0, 1, 4, 6, 8, 10]) == "0-1, 4, 6, 8, …"


def test_nothing_to_do_gives_the_same_frames() -> None:
    frames = clip(portrait(64), rendered=rendered(256, 0.5))
    for options in (SuperResOptions(), SuperResOptions("GFPGAN"), SuperResOptions("GFPGAN", when="never")):
        assert enhance(frames, unopened, options, Host())[0] is frames


def test_the_networks_that_find_faces_are_in_the_hosts_care() -> None:
    host = Told()
    run(clip(portrait(64)), keep, host, when="always")
    assert host.managed == ["face_det", "face_mesh478"]


def test_a_restorer_that_changes_nothing_leaves_every_byte() -> None:
    for side in (200, 512, 1400):
        picture = portrait(side)
        assert not changed(run(clip(picture), keep, when="always")[0], picture).any()


def test_a_change_arrives_in_its_colour_on_the_face_and_fades_out() -> None:
    picture = np.full_like(portrait(), 0) + portrait() // 2
    difference = run(clip(picture), redder)[0].numpy().astype(int) - picture
    assert difference[..., 1:].max() == difference[..., 1:].min() == 0
    face = face_square_of(picture)
    assert difference[round(face[1]), round(face[0]), 0] == 51
    edge = (
        np.abs(np.diff(difference[..., 0], axis=0)).max(),
        np.abs(np.diff(difference[..., 0], axis=1)).max(),
    )
    assert max(edge) < 51 / 8  # a border of a tenth of the square, no step
    outside = np.ones(picture.shape[:2], bool)
    x, y, half = (round(value) for value in (face[0], face[1], face[2] * 0.75))
    outside[max(0, y - half) : y + half, max(0, x - half) : x + half] = False
    assert not difference[outside].any()


def face_square_of(picture: np.ndarray) -> tuple[float, float, float]:
    from ditto_core.blend.superres_faces import five_points
    from ditto_core.face.find import FaceFinder

    (face,) = FaceFinder.default().find_all(picture, thorough=False)
    square = face_square(five_points(face.landmarks))
    return square.x, square.y, square.side


def test_strength_and_fidelity_reach_their_place() -> None:
    picture, restorer = portrait() // 2, Fake(redder)
    full = run(clip(picture), restorer, fidelity=0.8)[0].numpy().astype(int) - picture
    half = run(clip(picture), restorer, strength=0.5)[0].numpy().astype(int) - picture
    assert restorer.fidelities == [0.8, 0.5]
    assert full.max() == 51
    assert half.max() in (25, 26)


@given(
    x=st.floats(-400, 900), y=st.floats(-400, 900), side=st.floats(5, 3000), angle=st.floats(-3.1, 3.1)
)  # fmt: skip
def test_the_square_of_the_template_s_points_is_the_template_s(
    x: float, y: float, side: float, angle: float
) -> None:
    turn = side / 512 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (TEMPLATE - 256) @ turn.T + (x, y)
    square = face_square(points)
    assert (square.x, square.y, square.side) == pytest.approx((x, y, side), abs=1e-6 * (side + 900))
    assert np.cos(square.angle - angle) == pytest.approx(1)


def test_only_what_was_rendered_is_enhanced() -> None:
    picture = portrait() // 2
    x, y, side = face_square_of(picture)
    region = rendered(64, side / 2 / 64, x=x - side / 4, y=y - side / 4)
    result = run(clip(picture, rendered=region))[0]
    inside = np.zeros(picture.shape[:2], bool)
    inside[int(y - side / 4) : int(y + side / 4) + 2, int(x - side / 4) : int(x + side / 4) + 2] = True
    assert changed(result, picture)[inside].mean() > 0.9
    assert not changed(result, picture)[~inside].any()


def test_frames_without_a_rendered_face_stay() -> None:
    picture = portrait()
    region = rendered(256, 2.0, 2)
    region = RenderedRegion(region.weight, region.to_frame, torch.tensor([True, False]))
    result = run(clip(picture, picture, rendered=region))
    assert changed(result[0], picture).any()
    assert not changed(result[1], picture).any()


def test_several_faces_each_get_it() -> None:
    two = np.concatenate([portrait(400), portrait(400)[:, ::-1]], axis=1)
    change = changed(run(clip(two))[0], two)
    assert change[:, :400].any()
    assert change[:, 400:].any()


def test_a_face_at_the_border_is_restored_as_far_as_it_is_in_the_picture() -> None:
    picture = portrait()
    x, y, _ = face_square_of(picture)
    cut = np.ascontiguousarray(picture[max(0, round(y) - 70) :, round(x) - 75 :])
    result = run(clip(cut), when="always")[0]
    assert changed(result, cut)[:60, :60].mean() > 0.5


def test_a_picture_without_a_face_stays_and_is_told() -> None:
    nothing, host = np.full((256, 256, 3), 90, np.uint8), Told()
    result = run(clip(nothing, portrait(256), nothing), host=host)
    assert not changed(result[0], nothing).any()
    assert changed(result[1], portrait(256)).any()
    assert host.notices == ["Super-resolution left frames as they were: no face was found in 0, 2."]


def test_a_rendered_face_that_is_not_found_is_restored_where_it_is_in_the_frames_beside() -> None:
    seen, hidden, host = portrait() // 2, np.full((512, 512, 3), 90, np.uint8), Told()
    region = rendered(256, 2.0, 6)
    places = region.to_frame.clone()
    places[1:, :2, 2] += torch.tensor([5.0, 3.0])  # the crop moves on
    frames = clip(seen, *[hidden] * 5, rendered=replace(region, to_frame=places))
    result = run(frames, host=host, steadiness=0).numpy().astype(int) - frames.images[:].numpy()
    change = result[0, :-3, :-5, 0]
    assert change.max() == 51
    for bridged in (1, 2):
        assert np.abs(result[bridged, 3:, 5:, 0] - change).max() <= 1
    assert not result[3:].any()
    assert host.notices == ["Super-resolution left frames as they were: no face was found in 3-5."]


def test_faces_too_small_or_large_enough_stay_and_are_told() -> None:
    host = Told()
    run(clip(portrait(1700)), host=host)
    small = np.full((400, 400, 3), 120, np.uint8)
    small[:90, :90] = cv2.resize(portrait(), (90, 90), interpolation=cv2.INTER_AREA)
    result = run(clip(small), host=host)
    assert not changed(result[0], small).any()
    assert ["large enough in 0" in host.notices[0], "in 0" in host.notices[1]] == [True, True]
    assert "too small" in host.notices[1] or "no face" in host.notices[1]


def test_networks_work_one_after_the_other_on_the_same_face() -> None:
    picture = portrait() // 2
    first, second = Fake(redder), Fake(redder, "CodeFormer")
    options = SuperResOptions("both", fidelity=0.2)
    chain = cast(list[Restorer], [first, second])
    result = enhance(clip(picture), lambda: chain, options, Host())[0].images[0].numpy().astype(int)
    assert (result - picture).max() == 102
    assert first.shapes == second.shapes == [(1, 3, 512, 512)]


def test_an_upscaler_gets_the_face_as_large_as_it_was_rendered() -> None:
    picture = portrait()
    *_, side = face_square_of(picture)
    upscaler = Fake(lambda face: torch.nn.functional.interpolate(face, scale_factor=4), "upscaler", 4)
    run(clip(picture, rendered=rendered(256, 2.0)), upscaler, method="model", when="always")
    (shape,) = upscaler.shapes
    assert shape[2] == shape[3] == 64 * max(1, round(side / 2 / 64))


def noisy(count: int, seed: int = 0) -> list[np.ndarray]:
    """A still portrait with a camera's grain."""
    random, picture = np.random.default_rng(seed), portrait(256).astype(np.float32)
    return [
        np.clip(picture + random.normal(0, 1.5, picture.shape), 0, 255).astype(np.uint8) for _ in range(count)
    ]


def nervous() -> Fake:
    """A restorer that paints something else on every face."""
    random = torch.Generator().manual_seed(0)
    return Fake(lambda faces: faces + 0.1 * torch.randn(faces.shape, generator=random))


def flicker(result: Tensor) -> float:
    return result.float().diff(dim=0).abs().mean().item()


def test_steadiness_calms_what_keeps_still() -> None:
    frames = clip(*noisy(5))
    x, y, side = (round(value) for value in face_square_of(noisy(1)[0]))
    face = np.s_[:, y - side // 4 : y + side // 4, x - side // 4 : x + side // 4]
    without = flicker(run(frames, nervous(), steadiness=0)[face])
    grain = flicker(run(frames, keep)[face])
    with_it = flicker(run(frames, nervous(), steadiness=3)[face])
    assert grain < with_it < without
    assert with_it - grain < (without - grain) / 2


def test_steadiness_leaves_what_moves() -> None:
    """Frames that show something else do not lend their change."""
    bright, dark = portrait(256), portrait(256) // 2
    steps = iter([0.2, 0.0, 0.0])
    result = run(
        clip(bright // 2 + 60, dark, bright // 2 + 60), Fake(lambda f: f + next(steps)), steadiness=2
    )
    assert not changed(result[1], dark).any()


@pytest.mark.parametrize("region", [None, rendered(128, 2.0, 7)])
def test_batches_do_not_change_the_result_and_frames_are_restored_once(region: RenderedRegion | None) -> None:
    hidden = np.full((256, 256, 3), 90, np.uint8)
    frames, restorer = clip(hidden, *noisy(5), hidden, rendered=region), Fake(lambda faces: faces.flip(1))
    options = SuperResOptions("GFPGAN", steadiness=2)
    whole = run(frames, lambda faces: faces.flip(1), steadiness=2)
    lazy = enhance(frames, lambda: [cast(Restorer, restorer)], options, Host())[0].images
    assert torch.equal(torch.cat([lazy[start : start + 2] for start in range(0, 7, 2)]), whole)
    assert len(restorer.shapes) == (5 if region is None else 7)
    assert torch.equal(lazy[3], whole[3])
    assert torch.equal(lazy[0], whole[0])
    assert isinstance(lazy, EnhancedFrames)
    assert len(lazy._kept) <= 2 + 2 * options.steadiness


@pytest.mark.parametrize("region", [None, rendered(128, 2.0, 8)])
def test_the_source_is_read_forwards_and_once(region: RenderedRegion | None) -> None:
    read: list[int] = []
    pictures = TensorSequence(torch.from_numpy(np.stack(noisy(8))))

    def compute(start: int, stop: int) -> Tensor:
        read.extend(range(start, stop))
        return pictures[start:stop]

    source: LazySequence = ComputedSequence(compute, 8, pictures.shape, torch.uint8)
    frames = Frames(source, FPS, None, region)
    options = SuperResOptions("GFPGAN", steadiness=1)
    lazy = enhance(frames, lambda: [cast(Restorer, Fake(keep))], options, Host())[0].images
    for _ in lazy.batches(2):
        pass
    assert read == list(range(8))


def test_an_interrupt_stops_before_the_next_face() -> None:
    host, restorer = Told(), Fake(redder)

    def work(faces: Tensor) -> Tensor:
        host.interrupted = True
        return faces

    restorer.work = work
    with pytest.raises(Interrupted):
        run(clip(*noisy(2)), restorer, host)
    assert len(restorer.shapes) == 1


def test_images_keep_their_finer_values_where_nothing_changes() -> None:
    images = torch.rand(2, 256, 256, 4, generator=torch.Generator().manual_seed(0)) / 300
    images[..., :3] += torch.from_numpy(portrait(256)) / 255 * 0.9
    restorer = cast(Restorer, Fake(redder))
    options = SuperResOptions("GFPGAN")
    result, report = enhance_images(images, lambda: [restorer], options, Host())
    assert result.shape == images.shape
    assert torch.equal(result[..., 3], images[..., 3])
    same = (result == images).all(dim=-1)
    assert 0.3 < same.float().mean() < 0.99
    assert (result - images)[..., 0].max().item() == pytest.approx(0.2, abs=0.005)
    assert "2 frames" in report

    host = Told()
    blank, told = enhance_images(torch.zeros(1, 64, 64, 3), lambda: [restorer], options, host)
    assert not blank.any()
    assert "no face was found in 0" in told
    assert host.notices == []  # the report says it


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"method": "ESRGAN"}, "super-resolution method is 'ESRGAN'"),
        ({"when": "sometimes"}, "super-resolution when is 'sometimes'"),
        ({"precision": "int8"}, "super-resolution precision is 'int8'"),
        ({"fidelity": 1.5}, "fidelity is 1.5"),
        ({"strength": -1}, "strength is -1"),
        ({"steadiness": 9}, "steadiness is 9"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        SuperResOptions(**options)


def test_put_back_says_where_it_rendered() -> None:
    from test_put_back import face_crops, moved, noise

    frame, face = noise(2, 40, 60, 3), noise(3, 10, 12, 3, seed=1)
    region = put_back(face_crops(frame, face, moved(7, 5, 2.0), source_index=[0, 1, 0])).rendered
    assert region is not None
    assert region.weight.shape == (10, 12)
    assert region.to_frame.shape == (3, 3, 3)
    assert region.to_frame[2].tolist() == [[2, 0, 7], [0, 2, 5], [0, 0, 1]]
    assert region.shown.all()
