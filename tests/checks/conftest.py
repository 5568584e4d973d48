from __future__ import annotations

from collections.abc import Callable

import pytest
from planted_networks import Weights, trained_like

from eigentrail.api.inspection import Inspection, inspect


@pytest.fixture(scope="session")
def gpt() -> Weights:
    return trained_like()


@pytest.fixture(scope="session")
def looked_at() -> Callable[[Weights], Inspection]:
    def look(weights: Weights) -> Inspection:
        return inspect(weights, progress=False)

    return look
