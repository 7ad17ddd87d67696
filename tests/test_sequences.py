from __future__ import annotations

import threading
from fractions import Fraction

import pytest
import torch
from helpers.media import numbered_sequence, numbers_of
from hypothesis import given
from hypothesis import strategies as st

from ditto_core.errors import InputError
from ditto_core.sequences import (
    AheadSequence,
    ComputedSequence,
    GatheredSequence,
    RememberedSequence,
    TensorSequence,
    frames_in,
    mirror_index,
    shown_at,
)


def counted(length: int) -> tuple[ComputedSequence, list[tuple[int, int]]]:
    """0, 1, 2, … and a list of the ranges that were computed."""
    asked: list[tuple[int, int]] = []

    def compute(start: int, stop: int) -> torch.Tensor:
        asked.append((start, stop))
        return torch.arange(start, stop)

    return ComputedSequence(compute, length, (), torch.int64), asked


def test_nothing_is_computed_before_it_is_read() -> None:
    sequence, asked = counted(10)
    assert len(sequence) == 10
    assert sequence[2:2].shape == (0,)
    assert asked == []
    assert sequence[3:5].tolist() == [3, 4]
    assert asked == [(3, 5)]


def test_a_part_computes_only_its_own_items() -> None:
    sequence, asked = counted(10)
    part = sequence.part(3, 8)
    assert (len(part), part.shape, part.dtype) == (5, (), torch.int64)
    assert part[1:3].tolist() == [4, 5]
    assert part.part(2, 5)[:].tolist() == [5, 6, 7]
    assert asked == [(4, 6), (5, 8)]


def test_what_was_read_last_is_remembered() -> None:
    sequence, asked = counted(10)
    remembered = RememberedSequence(sequence)
    for start in (0, 4):
        for _ in range(2):
            assert remembered[start : start + 4].tolist() == list(range(start, start + 4))
    assert remembered[5].item() == 5
    assert asked == [(0, 4), (4, 8), (5, 6)]


def test_batches_cover_everything_once() -> None:
    sequence, asked = counted(10)
    assert [batch.tolist() for batch in sequence.batches(4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert asked == [(0, 4), (4, 8), (8, 10)]


@pytest.mark.parametrize(
    ("height", "width", "count"),
    [(64, 64, 8), (720, 720, 8), (1080, 1920, 3), (1920, 1920, 2), (9000, 9000, 1)],
)
def test_batches_of_large_pictures_are_small(height: int, width: int, count: int) -> None:
    shape = (height, width, 3)
    frames = ComputedSequence(lambda start, stop: torch.empty(stop - start), 20, shape, torch.uint8)
    assert frames.batch_size == count
    assert len(next(frames.batches())) == count


def test_indexing_like_a_list() -> None:
    sequence, _ = counted(10)
    assert int(sequence[-1]) == 9
    assert sequence[-3:].tolist() == [7, 8, 9]
    for outside in (10, -11):
        with pytest.raises(IndexError):
            sequence[outside]
    with pytest.raises(InputError, match="step 1"):
        sequence[::2]


def test_iteration_ends() -> None:
    sequence, _ = counted(3)
    assert [int(item) for item in sequence] == [0, 1, 2]  # type: ignore[attr-defined]


@given(length=st.integers(1, 30), index=st.lists(st.integers(0, 29), min_size=1, max_size=40), data=st.data())
def test_gathered_items_equal_direct_indexing(length: int, index: list[int], data: st.DataObject) -> None:
    values = torch.arange(length) * 7
    wanted = torch.tensor([i % length for i in index])
    gathered = GatheredSequence(TensorSequence(values), wanted)
    start = data.draw(st.integers(0, len(index) - 1))
    stop = data.draw(st.integers(start + 1, len(index)))
    assert gathered[start:stop].tolist() == values[wanted][start:stop].tolist()


def test_gathered_neighbours_are_fetched_together() -> None:
    source, asked = counted(100)
    gathered = GatheredSequence(source, mirror_index(200, 100))
    assert gathered[100:108].tolist() == list(range(99, 91, -1))
    assert asked == [(92, 100)]


def test_far_jumps_fetch_only_what_is_needed() -> None:
    source, asked = counted(1000)
    assert GatheredSequence(source, torch.tensor([0, 999]))[:].tolist() == [0, 999]
    assert sum(stop - start for start, stop in asked) == 2


@given(count=st.integers(1, 100), length=st.integers(1, 20))
def test_mirror_index_goes_there_and_back(count: int, length: int) -> None:
    there_and_back = [*range(length), *reversed(range(length))]
    assert mirror_index(count, length).tolist() == [there_and_back[i % (2 * length)] for i in range(count)]


def test_mirror_index_keeps_time_when_the_rates_differ() -> None:
    assert mirror_index(6, 10, Fraction(2)).tolist() == [1, 3, 5, 7, 9, 8]
    assert mirror_index(8, 3, Fraction(1, 2)).tolist() == [0, 0, 1, 1, 2, 2, 2, 2]
    assert mirror_index(5, 3, Fraction(1, 2), start=3).tolist() == [1, 2, 2, 2, 2]


def test_frames_count_that_have_their_middle_in_a_clip() -> None:
    seconds = [Fraction(number, 100) for number in (0, 1, 2, 3, 6, 7, 100)]
    assert [frames_in(each, Fraction(25)) for each in seconds] == [1, 1, 1, 1, 1, 2, 25]
    assert shown_at(torch.arange(4), Fraction(1, 2)).tolist() == [0, 0, 1, 1]
    assert shown_at(torch.arange(3), Fraction(2)).tolist() == [1, 3, 5]


def test_numbered_frames_can_be_told_apart() -> None:
    assert numbers_of(numbered_sequence(1000)[517:520]) == [517, 518, 519]


def test_the_next_batch_is_computed_while_one_is_used() -> None:
    began = threading.Event()

    def compute(start: int, stop: int) -> torch.Tensor:
        if start > 0:
            began.set()
        return torch.arange(start, stop)

    ahead = AheadSequence(ComputedSequence(compute, 10, (), torch.int64))
    assert ahead[0:4].tolist() == [0, 1, 2, 3]
    assert began.wait(10)  # before anybody asked for it
    assert ahead[4:8].tolist() == [4, 5, 6, 7]
    assert ahead[8:10].tolist() == [8, 9]


@pytest.mark.parametrize("reads", [[(0, 3), (3, 6), (6, 7)], [(0, 2), (5, 7), (0, 1), (1, 2)], [(4, 7)]])
def test_reading_ahead_gives_the_same_in_any_order(reads: list[tuple[int, int]]) -> None:
    ahead = AheadSequence(counted(7)[0])
    for start, stop in reads:
        assert ahead[start:stop].tolist() == list(range(start, stop))


def test_reading_forwards_computes_each_item_once() -> None:
    source, asked = counted(10)
    assert torch.cat(list(AheadSequence(source).batches(4))).tolist() == list(range(10))
    assert asked == [(0, 4), (4, 8), (8, 10)]


def test_an_error_ahead_is_raised_where_it_is_read() -> None:
    def compute(start: int, stop: int) -> torch.Tensor:
        if start >= 4:
            raise InputError("item 4 cannot be computed")
        return torch.arange(start, stop)

    ahead = AheadSequence(ComputedSequence(compute, 10, (), torch.int64))
    assert ahead[0:4].tolist() == [0, 1, 2, 3]
    with pytest.raises(InputError, match="item 4"):
        ahead[4:8]
