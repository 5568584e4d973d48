"""Intruder dimensions of an adapter scaled down: ours beside PEFT's `reduce_intruder_dimension`.

    OMP_NUM_THREADS=1 python benchmarks/bench_lora_repair.py --rounds 3

Layers of BERT's shapes with power-law spectra and planted updates of rank 8, the first of them strong enough to be
intruders. Both keep three quarters of each intruder. PEFT decomposes base, sum and new update (float32) and cuts the
result to the adapter's rank again; ours writes into the model, tells the distances and counts the intruders that are
left (float64). The last column is how far the repaired weights are from the exact repair, relative to the update.
"""

from __future__ import annotations

import argparse

import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora.intruders import reduce_intruder_dimension
from torch import nn

from eigentrail.interventions.lora import repair
from sidebyside import HEADER, alternate, machine, row

SHAPES = {"q": (768, 768), "v": (768, 768), "up": (3072, 768)}
RANK, KEEP = 8, 0.75


class Layers(nn.Module):
    """The three weights, side by side."""

    def __init__(self) -> None:
        super().__init__()
        for name, (n, m) in SHAPES.items():
            setattr(self, name, nn.Linear(m, n, bias=False))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Apply each to the same input."""
        return [getattr(self, name)(x) for name in SHAPES]


@torch.no_grad()
def planted() -> tuple[Layers, nn.Module]:
    """The base, and the same with an adapter."""
    torch.manual_seed(0)
    base = Layers()
    for name, (n, m) in SHAPES.items():
        u, v = (torch.linalg.qr(torch.randn(size, min(n, m))).Q for size in (n, m))
        getattr(base, name).weight.copy_((u * torch.arange(1, min(n, m) + 1) ** -0.5) @ v.T)
    tuned = Layers()
    tuned.load_state_dict(base.state_dict())
    config = LoraConfig(r=RANK, lora_alpha=RANK, target_modules=list(SHAPES), init_lora_weights=False)
    tuned = get_peft_model(tuned, config)
    for name, (n, m) in SHAPES.items():
        layer = getattr(tuned.base_model.model, name)
        u, v = (torch.linalg.qr(torch.randn(size, RANK)).Q for size in (n, m))
        layer.lora_B["default"].weight.copy_(u * torch.linspace(0.9, 0.1, RANK))
        layer.lora_A["default"].weight.copy_(v.T)
    return base, tuned


def main() -> None:
    """Print one row, and how exact each side is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    base, adapted = planted()
    before = {name: getattr(base, name).weight.detach() for name in SHAPES}
    layers = {name: getattr(adapted.base_model.model, name) for name in SHAPES}
    merged = {name: before[name] + layers[name].get_delta_weight("default").detach() for name in SHAPES}
    own = [{f"{name}.weight": one for name, one in side.items()} for side in (before, merged)]

    def ours() -> dict[str, torch.Tensor]:
        return dict(repair(*own, keep=KEEP).tensors())

    def theirs() -> None:
        if "new" in adapted.peft_config:
            adapted.delete_adapter("new")
        reduce_intruder_dimension(adapted, new_adapter_name="new", mitigation_lambda=KEEP, logging_sink=None)

    mine, other = alternate(ours, theirs, rounds)
    print(f"{machine()}, {torch.get_num_threads()} thread(s)\n\n{HEADER}")
    work = "intruder dimensions of three weights scaled down"
    print(row(work, "PEFT reduce_intruder_dimension", mine.cpu, other.cpu, ""))
    print(repair(*own, keep=KEEP).table.round(4).to_string())
    repaired = ours()
    for name in SHAPES:
        u, s, vt = torch.linalg.svd(merged[name].double(), full_matrices=False)
        vectors = torch.linalg.svd(before[name].double(), full_matrices=False)[0]
        places = torch.nonzero((vectors.T @ u[:, :10]).abs().amax(0) < 0.5)[:, 0]
        exact = merged[name] - (1 - KEEP) * (u[:, places] * s[places]) @ vt[places]
        size = (merged[name] - before[name]).norm()
        written = before[name] + layers[name].get_delta_weight("new").detach()
        gaps = [float((one - exact).norm() / size) for one in (repaired[f"{name}.weight"], written)]
        print(
            f"{name}: {len(places)} intruders; from the exact repair: ours {gaps[0]:.1e}, PEFT {gaps[1]:.1e}"
        )


if __name__ == "__main__":
    main()
