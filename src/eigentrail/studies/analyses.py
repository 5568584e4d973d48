"""The analyses that can be made of any run, by name.

An analysis is added by one more entry of `ANALYSES`; the command line, `analyze` and the page find it there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import pandas as pd
import xarray as xr

from eigentrail._names import look_up
from eigentrail._progress import Progress
from eigentrail.errors import OptionError
from eigentrail.runs import Run
from eigentrail.studies import adding_back, landscapes, scaling
from eigentrail.studies.adding_back import add_back_analysis, add_back_table
from eigentrail.studies.drifting import DRIFT_SHOWN, drift_table, drifting
from eigentrail.studies.geodesics import GEODESIC, GEODESIC_SHOWN, geodesic_table
from eigentrail.studies.hessian.analysis import SHOWN as CURVATURE_SHOWN
from eigentrail.studies.hessian.analysis import VERSION as CURVATURE_VERSION
from eigentrail.studies.hessian.analysis import curvature_analysis, curvature_table
from eigentrail.studies.landscapes import landscape_analysis, landscape_table
from eigentrail.studies.layerwise import stored_layers
from eigentrail.studies.leading_crossings import CROSSINGS, CROSSINGS_SHOWN, crossings_table
from eigentrail.studies.overlapping import OVERLAP_SHOWN, overlap_table, overlapping
from eigentrail.studies.principal import PCA_SHOWN, pca_table, principal_components
from eigentrail.studies.scaling import loss_scaling_analysis, loss_scaling_table
from eigentrail.studies.subspace_angles import SUBSPACES, SUBSPACES_SHOWN, subspaces_table
from eigentrail.trajectories import evolution, evolution_table


class Compute(Protocol):
    """What makes an analysis; it stores its result in the run and answers from there the next time."""

    def __call__(
        self, run: Run, *, layers: str | list[str] | None, jobs: int, progress: Progress | bool | None
    ) -> xr.DataTree:
        """Analyse a run.

        Args:
            run: the run.
            layers: globs over parameter names; None for all that the analysis is made for.
            jobs: processes that work in parallel.
            progress: as everywhere: True, False, None or a callable to report to.

        Returns:
            The result over steps.
        """


class Quick(Protocol):
    """What makes of an analysis only what takes seconds."""

    def __call__(
        self,
        run: Run,
        *,
        layers: str | list[str] | None,
        jobs: int,
        progress: Progress | bool | None,
        share: float,
    ) -> xr.DataTree:
        """Analyse a run.

        Args:
            run: the run.
            layers: globs over parameter names; None for all that the analysis is made for.
            jobs: processes that work in parallel.
            progress: as everywhere.
            share: of the seconds that it may take.

        Returns:
            The result over steps; `attrs["skipped"]` says what is left out.
        """


@dataclass(frozen=True)
class Analysis:
    """One analysis.

    Attributes:
        name: its name, for `--only`.
        about: what it finds, in one line.
        compute: makes it.
        tabulate: sums the result up in a table with a row per layer, whose column `name` is the layer's name.
        shown: the table's columns that are printed; None for all. Column `verdict`, where there is one, holds a
            sentence for each layer, which is printed below the table.
        default: whether it is made where no analysis is named; others take long, or need the data.
        quick: what is made then in place of `compute`: only what takes seconds; None for the same.
        version: of what it keeps with the run, for an analysis that is not made by default but shown once it was made.
    """

    name: str
    about: str
    compute: Compute
    tabulate: Callable[[xr.DataTree], pd.DataFrame]
    shown: tuple[str, ...] | None = None
    default: bool = True
    quick: Quick | None = None
    version: int | None = None

    def stored(self, run: Run, layers: str | Sequence[str] | None = None) -> xr.DataTree | None:
        """Give what is kept of it with a run.

        Args:
            run: the run.
            layers: globs over parameter names; None for all that is kept.

        Returns:
            The result; None where nothing is kept, or it is made by default anyway.
        """
        return None if self.version is None else stored_layers(run, self.name, self.version, layers)


ANALYSES: dict[str, Analysis] = {
    analysis.name: analysis
    for analysis in (
        Analysis(
            "evolution",
            "singular values, Marchenko-Pastur bulk, followed spikes, tail, ranks and phase over steps",
            evolution,
            evolution_table,
        ),
        Analysis(
            "pca",
            "directions along which weights and updates move most, beside random walks",
            principal_components,
            pca_table,
            PCA_SHOWN,
            quick=principal_components,
        ),
        Analysis(
            "drift",
            "motion along the first component: line and exponential, norm, beside random walks",
            drifting,
            drift_table,
            DRIFT_SHOWN,
            quick=drifting,
        ),
        Analysis(
            "overlap",
            "components of the weights beside singular matrices and components of the updates",
            overlapping,
            overlap_table,
            OVERLAP_SHOWN,
            quick=overlapping,
        ),
        Analysis(
            GEODESIC.name,
            "great circles through the leading singular vectors, beside random walks of the weights; segments",
            GEODESIC.compute,
            geodesic_table,
            GEODESIC_SHOWN,
            quick=GEODESIC.quick,
        ),
        Analysis(
            CROSSINGS.name,
            "where the leading singular directions change places, beside random walks of the weights",
            CROSSINGS.compute,
            crossings_table,
            CROSSINGS_SHOWN,
            quick=CROSSINGS.quick,
        ),
        Analysis(
            SUBSPACES.name,
            "principal angles of leading and trailing singular subspaces against the first step",
            SUBSPACES.compute,
            subspaces_table,
            SUBSPACES_SHOWN,
            quick=SUBSPACES.quick,
        ),
        Analysis(
            "curvature",
            "the Hessian at the last step: eigenvalues, eigenvectors beside weights, motion and singular matrices",
            curvature_analysis,
            curvature_table,
            CURVATURE_SHOWN,
            default=False,
            version=CURVATURE_VERSION,
        ),
        Analysis(
            "add-back",
            "accuracy and loss with the first 0 to n directions of motion, weights and chance; needs network and data",
            add_back_analysis,
            add_back_table,
            (
                "name",
                "accuracy_full",
                "accuracy_zeros",
                "components",
                "components_norm",
                "accuracy_first",
                "components_back",
                "singular_back",
                "random_back",
            ),
            default=False,
            version=adding_back.VERSION,
        ),
        Analysis(
            "landscape",
            "loss along the leading components of the motion and over their plane; needs network and data",
            landscape_analysis,
            landscape_table,
            default=False,
            version=landscapes.VERSION,
        ),
        Analysis(
            "loss-scaling",
            "loss of scaled weights, exponential or quadratic; needs network and data",
            loss_scaling_analysis,
            loss_scaling_table,
            default=False,
            version=scaling.VERSION,
        ),
    )
}


def choose_analyses(only: str | Sequence[str] | None = None) -> list[Analysis]:
    """Find analyses by name.

    Args:
        only: names, one text may hold several with commas between; "all" for all; None for those that every run
            can have in little time.

    Returns:
        The analyses, each once, in the order asked for.

    Raises:
        OptionError: there is none of a name; near names are offered.
    """
    if only is None:
        return [analysis for analysis in ANALYSES.values() if analysis.default]
    names = [
        part.strip()
        for text in ([only] if isinstance(only, str) else only)
        for part in text.split(",")
        if part.strip()
    ]
    if names == ["all"]:
        return list(ANALYSES.values())
    if not names:
        raise OptionError(f"no analysis is named: there are {', '.join(ANALYSES)}")
    found = [look_up(name, ANALYSES, "analysis", OptionError) for name in names]
    return [ANALYSES[name] for name in dict.fromkeys(found)]
