"""Neural collapse in numbers: NC1 to NC4, class-distance normalised variance and the separation D."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from eigentrail.features.within import WithinClass

# Rows of a K x K matrix that are made at once.
_BLOCK = 1024


@dataclass(frozen=True)
class Collapse:
    """How collapsed the features of one layer are. NaN stands for what is not defined there; `notes` says why.

    S_W and S_B are the within- and between-class covariances, mu_k the class means, mu_G their centre, M the centred
    class means [K, D].

    Attributes:
        nc1: tr(S_W pinv(S_B)) (Papyan, Han and Donoho 2020; S3 divides by nothing, either).
        nc1_over_k: the same divided by K, the field's other convention.
        nc2_equinorm: standard deviation of the rows' norms of M over their mean.
        nc2_equiangular: mean over pairs of |cos(mu_k - mu_G, mu_l - mu_G) + 1/(K - 1)|.
        nc2_etf: Frobenius distance of M M^T / ||M M^T|| from that of a simplex equiangular tight frame.
        nc3: ||W / ||W|| - M / ||M||||^2, W the rows of the linear head that follows.
        nc4: share of the samples for which the head's choice is not the nearest class mean.
        cdnv: mean over pairs of (v_k + v_l) / (2 ||mu_k - mu_l||^2), v_k = tr of the class's covariance (Galanti 2021).
        d: tr S_W / tr S_B (S3's D_l; He and Su 2022).
        features: D, the length of a feature vector.
        classes: K, the classes that have samples.
        per_class: the median number of samples of a class.
        samples: N.
        rank: of M, to the rounding of the features.
        notes: what should be known when these are read.
    """

    nc1: float
    nc1_over_k: float
    nc2_equinorm: float
    nc2_equiangular: float
    nc2_etf: float
    nc3: float
    nc4: float
    cdnv: float
    d: float
    features: int
    classes: int
    per_class: int
    samples: int
    rank: int
    notes: tuple[str, ...]


def collapse_of(
    within: WithinClass,
    *,
    balanced: bool = False,
    head: torch.Tensor | None = None,
    expected: int | None = None,
) -> Collapse:
    """Compute all numbers of one layer.

    Args:
        within: moments of both passes.
        balanced: True to give each class the same weight in S_W, False to give each sample the same.
        head: [outputs, D] weight of the linear head that follows; None without one.
        expected: how many classes there should be, where that is known.

    Returns:
        The numbers.
    """
    moments = within.moments
    counts, classes = moments.counts, len(moments.counts)
    means = moments.means - within.centre
    # The weight of each class's sum of squares in S_W.
    share = 1.0 / (classes * counts) if balanced else torch.full_like(counts, 1.0 / float(counts.sum()))
    trace_within = float(share @ moments.scatter)
    trace_between = float(means.square().sum()) / classes
    nc1 = (
        classes * float((share @ within.along / within.singular.square()).sum())
        if len(within.singular)
        else math.nan
    )
    norms = means.square().sum(1).sqrt()
    equiangular, etf = _angles(means, norms)
    together = trace_between > 0.0
    return Collapse(
        nc1=nc1,
        nc1_over_k=nc1 / classes,
        nc2_equinorm=float(norms.std(correction=0) / norms.mean()) if together else math.nan,
        nc2_equiangular=equiangular,
        nc2_etf=etf,
        nc3=_self_duality(means, head, moments.labels),
        nc4=1.0 - within.nearest / within.judged if within.judged else math.nan,
        cdnv=_cdnv(means, moments.scatter / counts),
        d=trace_within / trace_between if together else math.nan,
        features=moments.features,
        classes=classes,
        per_class=int(counts.median()),
        samples=moments.samples,
        rank=len(within.singular),
        notes=tuple(_notes(within, head, expected)),
    )


def _blocks(classes: int) -> Iterator[slice]:
    return (slice(low, min(low + _BLOCK, classes)) for low in range(0, classes, _BLOCK))


def _angles(means: torch.Tensor, norms: torch.Tensor) -> tuple[float, float]:
    """Mean deviation of the cosines from -1/(K - 1), and the distance of the Gram matrix from a simplex frame's."""
    classes = len(means)
    if not bool((norms > 0).all()):
        return math.nan, math.nan
    unit = means / norms[:, None]
    angles = squares = distance = 0.0
    for rows in _blocks(classes):
        squares += float((means[rows] @ means.T).square().sum())
    frame = -1.0 / (classes * math.sqrt(classes - 1.0))
    for rows in _blocks(classes):
        places = torch.arange(rows.start, rows.stop, device=means.device)
        cosines = unit[rows] @ unit.T + 1.0 / (classes - 1.0)
        cosines[places - rows.start, places] = 0.0
        angles += float(cosines.abs().sum())
        gram = means[rows] @ means.T / math.sqrt(squares) - frame
        gram[places - rows.start, places] -= 1.0 / math.sqrt(classes - 1.0)
        distance += float(gram.square().sum())
    return angles / (classes * (classes - 1.0)), math.sqrt(distance)


def _cdnv(means: torch.Tensor, variances: torch.Tensor) -> float:
    """Mean over pairs of classes of their mean variance over the squared distance of their means."""
    classes, total = len(means), 0.0
    # Distances by their squares are faster for thousands of classes, and lose digits between near ones.
    how = "donot_use_mm_for_euclid_dist" if classes <= _BLOCK else "use_mm_for_euclid_dist"
    for rows in _blocks(classes):
        apart = torch.cdist(means[rows], means, compute_mode=how).square()
        places = torch.arange(rows.start, rows.stop, device=means.device)
        apart[places - rows.start, places] = torch.inf
        total += float(((variances[rows, None] + variances) / (2.0 * apart)).sum())
    return total / (classes * (classes - 1.0)) if math.isfinite(total) else math.nan


def _self_duality(means: torch.Tensor, head: torch.Tensor | None, labels: list[int]) -> float:
    if head is None or max(labels) >= len(head):
        return math.nan
    rows = head.double()[torch.tensor(labels, device=head.device)].to(means.device)
    return float((rows / rows.norm() - means / means.norm()).square().sum())


def _notes(within: WithinClass, head: torch.Tensor | None, expected: int | None) -> Iterator[str]:
    moments = within.moments
    counts, classes, features = moments.counts, len(moments.counts), moments.features
    if expected is not None and classes < expected:
        yield f"{expected - classes} of {expected} classes have no sample and are left out"
    if float(counts.max()) > 1.5 * float(counts.min()):
        yield f"classes have {int(counts.min())} to {int(counts.max())} samples"
    alone = int((counts == 1).sum())
    if alone:
        yield f"{alone} of {classes} classes have one sample, which has no spread" + (
            ": NC1, CDNV and D are 0 by construction" if alone == classes else ""
        )
    if moments.samples - classes < features:
        yield f"{moments.samples} samples of {classes} classes in {features} dimensions: S_W is singular"
    if features < classes - 1:
        yield f"{features} dimensions hold no simplex of {classes} classes: NC2 cannot reach 0"
    if len(within.singular) < min(classes - 1, features):
        yield f"the class means span {len(within.singular)} of {min(classes - 1, features)} directions"
    if head is not None and max(moments.labels) >= len(head):
        yield f"the head has {len(head)} outputs and none for class {max(moments.labels)}: no NC3"
