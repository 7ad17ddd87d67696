"""Emotions, eyes and the condition against the recorded ones."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from helpers.golden import Golden, assert_relative
from helpers.seeded_weights import seeded_input
from torch import Tensor

from ditto_core.ditto.condition import (
    Character,
    Conditioner,
    ConditionParts,
    EyeAttributes,
    eye_attributes,
)
from ditto_core.ditto.motion import WIDTHS, MotionInfo
from ditto_core.emotion import EMOTIONS, emotion_schedule, emotion_table
from ditto_core.errors import InputError

RECORDED = Golden("ditto/condition")
SPEECH = seeded_input("cond/aud", (100, 1024))
STILL = MotionInfo(*(torch.zeros(1, width) for width in WIDTHS.values()))
PARTS = {"use_emo": "emotion", "use_eye_open": "openness", "use_eye_ball": "gaze", "use_sc": "shape"}


def emotion(value: Any) -> Any:
    return RECORDED["in.emo_arr"] if value == "ARR" else value


def conditioner(case: dict[str, Any]) -> Conditioner:
    source = "in.ch" if case.get("ch") else "in"
    eyes = EyeAttributes(
        *(RECORDED[f"{source}.{name}"][: case["n_src"]] for name in ("eye_open", "eye_ball"))
    )
    parts = ConditionParts(**({PARTS[case["off"]]: False} if "off" in case else {}))
    return Conditioner(
        Character(RECORDED[f"{source}.sc"], eyes, STILL),
        emotion_table(emotion(case["emo"])),
        parts,
        case.get("eye_f0_mode", False),
    )


@pytest.mark.parametrize("name", RECORDED.info("cases"))
def test_the_condition_of_a_window(name: str):
    case = RECORDED.info("cases")[name]
    speech = SPEECH[: case["n"]]
    rows = conditioner(case).rows(speech, case["idx"], emotion(case.get("call_emo")))
    assert torch.equal(rows[:, :1024], speech)
    step = 5 if case["n"] > 40 else 1
    assert_relative(rows[::step, 1024:], RECORDED[f"out.{name}"])


@pytest.mark.parametrize("number", range(8))
def test_one_emotion_by_number_and_name(number: int):
    expected = RECORDED[f"out.emo{number}"][None]
    for choice in (number, np.int64(number), [number], EMOTIONS[number], EMOTIONS[number].title()):
        assert_relative(emotion_table(choice), expected)


def test_several_emotions_at_once():
    expected = RECORDED["out.emo_3_4_5"][None]
    for choice in ([3, 4, 5], ("happy", "neutral", "sad"), np.array([3, 4, 5]), ["happy", 4, np.int32(5)]):
        assert_relative(emotion_table(choice), expected)


def test_a_table_is_used_as_it_is():
    table = torch.rand(6, 8)
    assert torch.equal(emotion_table(table), table)
    assert torch.equal(emotion_table(table.numpy().astype(np.float64)), table)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (8, "number 8"),
        (-1, "number -1"),
        (2.5, "whole number"),
        ("joy", "'joy'"),
        ([], "empty"),
        ([[3], []], "without any class"),
        (torch.rand(8), r"\(rows, 8\)"),
        (torch.full((1, 8), float("nan")), "no numbers"),
        ([["happy"], None], "no emotion"),
    ],
)
def test_an_emotion_that_is_none_is_named(choice: Any, message: str):
    with pytest.raises(InputError, match=message):
        emotion_table(choice)


def test_a_schedule_holds_until_the_next_change_and_fades_over():
    happy, sad, both = (emotion_table(choice)[0] for choice in ("happy", "sad", ["happy", "sad"]))
    table = emotion_schedule([(6, "sad"), (2, "happy"), (8, ["happy", "sad"])], frames=12)
    expected: list[Tensor] = [happy] * 6 + [sad] * 2 + [both] * 4
    assert torch.allclose(table, torch.stack(expected))

    faded = emotion_schedule([(0, "happy"), (4, "sad")], frames=12, fade=4)
    assert torch.allclose(faded[:4], happy.expand(4, 8))
    assert torch.allclose(faded[5], (happy + sad) / 2)
    assert torch.allclose(faded[7:], sad.expand(5, 8))


def test_too_few_rows_for_a_call_are_refused():
    case = RECORDED.info("cases")["image_int4_full80"]
    with pytest.raises(InputError, match="3 rows for 80 frames"):
        conditioner(case).rows(SPEECH[:80], 0, torch.rand(3, 8))
    more = torch.rand(90, 8)
    assert torch.equal(conditioner(case).rows(SPEECH[:80], 0, more)[:, 1024:1032], more[:80])


@pytest.mark.parametrize(
    ("rate", "shown"), [(Fraction(2), [1, 1, 3, 5, 4]), (Fraction(1, 2), [0, 0, 0, 1, 1])], ids=["50", "12.5"]
)
def test_the_eyes_of_a_clip_keep_time_at_another_rate(rate: Fraction, shown: list[int]):
    eyes = EyeAttributes(torch.arange(6.0)[:, None].expand(6, 2), torch.zeros(6, 6))
    character = Character(torch.zeros(63), eyes, STILL, rate)
    only_openness = ConditionParts(emotion=False, gaze=False, shape=False)
    made = Conditioner(character, emotion_table("neutral"), only_openness)
    assert made.rows(SPEECH[:5], -1)[:, 1024].tolist() == shown  # the warm-up looks like frame 0


def test_eye_attributes():
    recorded = Golden("ditto/eye_attributes")
    eyes = eye_attributes(recorded["in.lmk"])
    assert_relative(eyes.openness, recorded["out.open"])
    assert_relative(eyes.gaze, recorded["out.ball_move"])
