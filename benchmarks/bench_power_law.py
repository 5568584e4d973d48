"""The power-law fit against `powerlaw.Fit`, and the bootstrap: ratios measured in one process, alternating.

Run with OMP_NUM_THREADS=1; prints markdown rows. `--quick` takes n = 1024 and one repetition.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
import powerlaw

from eigentrail.spectra.power_law import fit_power_law


def _seconds(work: Callable[[], object]) -> tuple[float, object]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def _spectra(n: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    entries = random.standard_t(3, (2 * n, n))
    return {
        "Student-t(3) spectrum": np.linalg.eigvalsh(entries.T @ entries / (2 * n)),
        "Pareto sample, alpha 2.5": (1.0 - random.random(n)) ** (-1.0 / 1.5),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    n, repeat = (1024, 1) if options.quick else (4096, options.repeat)
    warnings.simplefilter("ignore")

    print("| work | eigentrail | other | ratio | difference in alpha, xmin, D |")
    print("|---|---|---|---|---|")
    for name, values in _spectra(n).items():
        fit_power_law(values)
        ours, plain, theirs = [], [], []
        for _ in range(repeat):
            seconds, other = _seconds(
                lambda v=values: powerlaw.Fit(v, parameter_ranges={"alpha": [1, None]}, verbose=0)
            )
            theirs.append(seconds)
            for _ in range(9):
                seconds, fit = _seconds(lambda v=values: fit_power_law(v))
                ours.append(seconds)
                plain.append(_seconds(lambda v=values: fit_power_law(v, alternatives=False))[0])
        off = (abs(fit.alpha - other.alpha), abs(fit.xmin - other.xmin), abs(fit.ks_distance - other.D))
        differences = ", ".join(f"{d:.0e}" for d in off)
        for label, times in (("", plain), (" and three alternatives", ours)):
            t, o = statistics.median(times), statistics.median(theirs)
            print(
                f"| power-law fit{label}, n = {n}, {name} (alpha {fit.alpha:.2f}) | {1e3 * t:.2f} ms "
                f"| powerlaw.Fit {o:.2f} s | {o / t:.0f}x | {differences} |"
            )

    n = 1024
    for name, values in _spectra(n).items():
        times = [_seconds(lambda v=values: fit_power_law(v, bootstrap=1000))[0] for _ in range(3)]
        print(
            f"| 1000 full-procedure draws each for p-value and interval, n = {n}, {name} "
            f"| {statistics.median(times):.2f} s | - | - | - |"
        )
    for n in (16, 64, 256, 1024):
        values = _spectra(n)["Student-t(3) spectrum"]
        times = [_seconds(lambda v=values: fit_power_law(v))[0] for _ in range(50)]
        plain = [_seconds(lambda v=values: fit_power_law(v, alternatives=False))[0] for _ in range(50)]
        print(
            f"| fit with alternatives (without), n = {n} | {1e3 * statistics.median(times):.2f} "
            f"({1e3 * statistics.median(plain):.2f}) ms | - | - | - |"
        )


if __name__ == "__main__":
    main()
