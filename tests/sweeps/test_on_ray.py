"""Sweeps on a Ray cluster of two nodes on this machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tiny_sweeps import TINY, assert_alike, checkpoint_of_three

import eigentrail as et
from eigentrail.sweeps import SweepFolder, carry_out, plan

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head node with one processor, to which nodes can be added."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    pytest.importorskip("ray", reason="the extra `cluster` is not installed")
    from ray.cluster_utils import Cluster

    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    yield found
    found.shutdown()


def test_ray_gives_the_same_bits(carried_out: SweepFolder, cluster: Any, tmp_path: Path) -> None:
    found = carry_out(plan(TINY, out=tmp_path / "ray"), cluster=cluster.address, progress=False)
    carried_out.write_table()
    assert_alike(found, carried_out)


@pytest.mark.filterwarnings("ignore::eigentrail.errors.RunWarning")
def test_a_node_is_killed_in_mid_sweep_and_nothing_is_lost(cluster: Any, tmp_path: Path) -> None:
    node = cluster.add_node(num_cpus=2)
    many = TINY | {"stack": 1, "epochs": 20, "axes": {"batch_size": [5, 6, 10, 12, 15, 20]}}
    planned = plan(many, out=tmp_path / "two")

    def kill() -> None:
        # Once something is being made on both nodes.
        while len(list(planned.path.glob("runs/*/claim.*"))) < 3:
            time.sleep(0.05)
        cluster.remove_node(node, allow_graceful=False)

    killer = threading.Thread(target=kill)
    killer.start()
    found = carry_out(planned, cluster=cluster.address, progress=False)
    killer.join()
    # Some unit was claimed again, and each run counts once.
    assert any(len(list(unit.glob("claim.*"))) > 1 for unit in (planned.path / "runs").iterdir())
    alone = carry_out(plan(many, out=tmp_path / "alone"), jobs=1, progress=False)
    assert_alike(found, alone)


def test_layers_of_a_checkpoint_are_spread_over_the_nodes(cluster: Any, tmp_path: Path) -> None:
    cluster.add_node(num_cpus=2)
    path = checkpoint_of_three(tmp_path / "three.safetensors")
    spread = et.inspect(path, cluster=cluster.address, progress=False)
    pd.testing.assert_frame_equal(spread.table, et.inspect(path, jobs=1, progress=False).table)
