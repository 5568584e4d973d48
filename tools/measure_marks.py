"""Plant faults in real and freshly trained networks, one at a time at many places, and count what is found.

Each fault is planted in one layer; `inspect`'s checks are asked of the network with it. Found means that an alert names
that layer (of an untrained network: the network); a false mark is an alert on any other layer. WeightWatcher stands
beside: its `warning` on the planted layer where it had none before, and its warnings on healthy layers.

    EIGENTRAIL_DATA=... python tools/measure_marks.py            # docs/planted_faults.csv, its table in docs/checks.md
    python tools/measure_marks.py --page                          # only the table in docs/checks.md anew
    python tools/measure_marks.py --only "tiny GPT-2" --every 4   # one network, every fourth of its layers
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

import eigentrail as et
from eigentrail.checks import Checkpoint, Layer, judge

DOCS = Path(__file__).resolve().parents[1] / "docs"
TABLE = DOCS / "planted_faults.csv"
BEGIN, END = "<!-- planted -->", "<!-- /planted -->"
DATA = Path(os.environ.get("EIGENTRAIL_DATA", "."))

Weights = dict[str, torch.Tensor]
Fault = Callable[[torch.Tensor, np.random.Generator], torch.Tensor]


def _flat(w: torch.Tensor) -> torch.Tensor:
    return w.reshape(len(w), -1)


def _again(w: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    return w.std() * torch.from_numpy(rng.standard_normal(tuple(w.shape))).to(w.dtype)


def _rank_two(w: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    u, s, v = torch.linalg.svd(_flat(w), full_matrices=False)
    return (u[:, :2] * s[:2] @ v[:2]).reshape(w.shape)


def _outlier(w: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    made = w.clone(memory_format=torch.contiguous_format)
    made.view(-1)[int(rng.integers(made.numel()))] = 60 * w.std()
    return made


def _dead(w: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    made = w.clone(memory_format=torch.contiguous_format)
    made[torch.from_numpy(rng.permutation(len(w))[:3])] = 0.0
    return made


FAULTS: dict[str, Fault] = {
    "re-initialised": _again,
    "rank 2": _rank_two,
    "one entry of 60 standard deviations": _outlier,
    "three dead units": _dead,
}
COPY, UNTRAINED, HEALTHY = "copy of another layer", "untrained", "healthy"


# Networks


def resnet(depth: int) -> Weights:
    """Read a ResNet that others trained on CIFAR-10."""
    name = {20: "resnet20-12fca82f.th", 56: "resnet56-4bfd9763.th"}[depth]
    state = torch.load(DATA / "checkpoints/resnet-cifar10" / name, map_location="cpu", weights_only=True)
    return {k.removeprefix("module."): v for k, v in state["state_dict"].items() if v.ndim > 1}


def fresh_resnet(seed: int) -> Weights:
    """Draw a ResNet-56 as it begins."""
    torch.manual_seed(seed)
    return {name: nn.init.kaiming_normal_(torch.empty_like(w)) for name, w in resnet(56).items()}


def char_gpt() -> Weights:
    """Read the char-gpt that others trained."""
    return _matrices(DATA / "checkpoints/char-gpt/slm-4096.pt")


def tiny_gpt(steps: int, seed: int = 0) -> Weights:
    """Train transformers' GPT-2 of four blocks of width 64 on characters, by AdamW; 0 steps: as it begins."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(seed)
    text = (DATA / "text/tinyshakespeare.txt").read_bytes()
    codes = torch.from_numpy(np.unique(np.frombuffer(text, np.uint8), return_inverse=True)[1])
    config = GPT2Config(
        vocab_size=int(codes.max()) + 1, n_positions=64, n_embd=64, n_layer=4, n_head=4, resid_pdrop=0.0,
        embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model = GPT2LMHeadModel(config)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3, weight_decay=0.1)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps, 1))
    for _ in range(steps):
        starts = torch.randint(len(codes) - 64, (12,))
        batch = torch.stack([codes[start : start + 64] for start in starts])
        loss = model(batch, labels=batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
    if steps:
        print(f"tiny GPT-2: loss {loss.item():.2f} after {steps} steps", flush=True)
    return _matrices(model)


def _matrices(source: Any) -> Weights:
    opened = et.open_weights(source)
    return {name: torch.as_tensor(opened[name]).clone() for name in opened}


TRAINED: dict[str, Callable[[], Weights]] = {
    "tiny GPT-2": lambda: tiny_gpt(300),
    "char-gpt": char_gpt,
    "ResNet-20": lambda: resnet(20),
    "ResNet-56": lambda: resnet(56),
}
#: Those in which faults are planted; the others are only looked at.
PLANTED = ("tiny GPT-2", "ResNet-56")
FRESH: dict[str, Callable[[int], Weights]] = {
    "tiny GPT-2": lambda seed: tiny_gpt(0, seed),
    "ResNet-56": fresh_resnet,
}


# What is said of them


def looked_at(weights: Weights) -> tuple[Layer, ...]:
    """Diagnose matrices as `inspect` does."""
    found = et.inspect(weights, progress=False, jobs=1)
    rows = found.table.to_dict(orient="records")
    return tuple(Layer(row["name"], row, found.spectra[row["name"]]) for row in rows)


def alerts(layers: tuple[Layer, ...]) -> list[str]:
    """Name what needs a look."""
    return [one.subject for one in judge(Checkpoint("network", layers)) if one.needs_look]


def watched(weights: Weights) -> set[str]:
    """Name the layers that WeightWatcher warns of."""
    import weightwatcher

    modules = nn.ModuleDict()
    keys: dict[str, str] = {}
    for name, w in weights.items():
        key = name.replace(".", "_").replace(":", "_")
        keys[key] = name
        modules[key] = (
            nn.Conv2d(w.shape[1], w.shape[0], w.shape[2], bias=False)
            if w.ndim == 4
            else nn.Linear(w.shape[1], w.shape[0], bias=False)
        )
        modules[key].weight.data = w.float().clone()
    logging.disable(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            details = weightwatcher.WeightWatcher(model=modules).analyze()
    finally:
        logging.disable(logging.NOTSET)
    return {keys[row["longname"]] for _, row in details.iterrows() if row["warning"]}


def planted(network: str, weights: Weights, every: int, seed: int) -> Iterator[dict[str, Any]]:
    """Plant each fault at each place, and count."""
    layers = looked_at(weights)
    names = [layer.name for layer in layers]
    before, theirs = alerts(layers), watched(weights)
    yield _row(network, HEALTHY, len(names), 1, None, len(set(before)), None, len(theirs), "")
    places = list(range(0, len(names), every))
    rng = np.random.default_rng(seed)
    for fault in (*FAULTS, COPY):
        found, false, beside, missed = 0, [], 0, []
        asked = 0
        for place in places:
            name = names[place]
            made = _changed(fault, name, weights, rng)
            if made is None:
                continue
            asked += 1
            alone = replace(looked_at({name: made})[0], name=name)
            said = set(alerts((*layers[:place], alone, *layers[place + 1 :])))
            twin = {one for one in said if fault == COPY and torch.equal(weights[one], made)}
            hit = bool(said & ({name} | twin))
            found += hit
            missed += [] if hit else [name]
            false.append(len(said - {name} - twin))
            beside += name not in theirs and name in watched({name: made})
        yield _row(
            network,
            fault,
            len(names),
            asked,
            found,
            float(np.mean(false)),
            beside,
            len(theirs),
            " ".join(missed),
        )


def _changed(fault: str, name: str, weights: Weights, rng: np.random.Generator) -> torch.Tensor | None:
    w = weights[name]
    if fault != COPY:
        return FAULTS[fault](w, rng)
    same = [one for one, other in weights.items() if one != name and other.shape == w.shape]
    return weights[same[int(rng.integers(len(same)))]].clone() if same else None


def untrained(network: str, draws: int) -> dict[str, Any]:
    """Look at networks before their training."""
    found, false, beside = 0, [], 0.0
    for seed in range(draws):
        weights = FRESH[network](seed)
        said = alerts(looked_at(weights))
        found += "network" in said
        false.append(len(set(said) - {"network"}))
        beside += len(watched(weights)) / draws
    return _row(network, UNTRAINED, len(weights), draws, found, float(np.mean(false)), None, beside, "")


def _row(network: str, fault: str, *rest: Any) -> dict[str, Any]:
    names = (
        "layers",
        "planted",
        "found",
        "false_marks",
        "weightwatcher_found",
        "weightwatcher_elsewhere",
        "missed",
    )
    print(network, fault, *rest, flush=True)
    return {"network": network, "fault": fault, **dict(zip(names, rest, strict=True))}


def table(rows: pd.DataFrame) -> str:
    """Write the table of docs."""
    out = [
        "| network | layers | what is planted | found | false marks a network "
        "| WeightWatcher: found | its marks elsewhere |",
        "|---|---:|---|---:|---:|---:|---:|",
    ]
    for row in rows.itertuples():
        many = f" of {row.planted:.0f}"
        found = "" if pd.isna(row.found) else f"{row.found:.0f}{many}"
        theirs = "" if pd.isna(row.weightwatcher_found) else f"{row.weightwatcher_found:.0f}{many}"
        what = f"nothing: {row.fault}" if row.fault in (HEALTHY, UNTRAINED) else row.fault
        out.append(
            f"| {row.network} | {row.layers:.0f} | {what} | {found} | {row.false_marks:.2g} | {theirs} | "
            f"{row.weightwatcher_elsewhere:.3g} |"
        )
    return "\n".join(out)


def write(rows: pd.DataFrame) -> None:
    """Write the table into docs/checks.md."""
    page = DOCS / "checks.md"
    text = page.read_text(encoding="utf-8")
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    page.write_text(f"{text[:start]}\n{table(rows)}\n{text[end:]}", encoding="utf-8")


def main() -> None:
    """Measure the networks that are asked for and write both files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", help="networks")
    parser.add_argument("--every", type=int, default=1, help="plant in every n-th layer")
    parser.add_argument("--draws", type=int, default=3, help="fresh networks")
    parser.add_argument("--seed", type=int, default=0, help="of what is planted, and where from")
    parser.add_argument("--page", action="store_true", help="only the table of docs/checks.md anew")
    asked = parser.parse_args()
    known = pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame(columns=["network"])
    for network, make in () if asked.page else TRAINED.items():
        if asked.only and network not in asked.only:
            continue
        weights = make()
        rows = (
            [*planted(network, weights, asked.every, asked.seed), untrained(network, asked.draws)]
            if network in PLANTED
            else [next(planted(network, weights, 1, asked.seed))]
        )
        known = pd.concat([known[known["network"] != network], pd.DataFrame(rows)], ignore_index=True)
        order = list(TRAINED)
        known = known.sort_values("network", key=lambda column: column.map(order.index), kind="stable")
        known.to_csv(TABLE, index=False)
    write(known)


if __name__ == "__main__":
    sys.exit(main())
