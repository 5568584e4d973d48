"""A check of another package, added by one file and an entry point, is asked of every checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

import eigentrail as et
from eigentrail.checks.framework.registry import checks
from eigentrail.errors import OptionError

TOO_WIDE = """
from eigentrail.checks import check
from eigentrail.findings import Finding, Verdict


@check(question="Is a layer wider than three times its height?")
def too_wide(checkpoint):
    for layer in checkpoint.layers:
        rows, cols = layer.spectrum.rows, layer.spectrum.cols
        if rows > 3 * cols:
            yield Finding(
                subject=layer.name,
                question="Is a layer wider than three times its height?",
                verdict=Verdict.YES,
                sentence=f"The longer side has {rows / cols:.1f} times the entries of the shorter one.",
                needs_look=True,
            )
"""


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    checks.cache_clear()
    yield
    checks.cache_clear()


def test_one_file_and_an_entry_point_add_a_check(installed: Callable[[str, str, str], None]) -> None:
    installed("eigentrail.checks", "too-wide", TOO_WIDE)
    rng = np.random.default_rng(0)
    found = et.inspect(
        {"a.weight": rng.standard_normal((90, 20)), "b.weight": rng.standard_normal((40, 30))}, progress=False
    )
    told = [one for one in found.findings if "longer side has 4.5 times" in one.sentence]
    assert [one.subject for one in told] == ["a.weight"]
    assert told[0] in found.alerts


def test_what_is_no_check_is_refused(installed: Callable[[str, str, str], None]) -> None:
    installed("eigentrail.checks", "nothing", "nothing = 3\n")
    with pytest.raises(OptionError, match="which is no check"):
        checks()
