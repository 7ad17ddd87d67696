"""One call for every network, whatever executes it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ditto_core.models.runners import in_batches_of


@pytest.mark.parametrize(("total", "count", "calls"), [(1, 1, 1), (3, 1, 3), (4, 2, 2), (3, 2, 2), (1, 4, 1)])
def test_a_network_of_a_fixed_batch_takes_any_number_of_items(total: int, count: int, calls: int) -> None:
    seen: list[int] = []

    def run(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        seen.append(len(inputs["a"]))
        return {"sum": inputs["a"] + inputs["b"], "a": inputs["a"]}

    a, b = torch.randn(total, 3), torch.randn(total, 3)
    out = in_batches_of(count, run, {"a": a, "b": b})
    assert seen == [count] * calls
    assert torch.equal(out["sum"], a + b)
    assert torch.equal(out["a"], a)
