"""Studies of several trainings: their trainings, tables and claims, in short runs on the digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from eigentrail.analyses.add_back import needed
from eigentrail.api.study import TrainingsResult, study
from eigentrail.cli.app import run as main
from eigentrail.errors import OptionError, RunError
from eigentrail.findings import Claim, greater_than_chance
from eigentrail.recipes import Measurement, Observation, Trial, recipes, run_trials
from eigentrail.recipes.experiments.drift_claims import _add_back, least_needed, power_of
from eigentrail.recipes.framework.observation import decided
from eigentrail.report.claims import claims_table
from eigentrail.report.experiments import experiment_sections
from eigentrail.training import ensemble

STUDIES = recipes()

VERDICTS = {"holds", "does not hold", "not decided"}


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    # A null of few walks takes a tenth of the time; its percentiles are coarse.
    monkeypatch.setattr("eigentrail.chance.requested.ENOUGH", 20)
    for name, changes in {
        "drift": {"only": ("evolution",), "factors": (0.5, 2.0), "seeds": (1, 1)},
        "geodesic": {"only": ("evolution",), "seeds": (1, 2), "factors": (0.5, 1.0)},
        "class-swap": {"only": ("evolution",), "seeds": (1, 1), "every": 2},
    }.items():
        monkeypatch.setitem(recipes(), name, recipes()[name].changed(**changes))


def check_claims(done: TrainingsResult) -> None:
    rows = claims_table(done.claims)
    assert set(rows["verdict"]) <= VERDICTS and rows["id"].is_unique
    assert rows["detail"].str.len().min() > 20
    # What can be compared with chance is.
    assert rows["value"].notna().sum() >= rows["chance"].notna().sum() > 0
    folder = done.page.parent
    stored = pd.read_csv(folder / "claims.csv")
    assert list(stored) == list(rows) and len(stored) == len(rows)
    assert len(pd.read_csv(folder / "comparison.csv")) == len(done.table)
    page = done.page.read_text(encoding="utf-8")
    assert "What became of the claims" in page and "What was measured" in page
    assert f"Of {len(done.claims)} claims" in page


@pytest.mark.slow
def test_the_drift_mode_from_the_first_training_to_the_claims(short: None, tmp_path: Path) -> None:
    done = study("drift", "digits", epochs=16, out=tmp_path / "runs", progress=False)
    check_claims(done)
    table = done.table.set_index("trial")
    watched = table.loc[["plain", "decay", "plain-frozen", "decay-frozen"]]
    for column in ("slope", "weight_overlap", "overlap_chance", "walk_percentile", "norm_slope"):
        assert np.isfinite(watched[column].astype(float)).all()
    assert table.loc["plain-rates", "lr"].tolist() == pytest.approx(
        [0.5 * table.loc["plain", "lr"], 2.0 * table.loc["plain", "lr"]], rel=1e-4
    )
    assert {"S1 6.1, figure 6.2", "S1 6.2", "S1 eq. 6.6", "S1 eq. 6.7", "S1 6.5"} <= {
        one.claim.source for one in done.claims
    }
    runs = {one.trial.name: one.runs[0] for one in done.trained}
    # Each stretch begins where its training ended, and frozen layers do not move.
    last = runs["plain-training"]["fc3.weight"].values[-1]
    for name in ("plain", "plain-rates", "plain-frozen"):
        assert (runs[name]["fc3.weight"].values[0] == last).all()
    assert (runs["plain-frozen"]["fc4.weight"].values == runs["plain-frozen"]["fc4.weight"].values[0]).all()
    assert not (runs["plain"]["fc4.weight"].values[-1] == runs["plain"]["fc4.weight"].values[0]).all()
    assert table.loc["decay", "growth"] == "shrinks"


@pytest.mark.slow
def test_geodesics_of_several_seeds_and_rates(short: None, tmp_path: Path, capsys) -> None:
    call = [
        "study",
        "geodesic",
        "--data",
        "digits",
        "--epochs",
        "12",
        "--out",
        str(tmp_path / "runs"),
        "--quiet",
    ]
    assert main(call) == 0
    out = capsys.readouterr().out
    assert "S0 slides 20-27" in out and out.strip().endswith("report.html")
    table = pd.read_csv(tmp_path / "runs" / "comparison.csv")
    assert table["seed"].tolist() == [0, 1, 0, 1]
    assert sorted(set(table["lr"])) == [0.005, 0.01]
    for side in ("right", "left"):
        for dims in (1, 2):
            assert table[f"{side}_{dims}_percentile"].between(0, 100).all()
            assert table[f"{side}_{dims}_score"].between(0, 1).all()
    assert (table["segments"] >= 1).all()
    claims = pd.read_csv(tmp_path / "runs" / "claims.csv")
    assert set(claims["verdict"]) <= VERDICTS and (claims["seeds"] <= 4).all()
    # Of both sides from the first step on; and from the first spike on where a training has one.
    for start, counts in (("the first step", {2}), ("its first spike", {0, 2})):
        assert claims["claim"].str.contains(f"great 2-sphere, from {start}").sum() in counts


@pytest.mark.slow
def test_swapped_classes_beside_a_control(short: None, tmp_path: Path) -> None:
    done = study("class swap", "digits", epochs=6, out=tmp_path / "runs", progress=False)
    check_claims(done)
    swap, control = done.table.to_dict(orient="records")
    assert (swap["trial"], control["trial"], swap["swap_epoch"]) == ("swap", "control", 3)
    runs = {one.trial.name: one.runs[0] for one in done.trained}
    early = runs["swap"]["fc2.weight"].epoch.values <= 3
    # Up to the swap both are the same training.
    assert (runs["swap"]["fc2.weight"].values[early] == runs["control"]["fc2.weight"].values[early]).all()
    assert swap["turned_before"] == pytest.approx(control["turned_before"])
    assert swap["turned_after"] != control["turned_after"]


def test_a_study_of_swapped_classes_goes_on_with_more_epochs(tmp_path: Path) -> None:
    chosen = recipes()["class-swap"].changed(seeds=(1, 1), every=20)
    folder = tmp_path / "runs"
    run_trials(chosen, folder, "digits", epochs=2, progress=False)
    _, longer = run_trials(chosen, folder, "digits", epochs=3, progress=False)
    # The classes were swapped after one of two epochs; that they stay.
    assert [[phase.start for phase in one.settings[0].phases] for one in longer] == [[0, 1], [0]]
    assert [one.runs[0].metrics.epoch.values[-1] for one in longer] == [3, 3]
    with pytest.raises(OptionError, match="epochs=1: this training has 2 phases of classes"):
        run_trials(chosen, tmp_path / "short", "digits", epochs=1, progress=False)
    assert not (tmp_path / "short").exists()


def test_a_stretch_that_began_elsewhere_is_refused(tmp_path: Path) -> None:
    chosen = recipes()["drift"].changed(factors=())
    plan = [Trial("first", share=0.5), Trial("second", begins="first")]
    object.__setattr__(chosen.plan, "trials", lambda *given: plan)
    run_trials(chosen, tmp_path / "runs", "digits", epochs=2, progress=False)
    # What is there is kept as it is.
    before = (tmp_path / "runs" / "second" / "run.json").stat().st_mtime_ns
    run_trials(chosen, tmp_path / "runs", "digits", epochs=2, progress=False)
    assert (tmp_path / "runs" / "second" / "run.json").stat().st_mtime_ns == before
    with pytest.raises(RunError, match="began with step 45 of first, now it would begin with step 90"):
        run_trials(chosen, tmp_path / "runs", "digits", epochs=4, progress=False)
    with pytest.raises(RunError, match="is a run itself"):
        run_trials(chosen, tmp_path / "runs" / "first", "digits", progress=False)


def test_a_power_is_found_with_its_error() -> None:
    x = np.array([0.5, 1.0, 2.0, 4.0])
    assert power_of(x, 3.0 * x**2) == pytest.approx((2.0, 0.0), abs=1e-12)
    exponent, error = power_of(x, x * np.array([1.0, 1.2, 0.8, 1.1]))
    assert abs(exponent - 1.0) < 2 * error < 1.0


@pytest.mark.parametrize(
    "needed, there, least", [(None, 90, None), (None, 337, 337), (250, 337, 250), (20, 337, 20), (20, 90, 20)]
)
def test_so_many_components_are_needed_at_least(needed: int | None, there: int, least: int | None) -> None:
    assert least_needed(needed, there) == least


def adding_back(part: str, zeros: float, curve: list[float]) -> xr.DataTree:
    """A layer whose accuracy with 0, 1 and 90 directions is known."""
    data = xr.Dataset(
        {
            "accuracy": (("part", "k"), [curve]),
            "loss": (("part", "k"), [[1.0] * len(curve)]),
            "norm": ("k", np.linspace(0, 1, len(curve))),
        },
        coords={"part": [part], "k": [0, 1, 90][: len(curve)]},
    )
    node = xr.DataTree.from_dict({f"/{kind}": data for kind in ("components", "singular", "random")})
    node.attrs = {
        "name": "fc1.weight",
        "parts": [part],
        "accuracies_full": [0.9],
        "accuracies_zeros": [zeros],
    }
    node.attrs |= {f"{kind}_back": needed(node, kind) for kind in ("components", "singular", "random")}
    node.attrs |= {
        **{"parameters": 100, "part": part, "guess": 0.1, "accuracy_full": 0.9, "accuracy_zeros": zeros},
        **{"components": int(data["k"][-1]), "components_norm": 1.0, "accuracy_first": curve[1]},
        "accuracy_alike": 0.2,
    }
    return xr.DataTree().assign({"fc1": node})


def test_too_few_components_decide_nothing_and_one_is_no_plural() -> None:
    few = adding_back("test", 0.1, [0.1, 0.2, 0.3])
    alone = adding_back("test", 0.1, [0.1, 0.9])
    plain, decay = _add_back({"plain": {"add-back": alone}, "decay": {"add-back": few}}, "fc1.weight")
    assert plain.values == (pytest.approx(1.0),) and plain.beside == (pytest.approx(0.125),)
    assert "takes 1 component, 1 singular matrix, 1 random direction" in plain.found
    assert np.isnan(decay.values).all()
    assert "takes more than 90 components, more than all singular matrices" in decay.found
    assert decay.found.endswith("; 90 components in all are too few to tell")


def test_how_several_networks_are_trained_is_told_once_and_only_if_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # One after the other, which is quicker for so little than to start processes.
    apart = ensemble.train_apart
    monkeypatch.setattr(ensemble, "train_apart", lambda *given: apart(*given[:-1], 1))
    monkeypatch.setattr(ensemble, "most_workers", lambda jobs: 2)
    monkeypatch.setattr("eigentrail.training.ensemble_fitness._OPERATIONS", 1e5)
    monkeypatch.setattr("eigentrail._progress.Throttle.PAUSE", 0.0)
    chosen = recipes()["geodesic"].changed(factors=(1.0,), fewest=1)
    plan = [Trial(f"rate-{number}", seeds=2) for number in (1, 2)]
    object.__setattr__(chosen.plan, "trials", lambda *given: plan)
    run_trials(chosen, tmp_path / "loud", "digits", epochs=1, progress=True)
    said = capsys.readouterr().err
    assert said.count("2 networks: trained in parallel processes") == 1
    assert said.count("recording") == 0
    for place in (1, 2):
        for count in (1, 2):
            assert f"geodesic [{place}/2] rate {place}: seed{count - 1} is done ({count} of 2)\n" in said
    run_trials(chosen, tmp_path / "quiet", "digits", epochs=1, progress=False)
    assert capsys.readouterr().err == ""


def seen(*values: float, chance: float | None = None) -> Observation:
    claim = Claim("x", "S1 6.3", "It moves.", "share", greater_than_chance())
    return Observation(claim, values, () if chance is None else (chance,), f"found {values}")


def test_seeds_one_after_the_other_decide_together() -> None:
    one = decided([seen(0.5, chance=0.1)])[0]
    assert (str(one.verdict), one.seeds, one.seeds_needed) == ("undecided", 1, 3)
    three = decided(seen(value, chance=0.1) for value in (0.5, 0.6, 0.55))[0]
    assert str(three.verdict) == "yes" and three.values == (0.5, 0.6, 0.55) and three.beside == (0.1,) * 3
    assert three.detail == "found (0.5,); found (0.6,); found (0.55,)"
    # A seed that could not be measured is left out; several values of one observation are several seeds.
    mixed = decided([seen(0.5, 0.6, chance=0.1), seen(float("nan")), seen(0.7, chance=0.2)])[0]
    assert mixed.values == (0.5, 0.6, 0.7) and mixed.seeds == 3
    apart = decided(seen(value, chance=0.5) for value in (0.1, 0.9, 0.7))[0]
    assert str(apart.verdict) == "undecided" and apart.seeds_needed > 3


def test_the_page_counts_the_verdicts_and_shows_chance() -> None:
    claims = decided(seen(value, chance=0.25) for value in (0.5, 0.51, 0.52))
    [section] = experiment_sections("none", Measurement(pd.DataFrame({"a": [1]})), claims)
    assert "Of 1 claim 1 holds." in section.items[0].paragraphs[0]
    assert "1 of the 1 decided ones stay decided" in section.items[0].paragraphs[0]
    assert claims_table(claims)["p_adjusted"].tolist() == pytest.approx([2.0 * claims[0].p])
    assert (
        "Haink 2023, 6.3: It moves. Share: 0.51, 95% 0.485 to 0.535, chance 0.25"
        in section.items[1].rows[0][1]
    )
    assert claims_table(claims)["chance"].tolist() == [0.25]
    assert not experiment_sections("none", Measurement(pd.DataFrame({"a": [1]})))


@pytest.mark.slow
def test_claims_of_one_training_are_decided_by_three_seeds(tmp_path: Path) -> None:
    chosen = recipes()["mlp50"].changed(analysed=("fc1.weight",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(recipes(), "mlp50", chosen)
        done = study("mlp50", epochs=15, seeds=3, out=tmp_path / "runs", budget=1.0, progress=False)
    assert isinstance(done, TrainingsResult) and done.table["seed"].tolist() == [0, 1, 2]
    verdicts = {one.claim.id: (str(one.verdict), one.seeds) for one in done.claims}
    assert verdicts["mlp50-spikes-fc1.weight"] == ("yes", 3)
    # What was not analysed is not measured, and says so.
    assert verdicts["mlp50-spikes-fc2.weight"] == ("undecided", 0)
    stored = pd.read_csv(tmp_path / "runs" / "claims.csv")
    assert stored["id"].tolist() == list(verdicts) and stored["detail"].notna().all()
    assert "What became of the claims" in done.page.read_text(encoding="utf-8")
