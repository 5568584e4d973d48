"""Smaller batches, further phases: the spectrum of FC1 and the generalisation gap at batch sizes 500 to 2."""

from __future__ import annotations

from eigentrail.recipes.framework.sweep import Sweep

RECIPE = Sweep(
    "batch-size",
    "batch-size",
    "smaller batches, further phases: the spectrum of FC1 and the generalisation gap at batch sizes 500 to 2",
    "4 minutes; full: 3 days",
    "820 MB; full: 45 GB",
    setting="batch_size",
    values=(500, 250, 100, 32, 16, 8, 4, 2),
    only=("evolution",),
    studied="fc1.weight",
)
