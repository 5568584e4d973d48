"""Taking an adapter out of a fine-tuned model: ours beside a full decomposition of each layer's change.

OMP_NUM_THREADS=1 python benchmarks/bench_lora_extract.py --rounds 3

A model of BERT's shapes (four 768 x 768 and two 3072 x 768 weights) with planted updates of rank 8 in noise. The other
side is what merging tools do: the change of each layer in float32, `torch.linalg.svd` of it, and the leading factors.
Ours also tells the rank; the other side is given the right one.
"""

from __future__ import annotations

import argparse

import torch

from eigentrail.interventions.lora import extract
from sidebyside import HEADER, alternate, machine, row

SHAPES = {
    "q": (768, 768),
    "k": (768, 768),
    "v": (768, 768),
    "o": (768, 768),
    "up": (3072, 768),
    "down": (768, 3072),
}
RANK = 8


def models() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """The model before and after: updates of rank 8, twice as strong as what noise hides."""
    torch.manual_seed(0)
    base, tuned = {}, {}
    for name, (n, m) in SHAPES.items():
        w = 0.02 * torch.randn(n, m)
        u, v = (torch.linalg.qr(torch.randn(size, RANK)).Q for size in (n, m))
        strength = 2e-4 * max(n, m) ** 0.5 * torch.linspace(6.0, 2.5, RANK)
        base[f"layer.{name}.weight"] = w
        tuned[f"layer.{name}.weight"] = w + (u * strength) @ v.T + 2e-4 * torch.randn(n, m)
    return base, tuned


def whole(
    base: dict[str, torch.Tensor], tuned: dict[str, torch.Tensor]
) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """A full decomposition of each layer's change."""
    found = {}
    for name, before in base.items():
        u, s, vt = torch.linalg.svd(tuned[name].float() - before.float(), full_matrices=False)
        found[name] = u[:, :RANK] * s[:RANK], vt[:RANK]
    return found


def main() -> None:
    """Print one row."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    base, tuned = models()
    ranks = extract(base, tuned).table["rank"].tolist()
    ours, theirs = alternate(lambda: extract(base, tuned), lambda: whole(base, tuned), rounds)
    print(f"{machine()}, {torch.get_num_threads()} thread(s); ranks found {ranks}, planted {RANK}\n")
    print(HEADER)
    print(
        row(
            "adapter out of six weights of BERT's shapes",
            "full float32 SVD of each change",
            ours.cpu,
            theirs.cpu,
            "",
        )
    )


if __name__ == "__main__":
    main()
