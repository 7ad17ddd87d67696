"""Ditto engines whose data were replaced: what they make is mixed only where the data are equal."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers.ditto_engine import FEW_STEPS, sound

from ditto_core.ditto.avatar import DittoAvatar
from ditto_core.ditto.checkpoints import find_checkpoints
from ditto_core.ditto.config import read_data
from ditto_core.ditto.engine import DittoEngine
from ditto_core.errors import EngineError
from ditto_core.host import Host
from ditto_core.models.execution import Execution


def test_an_engine_with_other_data_is_not_mixed_with_its_origin(engine: DittoEngine, person: DittoAvatar):
    for data in ({"ch_info": None}, {"overall_ctrl_info": {"delta_yaw": 3}}, {"fix_kp_cond": 7}):
        speech = engine.with_data(data).encode_speech(sound(0.2), Host())
        with pytest.raises(EngineError, match=r"different data, .*: DittoAvatar, SpeechFeatures"):
            engine.sample_motion(person, speech, FEW_STEPS, Host())


def test_an_engine_that_was_made_again_goes_on_with_what_there_is(
    release: Path, engine: DittoEngine, person: DittoAvatar
):
    again = DittoEngine(find_checkpoints([release]), torch.device("cpu"), Execution("pytorch"))
    same = again.with_data(read_data(engine.checkpoints.found["config"]))
    for other in (again, same):
        speech = other.encode_speech(sound(0.2), Host())
        assert len(engine.sample_motion(person, speech, FEW_STEPS, Host()).values) == 5
    speech = same.with_data({"delta_eye_arr": None}).encode_speech(sound(0.2), Host())
    with pytest.raises(EngineError, match="different data"):
        engine.sample_motion(person, speech, FEW_STEPS, Host())
