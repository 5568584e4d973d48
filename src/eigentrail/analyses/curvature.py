"""The Hessian of the training loss at the last step: its spectrum, and how its eigenvectors lie beside the weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from numpy.typing import NDArray

from eigentrail.analyses import Context, Figure, Needs, Quantity, Row, Size, analysis
from eigentrail.analyses.framework.probe import Probe
from eigentrail.analyses.framework.subjects import Subject
from eigentrail.analyses.framework.wording import percent
from eigentrail.analyses.hessian.node import describe_target
from eigentrail.analyses.hessian.parameter_point import WHOLE, ParameterPoint, targets_of
from eigentrail.analyses.hessian.sentences import detail_of
from eigentrail.errors import CurvatureError
from eigentrail.figures import hessian_loss_along, hessian_overlaps, hessian_spectrum, hessian_vectors, levels
from eigentrail.findings import Chance, Effect, Finding, Skipped, Verdict
from eigentrail.runs import Run
from eigentrail.spectra.energy import directions_for, energy_shares, symmetric_noise_directions
from eigentrail.training.losses import name_of_loss

#: The largest number of parameters whose Hessian is written out and diagonalised.
LARGEST_EXACT = 8500
SAMPLES = 10_000
_CURVED = "Is the loss curved along fewer directions than a random matrix?"
_BETTER = "Do the updates' components match Hessian eigenvectors better than the weights'?"
# The share of the squared Hessian whose eigenvectors are counted.
_MOST = 0.9


@dataclass(frozen=True)
class Target:
    """Parameters whose Hessian is looked at.

    Attributes:
        name: a parameter's name, or `WHOLE`.
        point: the step, with network and samples.
        exact: whether the matrix is written out with all its eigenpairs.
    """

    name: str
    point: ParameterPoint
    exact: bool


def _targets(
    run: Run, layers: str | Sequence[str] | None, probe: Probe, arguments: Mapping[str, Any]
) -> tuple[list[Subject], list[Skipped]]:
    del probe  # the Hessian is of more samples than those that are evaluated
    point = ParameterPoint(run, int(run.steps[-1]), samples=arguments["samples"], seed=arguments["seed"])
    largest = int(arguments["largest_exact"])
    targets = targets_of(point, layers)
    skipped = []
    if targets and targets[-1] == WHOLE:
        skipped = [
            Skipped(
                name,
                f"its Hessian of {point.size(name):,} parameters is not written out; name it with --layers for its "
                "largest eigenpairs",
            )
            for name in targets[:-1]
            if point.size(name) > largest
        ]
    left_out = {one.name for one in skipped}
    subjects = [
        Subject(name, Size(1, point.size(name)), partial(_open, point, name, largest))
        for name in targets
        if name not in left_out
    ]
    return subjects, skipped


def _open(point: ParameterPoint, name: str, largest: int) -> Target:
    size = point.size(name)
    if size < 2:
        raise CurvatureError(f"{name} has a single parameter")
    exact = size <= largest
    return Target(name, point if exact else point.affordable(), exact)


def _findings(row: Row) -> Iterable[Finding]:
    yield _curved(row)
    gap, error = row["sharper_by"], row["sharper_error"]
    if gap is not None and error:
        sure = abs(gap) > 2.0 * error
        told = row.node.attrs
        updates, weights, random = (
            percent(told[key]) for key in ("updates_share", "weights_share", "weights_share_chance")
        )
        yield Finding(
            subject=row.subject,
            question=_BETTER,
            verdict=(Verdict.YES if gap > 0 else Verdict.NO) if sure else Verdict.UNDECIDED,
            sentence=f"Components of the updates lie on average {updates} in Hessian eigenvectors of about the same "
            f"index, those of the weights {weights}, random directions {random}.",
            effect=Effect("difference of both shares", gap),
            chance=Chance("equal shares", 0.0),
            interval=(gap - 1.96 * error, gap + 1.96 * error),
            detail=f"The difference is {100 * gap:+.2g} ± {100 * error:.1g} percentage points; near: within 5% of all "
            "places. Means over all components.",
        )
    inside, random = row["outliers_in_leading"], row["in_leading_chance"]
    if inside is not None and random is not None:
        yield Finding(
            subject=row.subject,
            question="Do the outlying singular matrices lie in the Hessian's leading eigenvectors?",
            verdict=Verdict.YES if inside > 2.0 * random else Verdict.NO,
            sentence=f"{inside:.0%} of the outlying singular matrices lies in the leading eigenvectors; random ones "
            f"{random:.0%}.",
            effect=Effect("share in the leading eigenvectors", inside, "0 to 1"),
            chance=Chance("random directions", random),
        )


def _curved(row: Row) -> Finding:
    """Say in how few directions the loss curves: beside a random symmetric matrix where all eigenvalues are known."""
    n, largest = int(row["n"]), float(row["largest"])
    values = np.asarray(row.node["spectrum"].to_dataset()["eigenvalue"].values)
    if not row["exact"] or not largest:
        # Without all eigenvalues the squared norm is not known.
        trace = f"{row['trace']:.3g} ± {row['trace_error']:.1g}"
        return Finding(
            subject=row.subject,
            question=_CURVED,
            verdict=Verdict.UNDECIDED,
            sentence=f"The largest of {n:,} Hessian eigenvalues is {largest:.3g}, the trace {trace}; the others are "
            "not computed.",
            effect=Effect("largest eigenvalue", largest, "loss per squared weight"),
            detail=detail_of(row.node),
        )
    count, random = directions_for(energy_shares(values**2), _MOST), symmetric_noise_directions(n, _MOST)
    negative = int(row["negative"])
    below = "none is negative" if not negative else f"{negative} are negative"
    return Finding(
        subject=row.subject,
        question=_CURVED,
        verdict=Verdict.YES if count < random else Verdict.NO,
        sentence=f"{count} of {n:,} Hessian eigenvalues hold {_MOST:.0%} of their sum of squares ({random:,} in a "
        f"random symmetric matrix); {below}.",
        effect=Effect("eigenvalues that hold 90%", count, "count"),
        chance=Chance("a random symmetric matrix (semicircle)", random),
        detail=f"The largest eigenvalue is {largest:.3g}, the smallest {float(row['smallest']):.2g}. "
        + detail_of(row.node),
    )


def _eigenvalues(node: xr.DataTree) -> dict[str, NDArray[np.float64]]:
    found = {"at the last step": node["spectrum"].to_dataset()["eigenvalue"].values}
    if "initial" in node.children:
        found["at the first step"] = node["initial"].to_dataset()["eigenvalue"].values
    return found


def _densities(node: xr.DataTree) -> dict[str, xr.Dataset]:
    found = {"at the last step": node["density"].to_dataset()}
    if "initial_density" in node.children:
        found["at the first step"] = node["initial_density"].to_dataset()
    return found


def _density(node: xr.DataTree, title: str) -> go.Figure:
    found = _densities(node)
    return hessian_spectrum.density_curves(
        found, f"Gaussian kernel of width {float(found['at the last step'].attrs['width']):.2g}"
    )


def _products(node: xr.DataTree, title: str) -> go.Figure:
    vectors = node["vectors"].to_dataset()
    products = {"weights of the last step": vectors["product"].values}
    if "product_first" in vectors:
        products["weights of the first step"] = vectors["product_first"].values
    return hessian_vectors.weight_products(products, float(node.attrs["n"]) ** -0.5)


def _vector_table(node: xr.DataTree) -> pd.DataFrame:
    return hessian_vectors.vector_data(
        node["vectors"].to_dataset(), node["spectrum"].to_dataset()["eigenvalue"].values
    )


def _participation(node: xr.DataTree, title: str) -> go.Figure:
    shares = {"at the last step": node["vectors"].to_dataset()["participation"].values}
    if "initial" in node.children:
        shares["at the first step"] = node["initial"].to_dataset()["participation"].values
    return hessian_vectors.participation(shares, int(node.attrs["n"]))


def _map(key: str, title: str, other: str) -> Figure:
    return Figure(
        key.replace("_", "-"),
        title,
        "Each cell is the mean overlap of a block of directions in units of what random directions have; blocks "
        "grow with "
        "rank.",
        lambda node, heading: hessian_overlaps.overlap_map(node[key].to_dataset(), heading, other),
        lambda node: hessian_overlaps.overlap_data(node[key].to_dataset()),
        when=lambda node: key in node.children,
    )


def _move(child: str, what: str, draw: Any, data: Any, caption: str) -> Figure:
    def moved(node: xr.DataTree) -> xr.Dataset:
        loss = {name: node.attrs[name] for name in ("loss_name",) if name in node.attrs}
        return node[child].to_dataset().assign_attrs(loss)

    def has(node: xr.DataTree) -> bool:
        # Targets that are no classes have no accuracy.
        return child in node.children and bool(np.isfinite(node[child].to_dataset()[what].values).any())

    return Figure(
        f"{child.replace('_', '-')}-{what}",
        f"{what} along eigenvectors" if child == "landscape" else f"{what}, eigenvectors added back",
        caption,
        lambda node, title: draw(moved(node), what),
        lambda node: data(node[child].to_dataset()),
        when=has,
    )


_MOVES = (
    "Open circles: where the weights are. At α = 0 the eigenvector is taken out of the weights. Dashed: the parabola "
    "of slope and curvature, which holds near the circle only."
)
_ADDED = (
    "The weights are put together out of their parts along the first k eigenvectors; the others are zero."
)
_PER_WEIGHT = "loss per squared weight"


@analysis(
    "curvature",
    question="The Hessian at the last step",
    about="the Hessian at the last step: eigenvalues, eigenvectors beside weights, motion and singular matrices",
    version=5,
    unit="probe",
    order=80,
    default=False,
    parallel=False,
    subjects=_targets,
    needs=Needs(network=True, data=True),
    findings=_findings,
    source="S1 chapter 7",
    arguments={"samples": SAMPLES, "largest_exact": LARGEST_EXACT, "initial": True, "seed": 0},
    quantities={
        "n": Quantity("Parameters", "How many parameters the Hessian is of.", "count", shown=True),
        "samples": Quantity("Samples", "How many training samples the loss is the mean over.", "count"),
        "exact": Quantity(
            "Written out", "Whether all eigenpairs are known, or only the largest.", shown=True
        ),
        "loss": Quantity("Loss", "Mean training loss at this step.", "loss"),
        "largest": Quantity(
            "Largest eigenvalue", "Largest eigenvalue of the Hessian.", _PER_WEIGHT, shown=True
        ),
        "smallest": Quantity(
            "Smallest eigenvalue",
            "Smallest eigenvalue of the Hessian.",
            _PER_WEIGHT,
            shown=True,
            absent="the matrix is not written out",
        ),
        "trace": Quantity("Trace", "Sum of all eigenvalues.", _PER_WEIGHT, shown=True),
        "trace_error": Quantity(
            "Error of the trace", "Standard error of an estimated trace; 0 where exact.", _PER_WEIGHT
        ),
        "null": Quantity("Null space", "Eigenvalues that count as zero.", "count"),
        "negative": Quantity("Negative", "Eigenvalues below zero, beyond rounding.", "count"),
        "outliers_in_leading": Quantity(
            "Outliers in the leading eigenvectors",
            "Share of the singular matrices above the Marchenko-Pastur bulk in the span of the leading eigenvectors.",
            "0 to 1",
            source="S1 7.3",
        ),
        "bulk_in_leading": Quantity(
            "Bulk in the leading eigenvectors", "The same of the singular matrices of the bulk.", "0 to 1"
        ),
        "in_leading_chance": Quantity(
            "Random directions in the leading eigenvectors", "The same of random directions.", "0 to 1"
        ),
        "weights_in_leading": Quantity(
            "Weights in the leading eigenvectors",
            "Share of the layer's weights, as one vector, in the span of the leading eigenvectors.",
            "0 to 1",
            source="S1 9",
            chance="Random directions have their number ÷ n.",
        ),
        "signs_in_leading": Quantity(
            "Weights with random signs in the leading eigenvectors",
            "The same of the sum of the singular matrices with random signs, on average.",
            "0 to 1",
        ),
        "weights_sharpness": Quantity(
            "Sharpness, weights",
            "How near the components of the weights lie to eigenvectors of the same order.",
            source="S1 7.2",
            shown=True,
        ),
        "updates_sharpness": Quantity(
            "Sharpness, updates",
            "How near the components of the updates lie to eigenvectors of the same order.",
            source="S1 7.2",
            shown=True,
        ),
        "sharper_by": Quantity(
            "Difference", "Sharpness of the updates' components minus that of the weights'."
        ),
        "sharper_error": Quantity("Error of the difference", "One standard error of the difference."),
        "weights_exponent_all": Quantity(
            "Variance-flatness exponent, weights",
            "Exponent of the variance along components of the weights over their curvature.",
            source="S1 3.8",
        ),
        "weights_exponent_below": Quantity(
            "The same below h_cross",
            "Exponent among directions of curvature below h_cross: 1 where noise is proportional to it.",
            source="S1 3.9",
            absent="fewer than three such directions, or a run that does not say rate and batch size",
        ),
        "weights_exponent_above": Quantity(
            "The same above h_cross",
            "Exponent among directions of curvature above h_cross: 0 where an epoch's noise averages out.",
            source="S1 3.9",
            absent="fewer than three such directions, or a run that does not say rate and batch size",
        ),
        "h_cross": Quantity(
            "h_cross",
            "3 S (1 − β) ÷ (η N), where the law changes.",
            _PER_WEIGHT,
            source="S1 3.9",
            absent="the run does not say rate and batch size",
        ),
        "updates_exponent_all": Quantity(
            "Variance-flatness exponent, updates",
            "Exponent of the variance along components of the updates over their curvature.",
            source="S1 3.8",
        ),
        "enough_by_value": Quantity(
            "Eigenvectors needed, by value",
            "How many eigenvectors, largest value first, bring back 95% of the accuracy that zeros lose.",
            "count",
            source="S1 7.2",
        ),
        "enough_by_magnitude": Quantity(
            "Eigenvectors needed, by magnitude",
            "The same, largest magnitude first.",
            "count",
            source="S1 7.2",
        ),
        "enough_by_product": Quantity(
            "Eigenvectors needed, by weight product",
            "The same, largest product with the weights first.",
            "count",
            source="S1 7.2",
        ),
        "few": Quantity(
            "A few", "How many eigenvectors are a few: 25, or all where there are fewer.", "count"
        ),
        "few_by_value": Quantity(
            "Accuracy of a few, by value",
            "Share of the accuracy that zeros lose which the first 25 bring back, largest value first.",
            "0 to 1",
            source="S1 7.2",
        ),
        "few_by_product": Quantity(
            "Accuracy of a few, by weight product",
            "The same, largest product with the weights first.",
            "0 to 1",
            source="S1 7.2",
        ),
        "weights_share_steepest": Quantity(
            "Likeness at the steep end, weights",
            "Share of the steepest tenth of the eigenvectors in as many leading components of the weights.",
            "0 to 1",
            source="S1 7.1",
            chance="0.1 for random bases.",
            absent="fewer recorded steps than curved directions",
        ),
        "weights_share_middle": Quantity(
            "Likeness in the middle, weights", "The same of the tenths between, on average.", "0 to 1"
        ),
        "weights_share_flattest": Quantity(
            "Likeness at the flat end, weights",
            "The same of the flattest tenth, directions without curvature left out.",
            "0 to 1",
        ),
        "weights_share_band": Quantity(
            "Likeness at the ends of an even band, weights",
            "What either end has where the band about the diagonal is as wide there as between: it has neighbours "
            "on one side only.",
            "0 to 1",
        ),
        "updates_share_steepest": Quantity(
            "Likeness at the steep end, updates", "The same with components of the updates.", "0 to 1"
        ),
        "updates_share_middle": Quantity(
            "Likeness in the middle, updates", "The same of the tenths between, on average.", "0 to 1"
        ),
        "updates_share_flattest": Quantity(
            "Likeness at the flat end, updates", "The same of the flattest tenth.", "0 to 1"
        ),
        "updates_share_band": Quantity(
            "Likeness at the ends of an even band, updates",
            "What either end has where the band about the diagonal is as wide there as between: it has neighbours "
            "on one side only.",
            "0 to 1",
        ),
        "spacing_ratio": Quantity(
            "Spacing ratio",
            "Mean ratio of neighbouring spacings of the eigenvalues without the null space.",
            "0 to 1",
            chance="0.531 for random matrices, 0.386 for independent levels.",
            shown=True,
        ),
        "spacing_ratio_error": Quantity("Error of the spacing ratio", "One standard error."),
        "spacing_p_wigner": Quantity(
            "p, Wigner", "p-value of the unfolded spacings against Wigner's surmise.", "0 to 1"
        ),
        "spacing_p_poisson": Quantity(
            "p, Poisson", "p-value of the unfolded spacings against independent levels.", "0 to 1"
        ),
        "products": Quantity("Products", "Hessian-vector products that were taken.", "count"),
    },
    figures=(
        Figure(
            "eigenvalues",
            "Hessian eigenvalues by rank",
            "Sizes of the eigenvalues by rank, those of either sign apart; dotted where negative. What lies nine "
            "decades below the largest is rounding.",
            lambda node, title: hessian_spectrum.by_rank(_eigenvalues(node), title),
            lambda node: hessian_spectrum.by_rank_data(_eigenvalues(node)),
        ),
        Figure(
            "density",
            "density of Hessian eigenvalues",
            "Each eigenvalue counts as a Gaussian of the width in the title. Bands: two standard errors.",
            _density,
            lambda node: hessian_spectrum.density_data(_densities(node)),
        ),
        Figure(
            "weight-product",
            "weights along Hessian eigenvectors",
            "How much of the weights lies along each eigenvector. Random directions have the dotted level; "
            "eigenvectors "
            "of small products can be taken out without harm. The eigenvectors are those at the last step for both.",
            _products,
            _vector_table,
        ),
        _map(
            "weights_components",
            "eigenvectors and components of the weights",
            "principal component of the weights",
        ),
        _map(
            "updates_components",
            "eigenvectors and components of the updates",
            "principal component of the updates",
        ),
        _map("singular", "eigenvectors and singular matrices", "singular matrix"),
        *(
            _move("landscape", what, hessian_loss_along.landscape, hessian_loss_along.landscape_data, _MOVES)
            for what in ("loss", "accuracy")
        ),
        *(
            _move("add_back", what, hessian_loss_along.add_back, hessian_loss_along.add_back_data, _ADDED)
            for what in ("accuracy", "loss")
        ),
        Figure(
            "flatness",
            "variance of the weights and curvature",
            "Over the second half of the training, down to 1/10,000 of the largest curvature. Noise proportional "
            "to the "
            "Hessian gives exponent 1 below h_cross and 0 above it, where the samples of an epoch average out.",
            lambda node, title: hessian_loss_along.flatness(node["flatness"].to_dataset()),
            lambda node: hessian_loss_along.flatness_data(node["flatness"].to_dataset()),
            when=lambda node: "flatness" in node.children,
        ),
        Figure(
            "concentration",
            "where eigenvectors live",
            "A running mean of each eigenvector's squared norm by parameter; dotted lines of the same colour are the "
            "parameters' shares of the network, what random directions have.",
            lambda node, title: hessian_vectors.concentration(node["vectors"].to_dataset()),
            _vector_table,
            when=lambda node: "concentration" in node["vectors"].data_vars,
        ),
        Figure(
            "participation",
            "inverse participation ratio",
            "Large: the eigenvector lives on few weights.",
            _participation,
            _vector_table,
        ),
        Figure(
            "porter-thomas",
            "Porter-Thomas test of the eigenvectors",
            "Entries of a random direction are Gaussian and give p-values of 0.5 on average.",
            lambda node, title: hessian_vectors.porter_thomas(node["vectors"].to_dataset()),
            _vector_table,
            when=lambda node: bool(node.attrs["exact"]) and "porter_thomas_mean" in node["vectors"].data_vars,
        ),
        Figure(
            "spacings",
            "spacings of neighbouring levels",
            "Eigenvalues without the null space, unfolded over ten neighbours on either side.",
            lambda node, title: levels.histogram_of_spacings(
                node["levels"].to_dataset()["spacing"].values,
                node.attrs.get("spacing_p_wigner"),
                node.attrs.get("spacing_p_poisson"),
            ),
            lambda node: pd.DataFrame({"spacing": node["levels"].to_dataset()["spacing"].values}),
            when=lambda node: "levels" in node.children,
        ),
        Figure(
            "spacing-ratios",
            "ratios of neighbouring spacings",
            "Ratios need no unfolding: the surer test.",
            lambda node, title: levels.histogram_of_ratios(
                node["levels"].to_dataset()["ratio"].values, node.attrs.get("spacing_ratio")
            ),
            lambda node: pd.DataFrame({"ratio": node["levels"].to_dataset()["ratio"].values}),
            when=lambda node: "levels" in node.children,
        ),
    ),
)
def curvature(target: Target, context: Context) -> xr.DataTree:
    """Look at the Hessian of the training loss at the last step of a run (S1 chapter 7).

    Args:
        target: the parameters.
        context: what is told of the work.

    Returns:
        See `describe_target`; the table's numbers are attributes.
    """
    tree = describe_target(
        target.point,
        target.name,
        exact=target.exact,
        initial=target.exact and bool(context.arguments["initial"]),
        tell=lambda words: context.progress(words, 0, 1),
    )
    values = tree["spectrum"].to_dataset()["eigenvalue"].values
    tree.attrs = {
        **tree.attrs,
        "exact": int(target.exact),
        "loss_name": name_of_loss(target.point.run),
        "largest": float(values[0]),
        "smallest": float(values[-1]) if target.exact else None,
    }
    return tree
