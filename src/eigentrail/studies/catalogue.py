"""The studies: a training as a source describes it, at a size that two cores carry, and what to look for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eigentrail._names import look_up
from eigentrail.errors import OptionError
from eigentrail.studies.hessian.studies import HESSIANS
from eigentrail.studies.sources import SOURCES
from eigentrail.studies.study import OTHER, Study

__all__ = ["DEFAULT", "STUDIES", "Study", "find_study"]

DEFAULT = "mlp50"
# The source's 200 epochs of MNIST are an hour; the default study is to take minutes on any data.
_SHORT: Mapping[str, Any] = {"epochs": 10}
_WHY_SHORT = "fewer epochs, which take minutes instead of an hour"

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        Study(
            "mlp50",
            "mlp50",
            "spikes are born; how near the bulk stays to Marchenko-Pastur (S0's first claim)",
            "2 minutes, 5 on MNIST; full: 1 hour",
            "75 MB, 0.4 GB on MNIST; full: 6 GB",
            changes={"digits": {"lr": 0.1, "weight_decay": 1e-3, "epochs": 60}, OTHER: _SHORT},
            chosen={
                "digits": "on the digits, whose epochs have 45 steps instead of MNIST's 1875, the rate is larger, and "
                "the weight decay is the lambda = 5e-4 that the source uses for MLP 256",
                OTHER: _WHY_SHORT,
            },
        ),
        Study(
            "mlp50-plain",
            "mlp50",
            "the same at the source's own rate 0.01 without weight decay: what 4500 slow steps can and cannot move",
            "2 minutes, 5 on MNIST; full: 1 hour",
            "125 MB, 0.4 GB on MNIST; full: 6 GB",
            changes={"digits": {"epochs": 100}, OTHER: _SHORT},
            chosen={
                "digits": "100 epochs on the digits, whose epochs have 45 steps instead of MNIST's 1875",
                OTHER: _WHY_SHORT,
            },
        ),
        Study(
            "mlp256",
            "mlp256",
            "the four layers of MLP 256 without weight decay; its 128 x 64 layer at every step",
            "10 minutes; full: 1 hour",
            "3.3 GB; full: 32 GB",
        ),
        Study(
            "mlp256-decay",
            "mlp256-decay",
            "the same with weight decay: how the bulk shrinks and the ranks fall",
            "10 minutes; full: 1 hour",
            "3.3 GB; full: 32 GB",
        ),
        *SOURCES,
        *HESSIANS,
    )
}


def find_study(name: str | None = None) -> Study:
    """Find a study.

    Args:
        name: its name in any spelling; None for the one that needs no files.

    Returns:
        The study.

    Raises:
        OptionError: there is none of that name; near names are offered.
    """
    more = "; `eigentrail study --list` describes them"
    return STUDIES[look_up(DEFAULT if name is None else name, STUDIES, "study", OptionError, more)]
