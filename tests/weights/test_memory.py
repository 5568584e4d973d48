"""One tensor in memory at a time: peak resident memory (VmHWM) against a limit, in a process of its own."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

# Reads every matrix, as float64 like the analysis does, and prints the peak before and after in bytes.
READ_ALL = """
import sys
from pathlib import Path
import torch
from eigentrail.weights import open_weights

def peak():
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024

torch.set_num_threads(1)
warm = open_weights({"w": torch.ones(8, 8)})["w"].double().square().sum()
before = peak()
weights = open_weights(sys.argv[1])
total = sum(float(weights[name].double().sum()) for name in weights)
print(before, peak(), len(weights), total)
"""

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="needs Linux's /proc/self/status"
)


def write_sharded(
    folder: Path, gigabytes: float, side: int, kind: torch.dtype, format: str
) -> tuple[int, float]:
    """Write a checkpoint shard by shard; returns the number of matrices and the sum of all numbers."""
    per_shard, bytes_each = 8, side * side * kind.itemsize
    count = math.ceil(gigabytes * 2**30 / bytes_each)
    weight_map, total = {}, 0.0
    base = torch.randn(side, side, generator=torch.Generator().manual_seed(0))
    for shard in range(math.ceil(count / per_shard)):
        names = [
            f"layers.{number}.fc.weight"
            for number in range(shard * per_shard, min(count, (shard + 1) * per_shard))
        ]
        tensors = {name: (base + number).to(kind) for number, name in enumerate(names)}
        total += sum(float(tensor.double().sum()) for tensor in tensors.values())
        file = f"part-{shard}.{format}"
        save_file(tensors, folder / file) if format == "safetensors" else torch.save(tensors, folder / file)
        weight_map |= dict.fromkeys(names, file)
    (folder / f"model.{format}.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return count, total


def extra_memory(folder: Path, count: int, total: float) -> int:
    run = subprocess.run(
        [sys.executable, "-c", READ_ALL, str(folder)], check=True, capture_output=True, text=True
    )
    before, after, found, summed = run.stdout.split()
    assert int(found) == count
    assert float(summed) == pytest.approx(total, rel=1e-9)
    print(f"{(int(after) - int(before)) / 2**20:.0f} MB more than before")
    return int(after) - int(before)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("format", "kind"),
    [("safetensors", torch.bfloat16), pytest.param("bin", torch.float32, marks=pytest.mark.slow)],
)
def test_peak_memory(format, kind, tmp_path):
    side = 2048
    count, total = write_sharded(tmp_path, 0.3, side, kind, format)
    extra = extra_memory(tmp_path, count, total)
    assert extra <= 4 * 8 * side * side, f"{extra / 2**20:.0f} MB more than before"


@pytest.mark.slow
@pytest.mark.parametrize("format", ["safetensors", "bin"])
def test_peak_memory_of_two_gigabytes(format, tmp_path):
    side = 4096
    count, total = write_sharded(tmp_path, 2, side, torch.bfloat16, format)
    extra = extra_memory(tmp_path, count, total)
    assert extra <= 4 * 8 * side * side, f"{extra / 2**20:.0f} MB more than before"
