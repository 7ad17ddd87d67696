"""The developer's commands."""

from __future__ import annotations

import pytest

from tools import dev


@pytest.mark.parametrize(("code", "told"), [(0, 0), (2, 1), (-9, 1)])
def test_lint_fails_where_a_checker_does_or_is_killed(
    code: int, told: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = iter((0, code, 0, 0))
    monkeypatch.setattr(dev, "set_up", lambda target: None)
    monkeypatch.setattr(dev, "in_venv", lambda *arguments: next(codes))
    assert dev.lint([]) == told
