"""Engines are found by name, `auto` says what it took, and mixing them is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import pytest
from helpers.hosts import Told

from ditto_core.engine import Engine, common_engine
from ditto_core.engines import ENGINE_NAMES, load_engine
from ditto_core.errors import EngineError, ModelError
from ditto_core.host import Host
from ditto_core.options import AUTO


class NamedEngine:
    def __init__(self, name: str) -> None:
        self.name = name
        self.label = f"{name} (label)"

    def same_as(self, other: Engine) -> bool:
        return self is other or self.name == other.name == "lite"


@dataclass
class Output:
    engine: Engine


class Other(Output):
    pass


def made_by(name: str) -> Engine:
    return cast(Engine, NamedEngine(name))


def test_lite_is_always_ready() -> None:
    host = Told()
    engine = load_engine("lite", host)
    assert engine.name == "lite"
    assert "draft" in engine.label.lower()
    assert host.notices == []


def test_auto_says_which_engine_it_took() -> None:
    host = Told()
    engine = load_engine(AUTO, host)
    assert engine.name in ENGINE_NAMES
    assert len(host.notices) == 1
    assert engine.name in host.notices[0].lower()


@pytest.mark.parametrize("name", ["", "Lite", "dito", "../lite"])
def test_an_unknown_engine_is_refused_with_the_choices(name: str) -> None:
    with pytest.raises(EngineError, match="auto, lite, ditto"):
        load_engine(name, Host())


def test_an_engine_that_is_not_ready_says_what_to_choose() -> None:
    with pytest.raises(ModelError, match="choose lite or auto"):
        load_engine("ditto", Host())


def test_outputs_of_one_engine_fit_together() -> None:
    lite = made_by("lite")
    assert common_engine(Output(lite)) is lite
    assert common_engine(Output(lite), Other(made_by("lite"))) is lite


def test_outputs_of_engines_with_different_data_are_refused() -> None:
    with pytest.raises(EngineError, match=r"ditto \(label\) with different data, .*: Output, Other\."):
        common_engine(Output(made_by("ditto")), Other(made_by("ditto")))


def test_mixed_outputs_are_named_with_their_engines() -> None:
    with pytest.raises(EngineError, match=r"Output by lite \(label\), Other by ditto \(label\)"):
        common_engine(Output(made_by("lite")), Other(made_by("ditto")))


def test_mixed_outputs_of_one_kind_are_told_apart() -> None:
    with pytest.raises(EngineError) as caught:
        common_engine(Output(made_by("lite")), Output(made_by("ditto")))
    assert "lite (label)" in str(caught.value)
    assert "ditto (label)" in str(caught.value)
