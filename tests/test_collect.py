"""Lazy pictures gathered into a tensor, and clips in memory brought to another rate."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ditto_core.data import Source
from ditto_core.errors import InputError, Interrupted
from ditto_core.host import Host
from ditto_core.media.collect import collect_images, collect_masks, part_of
from ditto_core.media.retime import retimed
from ditto_core.sequences import TensorSequence


def numbered(count: int) -> TensorSequence:
    """Frames of 4 x 6 whose pixels are their number."""
    return TensorSequence(torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 4, 6, 3))


class Watching(Host):
    def __init__(self, stop_at: int | None = None) -> None:
        self.seen: list[tuple[int, int]] = []
        self.stop_at = stop_at

    def progress(self, stage: str, done: int, total: int, preview: torch.Tensor | None = None) -> None:
        self.seen.append((done, total))

    def check_interrupted(self) -> None:
        if len(self.seen) == self.stop_at:
            raise Interrupted("stopped")


class TestCollect:
    def test_all_pixels_arrive_in_0_to_1(self) -> None:
        images = collect_images(numbered(20), Host())
        assert images.dtype == torch.float32
        assert torch.equal((images * 255).round().byte(), numbered(20).values)

    def test_progress_is_reported_per_batch(self) -> None:
        host = Watching()
        collect_images(numbered(20), host)
        assert host.seen == [(8, 20), (16, 20), (20, 20)]

    def test_it_can_be_interrupted_between_batches(self) -> None:
        host = Watching(stop_at=1)
        with pytest.raises(Interrupted):
            collect_images(numbered(20), host)
        assert host.seen == [(8, 20)]

    def test_what_does_not_fit_is_refused_before_anything_is_rendered(self) -> None:
        host = Watching()
        with pytest.raises(InputError, match="20 images of 6x4"):
            collect_images(numbered(20), host, free_memory=20 * 4 * 6 * 3 * 4 - 1)
        assert host.seen == []
        assert len(collect_images(numbered(20), host, free_memory=20 * 4 * 6 * 3 * 4)) == 20


class TestPart:
    @pytest.mark.parametrize(
        ("start", "count", "numbers"), [(0, -1, (0, 10)), (7, -1, (7, 10)), (2, 3, (2, 5))]
    )
    def test_takes_the_frames_asked_for(self, start: int, count: int, numbers: tuple[int, int]) -> None:
        part = part_of(numbered(10), start, count)
        assert part[:][:, 0, 0, 0].tolist() == list(range(*numbers))

    @pytest.mark.parametrize(
        ("start", "count", "asked"),
        [
            (12, -1, "All frames from number 12"),
            (0, 0, "0 frames"),
            (8, 3, "3 frames"),
            (11, 1, "1 frames"),
        ],
    )
    def test_refuses_frames_that_are_not_there(self, start: int, count: int, asked: str) -> None:
        with pytest.raises(InputError, match=f"^{asked}.* there are 10"):
            part_of(numbered(10), start, count)


class TestRetime:
    @pytest.mark.parametrize(
        ("fps", "shown"),
        [
            (25, [0, 1, 2, 3, 4, 5]),
            (50, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]),
            (Fraction(25, 2), [1, 3, 5]),
            (1, [5]),
        ],
    )
    def test_frame_i_is_what_is_on_at_its_middle(self, fps: Fraction, shown: list[int]) -> None:
        result = retimed(Source(numbered(6), Fraction(25)), Fraction(fps))
        assert result.frames[:][:, 0, 0, 0].tolist() == shown
        assert result.fps == fps

    def test_a_picture_stays_a_picture(self) -> None:
        picture = Source(numbered(1), None)
        assert retimed(picture, Fraction(25)) is picture

    @given(st.integers(1, 40), st.integers(1, 60), st.integers(1, 60))
    def test_the_duration_is_kept_within_half_a_frame(self, count: int, rate: int, fps: int) -> None:
        result = retimed(Source(numbered(count), Fraction(rate)), Fraction(fps))
        assert len(result.frames) == 1 or abs(
            Fraction(len(result.frames), fps) - Fraction(count, rate)
        ) <= Fraction(1, 2 * fps)
        shown = result.frames[:][:, 0, 0, 0].tolist()
        assert shown == sorted(shown)


class TestOtherKinds:
    def test_float_pictures_keep_what_lies_between_levels(self) -> None:
        frames = TensorSequence(torch.full((2, 4, 6, 3), 100.25))
        assert torch.equal(collect_images(frames, Host()), torch.full((2, 4, 6, 3), 100.25 / 255))

    def test_masks_are_shown_as_pictures_while_they_are_collected(self) -> None:
        shown: list[torch.Tensor] = []

        class Showing(Host):
            def progress(
                self, stage: str, done: int, total: int, preview: torch.Tensor | None = None
            ) -> None:
                assert preview is not None
                shown.append(preview)

        masks = torch.rand(3, 4, 6)
        assert torch.equal(collect_masks(TensorSequence(masks), Showing()), masks)
        assert (shown[-1].shape, shown[-1].dtype) == ((4, 6, 3), torch.uint8)

    def test_masks_that_do_not_fit(self) -> None:
        with pytest.raises(InputError, match="3 images of 6x4"):
            collect_masks(TensorSequence(torch.zeros(3, 4, 6)), Host(), free_memory=3 * 4 * 6 * 4 - 1)
