"""The loss of larger weights: exponential without weight decay, quadratic with it (S1 6.5)?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr

from eigentrail.analyses import Context, Figure, Needs, Probed, Quantity, Row, analysis
from eigentrail.analyses.framework.probe import SAMPLES, own_layers
from eigentrail.evaluation import loss_scaling as loss_scaling_of
from eigentrail.figures import loss_scaling as drawn
from eigentrail.figures.loss_labels import loss_label
from eigentrail.findings import Chance, Effect, Finding, Verdict

_CURVES = ("loss", "with decay")
_RIVAL = "the rival fit (quadratic)"


def _findings(row: Row) -> Iterable[Finding]:
    exponential, quadratic = row["exponential_r2"], row["quadratic_r2"]
    fits = f"R² {exponential:.3f} exponential, {quadratic:.3f} quadratic"
    way = "falls" if row["loss_twice"] < row["loss"] else "rises"
    yield Finding(
        subject=row.subject,
        question="Is the loss of scaled weights exponential?",
        verdict=Verdict.YES if row["form"] == "exponential" else Verdict.NO,
        sentence=f"At twice the weights the loss {way} to {row['loss_twice']:.3g}; the better fit is {row['form']} "
        f"({fits}).",
        effect=Effect("R² of the exponential fit", exponential, "0 to 1"),
        chance=Chance(_RIVAL, quadratic),
        detail=(
            f"With the penalty of weight decay {row['weight_decay']:g} it is {row['total_form']}."
            if row["weight_decay"]
            else ""
        ),
    )


@analysis(
    "loss-scaling",
    question="Is the loss of larger weights exponential?",
    about="loss of scaled weights, exponential or quadratic; needs network and data",
    version=2,
    unit="probe",
    order=110,
    default=False,
    parallel=False,
    needs=Needs(network=True, data=True),
    findings=_findings,
    source="S1 eq. 6.14",
    arguments={"samples": SAMPLES},
    quantities={
        "loss_label": Quantity("Which loss", "The loss that was trained."),
        "loss": Quantity("Loss", "Loss of the weights as they are, without a penalty.", "loss", shown=True),
        "accuracy": Quantity("Accuracy", "Accuracy of the weights as they are.", "0 to 1"),
        "loss_twice": Quantity("Loss × 2", "Loss at twice the weights.", "loss", shown=True),
        "form": Quantity("Better fit", "Which of the two fits explains more of the loss.", shown=True),
        "rate": Quantity("Rate", "Rate of the exponential c exp(−rate α).", "per factor"),
        "exponential_r2": Quantity(
            "R², exponential", "R² of the exponential fit to the loss.", "0 to 1", shown=True
        ),
        "quadratic_r2": Quantity(
            "R², quadratic", "R² of the fit a + b α² to the loss.", "0 to 1", shown=True
        ),
        "weight_decay": Quantity("Weight decay", "The training's weight decay, in torch's convention."),
        "total_form": Quantity(
            "Better fit, with decay", "The better fit to the loss with the penalty of weight decay."
        ),
        "total_exponential_r2": Quantity(
            "R², exponential, with decay", "R² with the penalty added.", "0 to 1"
        ),
        "total_quadratic_r2": Quantity("R², quadratic, with decay", "R² with the penalty added.", "0 to 1"),
    },
    figures=(
        Figure(
            "loss-scaling",
            "loss of scaled weights",
            "A network that classifies everything becomes more confident when its weights grow: a cross-entropy falls "
            "exponentially. The penalty of a weight decay grows as α². Lines are least-squares fits.",
            lambda node, title: drawn.scaled_loss(node, str(node.attrs["name"])),
            drawn.scaled_data,
        ),
    ),
)
def loss_scaling(subject: Probed, context: Context) -> xr.Dataset:
    """Scale the weights of a layer, or of the whole network, by 1 to 2.

    Args:
        subject: the layer, with network and samples.
        context: the run.

    Returns:
        `losses` over [curve, alpha], the loss without a penalty and that which the training lowers, with the penalty of
        its weight decay added; `accuracies` over [alpha]; and over [curve] `rates` of the fit c exp(-rate alpha) to
        log L, `curvatures` of the fit a + b alpha^2 to L, `exponential_loss_r2` and `quadratic_loss_r2`, both shares
        of the variance of L, and `forms`, the better one. Attributes: the table's numbers.
    """
    probe = subject.probe
    found = [
        loss_scaling_of(
            probe.model,
            probe.parts["train"],
            own_layers(context.run, subject.name),
            loss=probe.loss,
            weight_decay=decay,
        )
        for decay in (0.0, probe.weight_decay)
    ]
    data: dict[str, Any] = {
        name: ("curve", np.array([getattr(one, of) for one in found]))
        for name, of in (
            ("rates", "rate"),
            ("exponential_loss_r2", "exponential_loss_r2"),
            ("curvatures", "curvature"),
            ("quadratic_loss_r2", "quadratic_r2"),
            ("forms", "form"),
        )
    }
    losses = np.stack([one.curve["loss"].values for one in found])
    data["losses"] = (("curve", "alpha"), losses)
    data["accuracies"] = ("alpha", found[0].curve["accuracy"].values)
    about: dict[str, Any] = {
        "weight_decay": probe.weight_decay,
        "loss_name": probe.loss_name,
        "loss_label": loss_label(probe.loss_name)[0],
        "loss": float(losses[0, 0]),
        "accuracy": float(found[0].curve["accuracy"].values[0]),
        "loss_twice": float(losses[0, -1]),
        "rate": float(found[0].rate),
    }
    for place, prefix in enumerate(("", "total_")):
        about[f"{prefix}form"] = str(found[place].form)
        about[f"{prefix}exponential_r2"] = float(found[place].exponential_loss_r2)
        about[f"{prefix}quadratic_r2"] = float(found[place].quadratic_r2)
    coords = {"curve": list(_CURVES), "alpha": found[0].curve["alpha"].values}
    return xr.Dataset(data, coords=coords, attrs=about)
