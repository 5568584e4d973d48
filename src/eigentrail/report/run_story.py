"""A run with its analyses, as the page takes it, and what is said about it in words and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from eigentrail._cells import cell
from eigentrail._citations import cited
from eigentrail._text import counted
from eigentrail.analyses import AnalysisResult
from eigentrail.figures.style import OF_RUN
from eigentrail.findings import Skipped
from eigentrail.report.sections import Fact, Facts, Item, Prose
from eigentrail.report.unusual_settings import changed_data, unusual_settings
from eigentrail.runs import Run
from eigentrail.training.losses import name_of_loss
from eigentrail.trajectories import evolution_table

EVOLUTION = "evolution"


@dataclass(frozen=True)
class RunStory:
    """One run.

    Attributes:
        run: the run.
        found: the result of each analysis, by name.
        label: what it is called beside others; empty for a run alone.
        told: the choices that the page tells of an earlier run.
        left_out: checkpoints at which a layer is lacking.
    """

    run: Run
    found: Mapping[str, AnalysisResult]
    label: str = ""
    told: frozenset[str] = frozenset()
    left_out: tuple[Skipped, ...] = ()

    @property
    def chosen(self) -> list[str]:
        """What was chosen where a source leaves it open."""
        notes = self.run.manifest.notes if self.run.manifest else {}
        return [str(choice) for choice in notes.get("chosen") or ()]

    @property
    def loss(self) -> str:
        """The name of the loss that it was trained with; empty where the run does not tell."""
        told = self.run.given.loss is not None or "loss" in self.run.settings
        return name_of_loss(self.run) if told else ""

    @property
    def evolution(self) -> xr.DataTree | None:
        """The evolution of its spectra, if that was analysed."""
        known = self.found.get(EVOLUTION)
        return None if known is None else known.tree

    @property
    def table(self) -> pd.DataFrame:
        """A row per layer; empty without an evolution."""
        return pd.DataFrame() if self.evolution is None else evolution_table(self.evolution)

    def layer(self, name: str) -> xr.DataTree | None:
        """Find a layer of its evolution.

        Args:
            name: the matrix' true name.

        Returns:
            Its node, or None.
        """
        if self.evolution is None:
            return None
        return next((node for node in self.evolution.children.values() if node.attrs["name"] == name), None)

    def named(self, what: str) -> str:
        """Name something of this run.

        Args:
            what: for example a layer's name.

        Returns:
            The name, with the run's where there are several.
        """
        return f"{what}{OF_RUN}{self.label}" if self.label else what


def labelled(stories: Sequence[RunStory]) -> list[RunStory]:
    """Give each of several runs a name of its own.

    Args:
        stories: the runs.

    Returns:
        The same; one alone has no label, several are called by their folders, numbered where those are the same.
        What was chosen is told once.
    """
    if len(stories) == 1:
        return list(stories)
    names = [story.label or story.run.path.resolve().name for story in stories]
    made: list[RunStory] = []
    for number, (story, name) in enumerate(zip(stories, names, strict=True)):
        label = name if names.count(name) == 1 else f"{name} ({number + 1})"
        told = frozenset(choice for earlier in made for choice in earlier.chosen)
        made.append(RunStory(story.run, story.found, label, told, story.left_out))
    return made


def about_items(story: RunStory) -> list[Item]:
    """Say how a run was made.

    Args:
        story: the run.

    Returns:
        A block of facts, and paragraphs on what was chosen and on how it ended.
    """
    items: list[Item] = [Facts(story.label or "Training", tuple(training_facts(story.run)))]
    said = [sentence for sentence in (learned(story.run),) if sentence]
    chosen = [choice for choice in story.chosen if choice not in story.told]
    if chosen:
        before = "As above, and chosen" if story.told else "Chosen"
        said.append(f"{before} where the source leaves it open or is too large: {'; '.join(chosen)}.")
    if story.run.manifest is not None and story.run.manifest.error:
        said.append(f"The training was interrupted: {story.run.manifest.error}.")
    if said:
        items.append(Prose(tuple(said)))
    return items


def headline(run: Run, *, short: bool = False) -> str:
    """Say what was trained and how well.

    Args:
        run: the run.
        short: whether steps and all but the first metric are left out.

    Returns:
        "mlp50 on digits, 60 epochs, 2700 steps: test accuracy 97.5%, training loss 0.021".
    """
    manifest = run.manifest
    notes: dict[str, Any] = {} if manifest is None else manifest.notes
    network = notes.get("network")
    name = network.get("name") if isinstance(network, dict) else None
    if name is None and manifest is not None:
        name = manifest.model.class_name.rpartition(":")[2]
    data = ((manifest.data if manifest is not None else None) or {}).get("name")
    steps = counted(int(run.steps[-1]), "step")
    epochs = (notes.get("training") or {}).get("epochs")
    trained = counted(epochs, "epoch") if epochs else ""
    length = (trained if short else f"{trained}, {steps}") if epochs else steps
    what = " on ".join(str(part) for part in (name, data) if part) or run.path.name
    told: list[str] = []
    for metric, label in (
        ("test_accuracy", "test accuracy"),
        ("train_loss", "training loss"),
        ("loss", "loss"),
    ):
        if metric in run.metrics and (metric != "loss" or not told):
            known = run.metrics[metric].dropna("step")
            if known.size:
                value = float(known[-1])
                told.append(f"{label} {value:.1%}" if "accuracy" in metric else f"{label} {value:.3g}")
    status = "" if run.status == "finished" else f" ({run.status})"
    return f"{what}, {length}{status}{': ' if told else ''}{', '.join(told[:1] if short else told)}"


def training_facts(run: Run) -> list[Fact]:
    """List what was trained, and how.

    Args:
        run: the run.

    Returns:
        Facts without terms of the glossary; those that the run does not tell are left out.
    """
    steps = run.steps
    facts = [
        ("Status", run.status),
        ("Recorded steps", len(steps)),
        ("From step", int(steps[0])),
        ("To step", int(steps[-1])),
        ("Layers", len(run.layers)),
    ]
    manifest = run.manifest
    if manifest is not None:
        notes = manifest.notes
        settings: dict[str, Any] = notes.get("training") or {}
        network = notes.get("network")
        facts.insert(
            0, ("Network", network["name"] if isinstance(network, dict) else manifest.model.class_name)
        )
        data = manifest.data or {}
        about_data = [
            ("Data", data.get("name")),
            ("Changed data", changed_data(data)),
            ("Training samples", data.get("train_samples")),
            ("Held-out samples", data.get("test_samples")),
        ]
        facts[1:1] = about_data
        names = {
            "epochs": "Epochs",
            "batch_size": "Batch",
            "lr": "Learning rate",
            "momentum": "Momentum",
            "weight_decay": "Weight decay",
        }
        facts += [(label, settings[key]) for key, label in names.items() if key in settings]
        facts += unusual_settings(settings)
        facts += [
            ("Seed", manifest.seed),
            ("Source", cited(str(notes["source"])) if notes.get("source") else None),
        ]
        cost = manifest.overhead
        facts.append(("Recording's share of a step", None if cost is None else _percent(cost.fraction)))
    for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "loss"):
        if name in run.metrics:
            known = run.metrics[name].dropna("step")
            value = float(known[-1]) if known.size else None
            label = "Last batch's loss" if name == "loss" else f"Final {name.replace('_', ' ')}"
            facts.append((label, value))
    return [Fact("", label, cell(value)) for label, value in facts if value is not None]


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.2g}%"


def learned(run: Run) -> str:
    """Say how loss and accuracy went.

    Args:
        run: the run.

    Returns:
        One sentence; empty where no metric was told.
    """
    parts: list[str] = []
    for name, verb in (("test_accuracy", "test accuracy"), ("train_loss", "training loss"), ("loss", "loss")):
        if name not in run.metrics or (name == "loss" and parts):
            continue
        known = run.metrics[name].dropna("step").values
        if len(known) > 1 and np.isfinite(known[[0, -1]]).all():
            first, last = float(known[0]), float(known[-1])
            how = (f"{first:.1%}", f"{last:.1%}") if "accuracy" in name else (f"{first:.3g}", f"{last:.3g}")
            parts.append(f"the {verb} went from {how[0]} to {how[1]}")
    steps = int(run.steps[-1] - run.steps[0])
    return f"Over {steps} step{'' if steps == 1 else 's'} {' and '.join(parts)}." if parts else ""
