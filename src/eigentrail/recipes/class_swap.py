"""S0: what the leading directions do when five classes give way to the other five, beside trainings."""

from __future__ import annotations

from eigentrail.recipes.experiments.swap_study import SwapStudy

RECIPE = SwapStudy(
    "class-swap",
    "class-swap",
    "S0: what the leading directions do when five classes give way to the other five, beside trainings without a swap",
    "15 minutes, 4 on the digits; full: 8 hours",
    "3.4 GB; full: 36 GB",
    changes={
        "digits": {
            "epochs": 40,
            "phases": [{"start": 0, "classes": range(5)}, {"start": 20, "classes": range(5, 10)}],
        }
    },
    chosen={"digits": "40 epochs on the digits, with the swap in the middle"},
    only=("evolution", "geodesic", "crossings", "subspaces"),
    studied="fc2.weight",
)
