"""The Marchenko-Pastur fit against WeightWatcher's `mp_fit`, on the same eigenvalues, in turns in one
process.

Run with OMP_NUM_THREADS=1; prints markdown rows. `--quick` takes one round.
"""

from __future__ import annotations

import argparse
import logging
import warnings

import numpy as np
import weightwatcher

from eigentrail.spectra import ensembles
from eigentrail.spectra.marchenko_pastur import fit_marchenko_pastur
from sidebyside import HEADER, alternate, machine, row

SHAPES = ((144, 16), (576, 64), (1024, 512), (4096, 1024))
CALLS = 50  # of ours for each of theirs: one call is too short for the clock


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    rounds = 1 if parser.parse_args().quick else 5
    warnings.simplefilter("ignore")
    logging.getLogger("weightwatcher").setLevel(logging.CRITICAL)
    watcher = weightwatcher.WeightWatcher()
    print(f"{machine()}\n\n{HEADER}")
    for rows, cols in SHAPES:
        w = ensembles.spiked(rows, cols, [3.0, 5.0, 8.0], seed=0)
        values = np.linalg.eigvalsh(w.T @ w / rows)

        def ours(values: np.ndarray = values, rows: int = rows, cols: int = cols) -> None:
            for _ in range(CALLS):
                fit_marchenko_pastur(values, rows, cols)

        def theirs(values: np.ndarray = values, rows: int = rows, cols: int = cols) -> None:
            # what `analyze(mp_fit=True)` calls for each layer: eigenvalues of W^T W, no plots, rescaled
            watcher.mp_fit(
                values * rows, rows, cols, 1, "layer", 0, 0, False, False, ".", "blue", 0.5, True, values
            )

        first, second = alternate(ours, theirs, rounds)
        print(
            row(
                f"Marchenko-Pastur fit, {rows} x {cols}",
                "WeightWatcher `mp_fit`",
                first.cpu / CALLS,
                second.cpu,
                "200x",
            )
        )


if __name__ == "__main__":
    main()
