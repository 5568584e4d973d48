from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eigentrail import networks
from eigentrail.api.analysis import analyze
from eigentrail.api.study import study
from eigentrail.errors import DataError, EigentrailWarning, OptionError, RunError
from eigentrail.recipes import Study, find_recipe, recipes, run_study
from eigentrail.recipes.framework.running import default_folder

STUDIES = recipes()

SHORT = replace(
    recipes()["mlp50"].changed(changes={"digits": {"epochs": 2, "lr": 0.1}}, chosen={}), name="short"
)


@pytest.mark.parametrize("name", [n for n, one in STUDIES.items() if isinstance(one.plan, Study)])
def test_each_study_is_described_and_has_a_training(name: str) -> None:
    found = recipes()[name]
    assert found.name == name
    assert found.shows and found.minutes and found.disk and found.source
    assert found.plan.settings(found.data).epochs >= 1
    # What differs from the source is said.
    assert set(found.plan.changes) == set(found.plan.chosen)
    # The list tells what --full costs.
    assert "full: " in found.minutes and "full: " in found.disk


@pytest.mark.parametrize("name", ["mlp50", "mlp50-plain", "hessian", "hessian-spacings"])
def test_without_full_no_study_trains_as_long_as_the_source(name: str) -> None:
    for data in ("mnist", "fashion-mnist"):
        assert recipes()[name].plan.settings(data).epochs <= 10
        assert recipes()[name].plan.settings(data, full=True).epochs == 200
        assert any("fewer epochs" in choice for choice in recipes()[name].plan.choices(data, "mnist"))
        assert not any(
            "fewer epochs" in choice for choice in recipes()[name].plan.choices(data, "mnist", full=True)
        )
    assert recipes()["mlp50-plain"].plan.settings("digits").epochs == 100


def test_studies_are_found_by_any_spelling_and_near_names_are_offered() -> None:
    assert find_recipe("MLP 256").name == "mlp256"
    assert find_recipe().name == "mlp50"
    with pytest.raises(OptionError, match="did you mean mlp256"):
        find_recipe("mlp265")


def test_a_recipe_its_network_and_its_file_have_one_name() -> None:
    networks_ = set(networks.names())
    for name, one in STUDIES.items():
        assert one.module.rpartition(".")[2] == name.replace("-", "_")
        assert not one.network or one.network in networks_
        # What is called as a network trains that network.
        assert name not in networks_ or one.network == name


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("minialexnet", "mini-alexnet-s0"),
        ("resnet20", "resnet20-projection"),
        ("mlp-bn", "mlp-bn-10-100"),
        ("res-bn", "res-bn-5-500"),
        ("hessian-minialexnet", "hessian-mini-alexnet-s1"),
        ("hessian-resnet20", "hessian-resnet20-projection"),
        ("deep-linear", "parsimony"),
    ],
)
def test_old_names_are_answered_with_the_new_ones(before: str, now: str) -> None:
    with pytest.warns(EigentrailWarning, match=f'"{before}" is called {now} now'):
        assert find_recipe(before).name == now
    assert before not in STUDIES


@pytest.mark.parametrize("full", [True, False])
def test_the_studies_of_s0_train_its_network_at_both_sizes(tmp_path: Path, full: bool) -> None:
    of_s0 = [one for one in STUDIES.values() if one.source.startswith("S0")]
    assert {one.name for one in of_s0} == {"mini-alexnet-s0", "class-swap", "geodesic", "acc-k"}
    assert {one.network for one in of_s0} == {"mini-alexnet-s0"}
    run = run_study(
        recipes()["mini-alexnet-s0"], tmp_path / "run", "digits", epochs=1, full=full, progress=False
    )
    assert run.layers["fc2.weight"].shape == (192, 384)
    assert run.layers["conv1.weight"].shape == (64, 1, 5, 5)


def test_the_default_study_needs_no_files_and_the_others_say_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EIGENTRAIL_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    run = run_study(SHORT, progress=False)
    assert run.path == default_folder("short", "digits", 0)
    assert len(run.steps) == 91  # 45 steps in an epoch, all recorded, and the initial state
    assert all(len(info.steps) == 91 for info in run.layers.values())
    with pytest.raises(DataError, match="EIGENTRAIL_DATA"):
        run_study(recipes()["mlp256"], tmp_path / "c", progress=False)
    assert not (tmp_path / "c").exists()


def test_the_run_says_what_study_it_is_and_what_was_chosen(tmp_path: Path) -> None:
    notes = run_study(SHORT, tmp_path / "run", progress=False).manifest.notes
    assert (notes["study"], notes["source"], notes["network"]["name"]) == ("short", "S1 5.2", "mlp50")
    assert notes["chosen"]


def test_a_finished_study_is_refused_with_what_to_do_and_goes_on_with_more_epochs(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    first = run_study(SHORT, folder, progress=False)
    # Without its page it is not finished: what is missing is made.
    assert (run_study(SHORT, folder, progress=False).steps == first.steps).all()
    analyze(first, "evolution", layers="fc3", progress=False).report()
    with pytest.raises(RunError, match=r"finished run of 2 epochs .*--epochs .*--out"):
        run_study(SHORT, folder, progress=False)
    longer = run_study(SHORT, folder, epochs=3, progress=False)
    whole = run_study(SHORT, tmp_path / "whole", epochs=3, progress=False)
    assert longer.steps[-1] == 135
    np.testing.assert_array_equal(longer["fc1"].values, whole["fc1"].values)
    with pytest.raises(RunError, match="seed"):
        run_study(SHORT, folder, epochs=4, seed=1, progress=False)


def test_an_interrupted_study_is_gone_on_with(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run_study(SHORT, folder, epochs=1, progress=False)
    text = (folder / "run.json").read_text()
    (folder / "run.json").write_text(text.replace('"status": "finished"', '"status": "interrupted"'))
    (folder / "report.html").write_text("an older page")
    assert run_study(SHORT, folder, epochs=2, progress=False).steps[-1] == 90


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("")
    with pytest.raises(RunError, match="other files"):
        run_study(SHORT, tmp_path, progress=False)


@pytest.mark.slow
def test_from_the_first_step_to_the_page(tmp_path: Path) -> None:
    # The default study's own numbers, at a length that shows S0's first claim in the first layer.
    run = run_study(find_recipe(), tmp_path / "run", epochs=15, progress=False)
    found = analyze(run, "evolution", progress=False)
    assert found.report() == tmp_path / "run" / "report.html"
    table = found.tables["evolution"].set_index("name")
    assert table["spikes_first"].tolist() == [0, 0, 0]
    assert table.loc["fc1.weight", "spikes_last"] >= 2
    assert table.loc["fc1.weight", "births"] >= 2
    assert table.loc["fc1.weight", "null_spikes_last"] == 0
    assert float(run.metrics["test_accuracy"].dropna("step")[-1]) > 0.93


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_s0_first_claim_in_the_default_study(tmp_path: Path, seed: int) -> None:
    # The spike count grows while the bulk stays Marchenko-Pastur: within 1.25 times what 95% of noise stays below.
    done = study(out=tmp_path / "run", seed=seed, progress=False)
    table = done.analysis.tables["evolution"].set_index("name")
    for layer in ("fc1.weight", "fc2.weight"):
        row = table.loc[layer]
        assert row["spikes_first"] == 0 and row["spikes_last"] >= 5
        assert row["mp_ks_distance_last"] <= 1.25 * row["noise_ks_high"]
