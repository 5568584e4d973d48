"""Collapse of every layer beside the forward passes that it needs, and its memory beside keeping the features.

    OMP_NUM_THREADS=1 python benchmarks/bench_features.py [IMAGES] [ROUNDS]

The images are noise of CIFAR-10's shape: times do not depend on what is on them.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Sequence

import torch
from torch import nn

import eigentrail as et
from sidebyside import alternate

_BATCH, _D, _CLASSES = 250, 16_384, 10


def speed(images: int, rounds: int) -> None:
    model = et.networks.build("resnet20", (3, 32, 32), 10).eval()
    inputs, labels = torch.randn(images, 3, 32, 32), torch.arange(images) % 10

    def passes() -> None:
        with torch.no_grad():
            for start in range(0, images, _BATCH):
                model(inputs[start : start + _BATCH])

    def collapse(**options: int) -> None:
        et.Features(model, (inputs, labels), batch_size=_BATCH, **options).collapse()

    for name, needed, options in (("features kept", 1, {}), ("streamed twice", 2, {"memory_limit": 0})):
        ours, theirs = alternate(lambda options=options: collapse(**options), passes, rounds)
        ratio = ours.cpu / (needed * theirs.cpu)
        print(
            f"{name}: {ours.cpu:.2f} s, {needed} forward pass(es) {needed * theirs.cpu:.2f} s, ratio {ratio:.3f}"
        )
    bare = et.networks.build("resnet20", (3, 32, 32), 10).eval()
    collapse()
    left = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())
    print(
        f"hooks left behind: {left} (a fresh network has {sum(len(m._forward_hooks) for m in bare.modules())})"
    )


class Batches(Sequence[tuple[torch.Tensor, torch.Tensor]]):
    """Batches that are made when they are asked for."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, place: int) -> tuple[torch.Tensor, torch.Tensor]:
        if place >= self.count:
            raise IndexError(place)
        generator = torch.Generator().manual_seed(place)
        return torch.randn(_BATCH, _D, generator=generator), torch.arange(_BATCH) % _CLASSES


def memory(side: str, batches: int) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    data = Batches(batches)
    if side == "streamed":
        print(et.Features(nn.Identity(), data, "network", memory_limit=0).collapse().nc1.iloc[0])
    else:
        kept = [data[place] for place in range(batches)]
        h, y = torch.cat([one for one, _ in kept]), torch.cat([one for _, one in kept])
        means = torch.stack([h[y == k].mean(0) for k in range(_CLASSES)])
        within = h - means[y]
        _, singular, right = torch.linalg.svd(means - means.mean(0), full_matrices=False)
        along = within @ right[:-1].T / singular[:-1]
        print(float(_CLASSES * along.square().sum() / len(h)))
    print(
        f"{side}: {(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024:.0f} MiB above the start"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["memory"]:
        memory(sys.argv[2], int(sys.argv[3]))
    else:
        for batches in (8, 32):
            for side in ("streamed", "kept"):
                print(f"{batches * _BATCH} x {_D}")
                subprocess.run([sys.executable, __file__, "memory", side, str(batches)], check=True)
        speed(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000, int(sys.argv[2]) if len(sys.argv) > 2 else 3)
