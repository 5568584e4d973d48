"""What a unit of a sweep costs on Ray beside its own work, on a cluster of one node and one processor of this machine.

    OMP_NUM_THREADS=1 python benchmarks/bench_sweep_ray.py [--units 40]

Each unit trains MLP 50 on 60 digits for two epochs. From one sweep: start-up is the time until the first unit is done,
less that unit's own time; overhead is the mean time from one unit's end to the next one's, less their own times.
Prints a row of a markdown table, in wall time.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from eigentrail.sweeps import carry_out, plan
from sidebyside import machine


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--units", type=int, default=40)
    arguments = parser.parse_args()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    given = {
        "network": "mlp50", "data": "digits", "train_samples": 60, "test_samples": 30, "epochs": 2, "stack": 1,
        "measure": ["rank", "test_accuracy"], "seeds": arguments.units, "axes": {"lr": [0.1]},
    }  # fmt: skip
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        with tempfile.TemporaryDirectory() as place:
            planned = plan(given, out=Path(place) / "sweep")
            began = time.time()
            carry_out(planned, cluster=cluster.address, progress=False)
            marks = sorted(Path(place).glob("sweep/runs/*/done.json"), key=lambda mark: mark.stat().st_mtime)
            ends = np.array([mark.stat().st_mtime for mark in marks])
            own = np.array([json.loads(mark.read_text())["seconds"] for mark in marks])
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]
    between = np.diff(ends) - own[1:]
    print(f"{machine()}\n")
    print("| work | units | start-up | a unit's own time | overhead a unit, mean | largest | goal |")
    print("|---|---|---|---|---|---|---|")
    print(
        f"| a sweep on Ray, one processor | {len(marks)} | {ends[0] - began - own[0]:.1f} s | {own[1:].mean():.2f} s | "
        f"**{between.mean():.3f} s** | {between.max():.2f} s | 2 s |"
    )


if __name__ == "__main__":
    main()
