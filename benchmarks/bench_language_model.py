"""One layer of a language model, and what else comes with models of many billions of weights.

OMP_NUM_THREADS=1 python benchmarks/bench_language_model.py [--only NAME]... [--side 4096]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import scipy.linalg
import torch
from safetensors.torch import save_file

import eigentrail as et
from sidebyside import machine, once

#: Matrices of one Llama layer, [out, in] in units of the side: how many there are of each shape.
SHAPES = {(1.0, 1.0): 2, (0.25, 1.0): 2, (3.5, 1.0): 2, (1.0, 3.5): 1}


def matrix(folder: Path, shape: tuple[float, float], side: int) -> Path:
    """One of the matrices in bfloat16, with planted spikes."""
    rows, cols = (int(part * side) for part in shape)
    path = folder / f"m{rows}x{cols}.safetensors"
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(rows, cols, generator=generator)
    left, right = (torch.linalg.qr(torch.randn(n, 8, generator=generator)).Q for n in (rows, cols))
    w += (left * torch.linspace(2.5, 5.0, 8) * max(rows, cols) ** 0.5) @ right.T
    save_file({"m.weight": (0.02 * w).bfloat16()}, path)
    return path


def eigendecomposition(order: int) -> float:
    """CPU seconds of scipy's eigenvalues of a Gram matrix in float64, nothing else."""
    a = np.random.default_rng(order).standard_normal((order, order))
    g = a.T @ a
    return once(lambda: scipy.linalg.eigvalsh(g, check_finite=False)).cpu


def in_process(code: str) -> tuple[float, float, float]:
    """CPU seconds, wall seconds and MB above the import of some code in a process of its own.

    The peak is the process's own VmHWM: ru_maxrss begins with that of the process that started it.
    """
    text = (
        "import time, torch, eigentrail as et\n"
        "from eigentrail.api.inspection import inspect\n"
        "et.inspect({'w.weight': torch.randn(64, 32)}, progress=False)\n"
        "def status(key):\n"
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    return next(int(x.split()[1]) for x in lines if x.startswith(key)) / 1024\n"
        "m, c, w = status('VmRSS'), time.process_time(), time.perf_counter()\n"
        f"{code}\n"
        "print('MEASURED', time.process_time() - c, time.perf_counter() - w, status('VmHWM') - m)\n"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    line = next(x for x in done.stdout.splitlines() if x.startswith("MEASURED"))
    cpu, wall, memory = map(float, line.split()[1:])
    return cpu, wall, memory


def llama(folder: Path, side: int, runs: list[str], numbers: list[int]) -> None:
    """Each shape of a Llama layer beside its eigendecomposition, and their sum: 218M weights at side 4096."""
    options = {"default": "", "--no-null": ", null=False", "--fast": ", fast=True"}
    largest = 3.5 * side * side * 4 / 2**20
    whole = dict.fromkeys(("other", *runs), 0.0)
    peak = dict.fromkeys(runs, 0.0)
    for shape, many in (list(SHAPES.items())[number] for number in numbers):
        path = matrix(folder, shape, side)
        order = int(min(shape) * side)
        for run in runs:
            cpu, wall, memory = in_process(f"et.inspect({str(path)!r}, jobs=1, progress=False{options[run]})")
            peak[run] = max(peak[run], memory)
            whole[run] += many * cpu
            print(
                f"  {many} x {shape}, {run}: {cpu:.1f} s CPU, {wall:.1f} s wall, {memory:.0f} MB", flush=True
            )
        # Beside each: other work on the machine changes what both take.
        alone = eigendecomposition(order)
        print(f"  {many} x {shape}, eigenvalues: {alone:.1f} s", flush=True)
        whole["other"] += many * alone
    for run in runs:
        print(
            f"| one Llama layer, side {side}, {run} | {whole[run]:.1f} s | {whole['other']:.1f} s | "
            f"**{whole[run] / whole['other']:.2f}** | {peak[run]:.0f} MB, {peak[run] / largest:.2f} x the largest |"
        )


def embedding(folder: Path, rows: int, cols: int) -> None:
    """An embedding against its Gram matrix and eigenvalues."""
    path = folder / "embedding.safetensors"
    w = (0.02 * torch.randn(rows, cols, generator=torch.Generator().manual_seed(1))).bfloat16()
    save_file({"embed_tokens.weight": w}, path)

    def plain() -> None:
        g = np.zeros((cols, cols))
        for start in range(0, rows, 1024):
            block = w[start : start + 1024].double().numpy()
            g += block.T @ block
        scipy.linalg.eigvalsh(g, overwrite_a=True, check_finite=False)

    other = once(plain).cpu
    del w
    cpu, wall, memory = in_process(f"et.inspect({str(path)!r}, jobs=1, progress=False)")
    print(
        f"| embedding {rows} x {cols} in bfloat16 | {cpu:.1f} s CPU, {wall:.1f} s wall | {other:.1f} s | "
        f"**{cpu / other:.2f}** | {memory:.0f} MB |"
    )


def adapter(folder: Path) -> None:
    """An adapter of rank 16 on 224 matrices of 4096 x 4096."""
    path = folder / "adapter_model.safetensors"
    generator = torch.Generator().manual_seed(2)
    tensors = {}
    for i in range(224):
        name = f"base_model.model.model.layers.{i // 7}.m{i % 7}"
        tensors[f"{name}.lora_A.weight"] = torch.randn(16, 4096, generator=generator).bfloat16()
        tensors[f"{name}.lora_B.weight"] = torch.randn(4096, 16, generator=generator).bfloat16()
    save_file(tensors, path)
    cpu, wall, memory = in_process(f"et.inspect({str(path)!r}, jobs=1, progress=False)")
    print(
        f"| adapter of rank 16 on 224 matrices | {cpu:.1f} s CPU, {wall:.1f} s wall | | | {memory:.0f} MB |"
    )


def opening(folder: Path) -> None:
    """Opening many tensors, and many adapter pairs."""
    for many in (10_000, 20_000, 40_000):
        path = folder / f"many{many}.safetensors"
        save_file({f"layers.{i}.mlp.weight": torch.zeros(4, 4) for i in range(many)}, path)
        print(f"| opening {many} tensors | {once(lambda p=path: et.open_weights(str(p))).cpu:.2f} s CPU |")  # type: ignore[misc]
    for many in (1000, 2000, 4000):
        path = folder / f"pairs{many}.safetensors"
        tensors = {}
        for i in range(many):
            tensors[f"base_model.model.layers.{i}.q.lora_A.weight"] = torch.zeros(2, 8)
            tensors[f"base_model.model.layers.{i}.q.lora_B.weight"] = torch.zeros(8, 2)
        save_file(tensors, path)
        print(
            f"| opening {many} adapter pairs | {once(lambda p=path: et.open_weights(str(p))).cpu:.2f} s CPU |"
        )  # type: ignore[misc]


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = ("llama", "embedding", "adapter", "opening")
    parser.add_argument("--only", choices=names, action="append")
    parser.add_argument(
        "--run", choices=("default", "--no-null", "--fast"), action="append", help="of the layer"
    )
    parser.add_argument(
        "--matrix", type=int, choices=range(4), action="append", help="of the layer; all of them"
    )
    parser.add_argument("--side", type=int, default=4096, help="of the layer; 4096 is Llama's")
    parser.add_argument("--rows", type=int, default=128_256, help="of the embedding")
    given = parser.parse_args()
    print(machine(), f"{torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for one in given.only or names:
            if one == "llama":
                llama(
                    folder,
                    given.side,
                    given.run or ["default", "--no-null", "--fast"],
                    given.matrix or [0, 1, 2, 3],
                )
            elif one == "embedding":
                embedding(folder, given.rows, given.side)
            elif one == "adapter":
                adapter(folder)
            else:
                opening(folder)


if __name__ == "__main__":
    main()
