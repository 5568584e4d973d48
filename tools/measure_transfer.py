"""Transfer the ResNets of CIFAR-10 to other images in all four ways, over seeds.

    EIGENTRAIL_DATA=FOLDER OMP_NUM_THREADS=1 python tools/measure_transfer.py [RESNET]...

The checkpoints are those of `resnet-cifar10` below the folder's `checkpoints`. Digits and Fashion-MNIST are brought to
the form that the networks were trained on (`data.for_images`). One layer of the last stage is tuned: trying each takes
20 times as long. Writes docs/transfer_of_resnets.csv, a row per network, data set, seed and way, as they come; what is
there already is not done again.
"""

from __future__ import annotations

import os
import sys
from itertools import product
from pathlib import Path

import pandas as pd
import torch
from torch import nn

import eigentrail as et
from eigentrail.training import transfer

FILES = {"resnet20": "resnet20-12fca82f.th", "resnet56": "resnet56-4bfd9763.th"}
LAYERS = {"resnet20": "layer3.2.conv2", "resnet56": "layer3.8.conv2"}
SAMPLES, HELD_OUT, SEEDS = 500, 500, (0, 1, 2)
TABLE = Path(__file__).parent.parent / "docs" / "transfer_of_resnets.csv"


def pretrained(name: str) -> nn.Module:
    """Build a network with the weights of its checkpoint."""
    folder = Path(os.environ["EIGENTRAIL_DATA"]) / "checkpoints" / "resnet-cifar10"
    stored = torch.load(folder / FILES[name], map_location="cpu", weights_only=True)["state_dict"]
    model = et.networks.build(name, (3, 32, 32), 10)
    model.load_state_dict({key.removeprefix("module."): value for key, value in stored.items()})
    return model.eval()


def main(names: list[str]) -> None:
    """Transfer each network and write its rows."""
    for name, of, seed in product(names or FILES, ("digits", "fashion-mnist"), SEEDS):
        table = (
            pd.read_csv(TABLE) if TABLE.is_file() else pd.DataFrame({"network": [], "data": [], "seed": []})
        )
        if ((table["network"] == name) & (table["data"] == of) & (table["seed"] == seed)).any():
            continue
        given = et.data.load(of)
        held = min(HELD_OUT, len(given.test_inputs))
        data = et.data.for_images(et.data.take(given, SAMPLES, held, seed=seed))
        settings = transfer.TransferSettings(steps=100, batch_size=32, rates=(1e-3, 3e-3, 1e-2), seed=seed)
        rows = []
        for way in transfer.all_methods(pretrained(name), data, LAYERS[name], settings):
            collapse = way.collapse(data).reset_index()
            last = collapse[collapse["part"] == "train"].iloc[-1]
            rows.append(
                {"network": name, "data": of, "seed": seed, "samples": SAMPLES, "held_out": held}
                | way.row()
                | {"nc1": float(last["nc1"]), "d": float(last["d"])}
            )
            print(rows[-1], flush=True)
        pd.concat([table, pd.DataFrame(rows)]).to_csv(TABLE, index=False)


if __name__ == "__main__":
    main(sys.argv[1:])
