"""S3's own table of transfer, and the claims that it decides without any run."""

from __future__ import annotations

import pandas as pd

from eigentrail.findings import Claim, ClaimResult, greater_than, less_than

_SOURCE = "S3, table of transfer results"
_METHODS = ("linear probe", "layer", "layer with skip", "full")
_COLUMNS = (
    "ResNet50 CIFAR-10", "ResNet50 CIFAR-100", "ResNet50 Aircraft", "ResNet50 DTD", "ResNet50 PET", "ViT-B Aircraft",
    "ViT-B DTD", "ViT-B PET", "CLIP Aircraft", "CLIP DTD", "CLIP PET",
)  # fmt: skip
_ACCURACY = (
    (85.33, 65.47, 43.23, 68.46, 89.26, 43.65, 73.88, 92.23, 12.87, 32.34, 39.66),
    (94.04, 77.47, 70.27, 67.66, 89.40, 65.83, 77.13, 92.93, 67.63, 79.47, 91.09),
    (94.94, 78.32, 70.72, 72.87, 91.69, 65.80, 77.34, 93.13, 66.58, 79.04, 90.02),
    (85.51, 78.88, 80.77, 76.12, 73.24, 64.66, 76.54, 93.02, 59.11, 72.82, 84.44),
)
_NC1 = (
    (1.84, 18.36, 20.36, 3.52, 1.45, 17.91, 1.99, 0.66, 17.47, 2.96, 3.77),
    (0.28, 3.22, 3.37, 1.68, 0.68, 6.98, 1.62, 0.44, 1.30, 0.42, 0.32),
    (0.22, 2.61, 1.02, 0.64, 0.39, 7.48, 1.33, 0.35, 1.65, 0.61, 0.46),
    (0.17, 0.15, 0.61, 0.31, 0.28, 3.78, 1.11, 0.21, 0.49, 0.17, 0.18),
)


def source_table() -> pd.DataFrame:
    """Give the source's numbers.

    Returns:
        A row per network, data set and method: `accuracy` in percent and `nc1` of the penultimate features.
    """
    return pd.DataFrame(
        [
            {"column": column, "method": method, "accuracy": _ACCURACY[m][c], "nc1": _NC1[m][c]}
            for c, column in enumerate(_COLUMNS)
            for m, method in enumerate(_METHODS)
        ]
    )


def table_claims() -> list[ClaimResult]:
    """Decide what the source's table can decide, with its eleven columns as the repetitions.

    Returns:
        Whether the most collapsed method is the best one, and the order of the methods in accuracy and in NC1.
    """
    table = source_table()
    accuracy, nc1 = (
        table.pivot(index="column", columns="method", values=one).loc[list(_COLUMNS)]
        for one in ("accuracy", "nc1")
    )
    best = (accuracy.idxmax(axis=1) == nc1.idxmin(axis=1)).astype(float)
    layer, skip, probe, full = (accuracy[one] for one in ("layer", "layer with skip", "linear probe", "full"))
    return [
        Claim(
            "s3-table-collapse-best-method",
            _SOURCE,
            "Better transfer comes with more collapsed features, across methods of the source's own table.",
            "1 where the most collapsed of four methods is the most accurate one, else 0; 3 of 11 columns",
            greater_than(0.5),
            unit="column",
        ).decide(best.tolist()),
        Claim(
            "s3-table-skip-above-layer",
            _SOURCE,
            "In the source's own table, tuning one layer with a skip connection is at least as good as without.",
            "accuracy with the skip connection minus without, in points; better in 7 of 11 columns",
            greater_than(0.0),
            unit="column",
        ).decide((skip - layer).tolist()),
        Claim(
            "s3-table-layer-above-probe",
            _SOURCE,
            "In the source's own table, tuning one layer is at least as good as a linear probe.",
            "accuracy of layer tuning minus that of the probe, in points; better in 10 of 11 columns",
            greater_than(0.0),
            unit="column",
        ).decide((layer - probe).tolist()),
        Claim(
            "s3-table-skip-near-full",
            _SOURCE,
            "In the source's own table the skip connection does at least as well as full tuning.",
            "accuracy with the skip connection minus that of full tuning, in points",
            greater_than(0.0),
            unit="column",
        ).decide((skip - full).tolist()),
        Claim(
            "s3-table-skip-more-collapsed",
            _SOURCE,
            "In the source's own table penultimate features are more collapsed with the skip connection.",
            "NC1 with the skip connection over NC1 without; smaller in 7 of 11 columns",
            less_than(1.0),
            unit="column",
        ).decide((nc1["layer with skip"] / nc1["layer"]).tolist()),
    ]
