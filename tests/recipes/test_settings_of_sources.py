"""The sources' trainings by name."""

from __future__ import annotations

import dataclasses
import fnmatch
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from eigentrail import networks, training
from eigentrail.data import Data, characters, from_tensors, load
from eigentrail.errors import DataError, OptionError
from eigentrail.recipes import Study, SweptStudy, find_recipe, recipes, train_recipe
from eigentrail.sweeps.driving import plan as plan_sweep
from eigentrail.sweeps.grid import points_of, recorded
from eigentrail.training import Constant, Exponential
from eigentrail.training.disk import bytes_of_states, bytes_of_training

STUDIES = recipes()
#: The recipes that train a network.
TRAININGS = [name for name, one in STUDIES.items() if isinstance(one.plan, Study)]


def preset(name: str) -> training.Preset:
    return find_recipe(name).plan.preset


def test_the_thesis_settings() -> None:
    mlp50, mlp256, decay = (preset(name) for name in ("mlp50", "mlp256", "mlp256-decay"))
    s = mlp50.settings
    assert (s.lr, s.momentum, s.weight_decay, s.batch_size, s.epochs) == (0.01, 0, 0, 32, 200)
    assert s.schedule == Constant()
    assert (recipes()["mlp50"].data, recipes()["mlp50"].source_data) == ("digits", "mnist")
    s = mlp256.settings
    assert (s.lr, s.momentum, s.weight_decay, s.batch_size, s.epochs) == (0.01, 0, 0, 32, 200)
    assert s.schedule == Exponential(gamma=0.99)
    # lambda = 5e-4 in the source, twice that in torch.
    assert decay.settings == s.changed(weight_decay=1e-3)
    assert recipes()["mlp256-decay"].network == "mlp256"
    assert any("2 lambda" in choice for choice in decay.chosen)


@pytest.mark.parametrize("name", TRAININGS)
def test_every_training_is_whole(name: str) -> None:
    recipe = recipes()[name]
    assert recipe.network in networks.names()
    # A language model is no source's: there is none among their networks.
    assert recipe.source.split()[0] in ("S0", "S1", "S2", "S3", "S4") or name.startswith("gpt-")
    assert preset(name).chosen
    assert training.Preset.model_validate_json(preset(name).model_dump_json()) == preset(name)


def test_the_settings_of_the_convolutional_networks() -> None:
    lenet, alexnet, resnet = (preset(name) for name in ("lenet", "mini-alexnet-s1", "resnet20-projection"))
    for one, (lr, batch, epochs) in (
        (lenet, (0.005, 64, 100)),
        (alexnet, (0.01, 32, 100)),
        (resnet, (1e-3, 128, 160)),
    ):
        s = one.settings
        # lambda = 1e-4 in the source.
        assert (s.lr, s.batch_size, s.epochs, s.momentum, s.weight_decay) == (lr, batch, epochs, 0.9, 2e-4)
        assert any("2 lambda" in choice for choice in one.chosen)
    # The final rates of the source; LeNet's is misprinted there.
    assert lenet.settings.lr_in(100 - 1) == pytest.approx(6.6e-4, rel=0.03)
    assert alexnet.settings.lr_in(100 - 1) == pytest.approx(5.9e-5, rel=0.06)
    assert [resnet.settings.lr_in(epoch) for epoch in (79, 80, 119, 120)] == pytest.approx(
        [1e-3, 1e-4, 1e-4, 1e-5]
    )
    assert alexnet.settings.decay_on == "dense"


def test_the_settings_of_the_rank_paper() -> None:
    for name in ("mlp-bn-10-100", "res-bn-5-500", "vgg16", "resnet18", "vit"):
        s = preset(name).settings
        assert (s.momentum, s.weight_decay) == (0, 5e-4)
        assert s.augmentation is not None
        assert s.augmentation.rotation == "range"
        assert any("equation 1" in choice for choice in preset(name).chosen)
        rates = [s.lr_in(epoch) / s.lr for epoch in (59, 60, 100, 199)]
        assert rates == pytest.approx([1, 0.2, 0.04, 0.04] if name == "vit" else [1, 0.1, 0.01, 0.01])
        assert s.epochs == (200 if name == "vit" else 500)
    assert preset("resnet18").settings.lr_in(200) == pytest.approx(0.1 * 1e-3)


# Where the net is not recorded every 50 steps, or no layer at every step, the preset says why, with what it would take.
NO_LAYER = {
    ("geodesic", True): "2 TB",
    ("geodesic", False): "9 GB",
}
NOT_THE_NET = {
    ("batch-size", True): "690 GB",
    ("batch-size", False): "220 MB",
    ("geodesic", True): "2 TB",
    ("geodesic", False): "9 GB",
    ("res-bn-5-500", True): "250 GB",
    ("vgg16", True): "1.8 TB",
    ("resnet18", True): "1.4 TB",
}


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("name", TRAININGS)
def test_a_layer_is_recorded_at_every_step_and_the_net_every_fifty(name: str, full: bool) -> None:
    recipe = recipes()[name]
    layers = preset(name).layers_for(recipe.source_data if full else recipe.data, full)
    when = [1] if layers is None else list(layers.values())
    every_step = 1 in when
    # What no earlier glob takes, which is all but a few layers.
    assert layers is None or list(layers)[-1] == "*"
    the_net = isinstance(when[-1], int) and when[-1] <= 50
    for holds, table in ((every_step, NO_LAYER), (the_net, NOT_THE_NET)):
        assert holds == ((name, full) not in table)
        assert holds or any(table[name, full] in text for text in preset(name).chosen)


def taken(
    name: str, full: bool, layers: dict[str, Any] | None, images: Data, batch_size: int | None = None
) -> float:
    """The bytes that a preset's training would take, recorded so."""
    samples = preset(name).samples_for(images, full)
    settings = preset(name).settings_for(images.name, full).changed(batch_size=batch_size)
    network = preset(name).network_for(recipes()[name].network, full)
    model = networks.build(network, images.input_shape, images.classes)
    return bytes_of_training(model, samples, settings, layers) - bytes_of_states(model, settings)


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits")


@pytest.fixture(scope="module")
def images() -> Data:
    """As many images as CIFAR-10 has, of its shape, in the memory of one."""
    one = from_tensors((torch.rand(10, 3, 32, 32), torch.arange(10)))
    many = torch.zeros(1, 3, 32, 32).expand(50_000, -1, -1, -1)
    labels = torch.arange(50_000) % 10
    return dataclasses.replace(
        one,
        name="cifar10",
        train_inputs=many,
        train_targets=labels,
        test_inputs=many[:10_000],
        test_targets=labels[:10_000],
    )


def test_what_is_not_recorded_would_take_what_is_said(images: Data) -> None:
    for (name, full), said in NOT_THE_NET.items():
        if name in ("batch-size", "geodesic"):
            continue
        number, unit = said.split()
        every_fifty = taken(name, full, {"*": 50}, images)
        assert every_fifty == pytest.approx(float(number) * {"GB": 1e9, "TB": 1e12}[unit], rel=0.03)
    sizes = plan_sweep(recipes()["batch-size"].plan.sweep).spec.axes["batch_size"]
    for full, said in ((True, 690e9), (False, 220e6)):
        net = sum(taken("batch-size", full, {"*": 50}, images, size) for size in sizes)
        assert net == pytest.approx(said, rel=0.03)
    for full, said in ((True, 31e12), (False, 9.7e9)):
        studied = sum(taken("batch-size", full, {"fc1.weight": 1}, images, size) for size in sizes)
        assert studied == pytest.approx(said, rel=0.04)
    blocks = taken("res-bn-5-500", True, {"blocks.2.fc1.weight": 1}, images)
    assert blocks == pytest.approx(780e9, rel=0.03)
    # The source's sizes stay within what a disk holds, those of two cores within what anybody has.
    for name in TRAININGS:
        if recipes()[name].data == "cifar10":
            assert taken(name, True, preset(name).layers, images) < 100e9
            assert taken(name, False, preset(name).layers_for("cifar10", False), images) < 3.5e9


@pytest.mark.parametrize(
    "name",
    [
        "mlp256",
        "lenet",
        "mini-alexnet-s1",
        "resnet20-projection",
        "mini-alexnet-s0",
        "class-swap",
        "geodesic",
        "batch-size",
        "mlp-bn-10-100",
        "res-bn-5-500",
        "vgg16",
        "resnet18",
        "vit",
    ],
)
def test_the_list_of_studies_says_what_the_source_s_size_takes(images: Data, name: str) -> None:
    recipe, own = recipes()[name], preset(name)
    settings = own.settings_for("cifar10")
    model = networks.build(recipe.network, images.input_shape, images.classes)
    plan = recipe.plan
    if isinstance(plan, SweptStudy):
        spec = plan_sweep(plan.sweep, full=True).spec
        needed = sum(
            bytes_of_training(model, images, one.settings, recorded(spec.record)) for one in points_of(spec)
        )
        found = re.search(r"full: ([\d.]+) GB$", recipe.disk)
        assert found is not None and float(found[1]) * 1e9 == pytest.approx(needed, rel=0.1)
        return
    trials = plan.trials(settings, True, plan.seeds[0]) if hasattr(plan, "trials") else []
    of_each = [(trial.seeds, settings.changed(**trial.changes)) for trial in trials] or [(1, settings)]
    needed = sum(
        count * bytes_of_training(model, images, changed, own.layers_for("cifar10"))
        for count, changed in of_each
    )
    found = re.search(r"full: ([\d.]+) GB$", recipe.disk)
    assert found is not None
    assert float(found[1]) * 1e9 == pytest.approx(needed, rel=0.1)


def test_the_swap_of_s0() -> None:
    phases = preset("class-swap").settings.phases
    assert [(phase.start, phase.classes) for phase in phases] == [(0, (0, 1, 2, 3, 4)), (50, (5, 6, 7, 8, 9))]
    small = preset("class-swap").settings_for("cifar10", full=False).phases
    assert [phase.start for phase in small] == [0, 10]


def test_phases_begin_at_the_same_share_of_the_epochs_that_are_asked_for(
    tmp_path: Path, digits: Data
) -> None:
    own = preset("class-swap")
    asked = own.settings_asked(own.settings_for("cifar10", full=False), 6)
    assert [phase.start for phase in asked.phases] == [0, 3]
    assert "phases of classes from epochs 0 and 3 instead of 0 and 50" in own.choices(False, asked)[-1]
    assert own.settings_asked(own.settings, None) == own.settings
    run = train_recipe("class-swap", tmp_path / "run", "digits", full=False, epochs=2, batch_size=500)
    assert [phase["start"] for phase in run.manifest.notes["training"]["phases"]] == [0, 1]
    assert "epochs 2 instead of 100" in run.manifest.notes["chosen"][-1]


@pytest.mark.parametrize("name", [n for n in TRAININGS if preset(n).two_cores and not n.startswith("gpt-")])
def test_the_size_for_two_cores_can_be_trained_and_says_what_is_smaller(name: str, digits: Data) -> None:
    own = preset(name)
    full, small = own.settings_for("cifar10"), own.settings_for("cifar10", full=False)
    assert full == own.settings
    assert small.epochs < full.epochs
    said = own.choices(full=False)[-1]
    assert said.startswith("for two cores, other than in the source: ")
    assert f"epochs {small.epochs} instead of {full.epochs}" in said
    assert own.two_cores.why in said
    assert own.choices() == own.chosen
    assert own.samples_for(digits) is digits
    samples = own.samples_for(digits, full=False)
    assert len(samples.train_targets) == min(own.two_cores.train_samples or 1440, 1440)
    # What is said is what is done: another number of epochs, and as many images as there are.
    told = own.choices(False, small.changed(epochs=3), "digits", "cifar10", samples)[-1]
    assert "digits instead of cifar10" in told and f"epochs 3 instead of {full.epochs}" in told
    assert "1,440" not in told
    # What is recorded fits the network, and a smaller one is named.
    network = own.network_for(recipes()[name].network, full=False)
    assert own.network_for("any") == "any" and (network == recipes()[name].network or network in said)
    model = networks.build(network, (3, 32, 32), 10)
    layers = own.layers_for("cifar10", full=False)
    parameters = [name for name, _ in model.named_parameters()]
    assert all(fnmatch.filter(parameters, glob) for glob in layers)


def test_a_preset_is_trained_at_the_size_for_two_cores(tmp_path: Path, digits: Data) -> None:
    run = train_recipe("mlp-bn-10-100", tmp_path / "run", "digits", full=False, epochs=1)
    assert run.manifest.notes["training"]["weight_decay"] == 2e-2
    assert run.manifest.notes["chosen"][-1].startswith("for two cores")
    assert len(run["fc5.weight"].step) == 46


def test_the_language_model_is_trained_on_sequences(tmp_path: Path) -> None:
    text = "to be, or not to be: that is the question. " * 40
    run = train_recipe(
        "gpt-2-4-64", tmp_path / "run", characters(text, 64), full=False, epochs=1, batch_size=4
    )
    assert run["blocks.0.attn.qkv.weight"].sizes["step"] == len(run.steps) == 7
    assert run.manifest.notes["training"]["optimizer"] == "adamw"
    assert float(run.metrics["test_loss"].dropna("step")[-1]) < float(run.metrics["test_loss"][0])


def test_names_are_found_in_any_spelling_and_near_ones_offered() -> None:
    assert find_recipe("MLP 256").name == "mlp256"
    with pytest.raises(OptionError, match='no study "mlp-255": did you mean mlp256'):
        find_recipe("mlp-255")


def test_the_main_job_records_every_step_of_the_digits(tmp_path: Path) -> None:
    run = train_recipe("mlp50", tmp_path / "run", epochs=2, seed=3)
    assert len(run.steps) == 91
    assert all(len(run[layer].step) == 91 for layer in run)
    assert run.manifest.seed == 3
    assert run.manifest.notes["study"] == "mlp50"
    assert run.manifest.notes["source"] == "S1 5.2"
    assert run.manifest.data["name"] == "digits"
    # None leaves a setting as the preset has it.
    again = train_recipe("mlp50", tmp_path / "run", epochs=2, seed=3, lr=None, resume=True)
    assert again.manifest.run_id == run.manifest.run_id


def test_a_preset_is_trained_with_many_seeds_and_rates(tmp_path: Path) -> None:
    found = train_recipe(
        "mlp50", tmp_path / "many", epochs=1, seeds=[0, 2], lr=[0.1, 0.05], momentum=0.5, every="epoch",
        progress=False,
    )  # fmt: skip
    assert isinstance(found, training.Ensemble)
    assert [(s.lr, s.seed, s.momentum, s.epochs) for s in found.settings] == [
        (0.1, 0, 0.5, 1), (0.1, 2, 0.5, 1), (0.05, 0, 0.5, 1), (0.05, 2, 0.5, 1),
    ]  # fmt: skip
    notes = found[0].manifest.notes
    assert (notes["study"], notes["source"]) == ("mlp50", "S1 5.2")
    assert (
        "epochs 1 instead of 200, rate 0.1 instead of 0.01, momentum 0.5 instead of 0" in notes["chosen"][-1]
    )
    # What each member is trained with is said of it.
    for run, settings in zip(found, found.settings, strict=True):
        assert f"rate {settings.lr:g} instead of 0.01" in run.manifest.notes["chosen"][-1]
    one = train_recipe("mlp50", tmp_path / "one", epochs=1, seed=2, lr=0.05, momentum=0.5, progress=False)
    np.testing.assert_allclose(found[3]["fc2.weight"].values[-1], one["fc2.weight"].values[-1], atol=1e-5)


@pytest.mark.slow
def test_processes_are_told_what_was_chosen_for_each_member(tmp_path: Path) -> None:
    found = train_recipe(
        "mlp50", tmp_path / "many", epochs=1, lr=[0.1, 0.01], weight_decay=[1e-3], how="processes",
        notes={"mine": 1}, progress=False,
    )  # fmt: skip
    said = [run.manifest.notes["chosen"][-1] for run in found]
    assert "rate 0.1 instead of 0.01, weight decay 0.001 instead of 0" in said[0]
    assert "rate" not in said[1] and "weight decay 0.001" in said[1]
    assert [run.manifest.notes["mine"] for run in found] == [1, 1]


def test_every_seed_is_trained_on_the_same_images_alone_and_among_others(tmp_path: Path) -> None:
    def trained(folder: str, **seeds: object) -> Any:
        return train_recipe(
            "mlp-bn-10-100", tmp_path / folder, "digits", full=False, epochs=1, layers="fc5.weight", batch_size=500,
            progress=False, **seeds,
        )  # fmt: skip

    own = preset("mlp-bn-10-100")
    fewer = own.model_copy(update={"two_cores": own.two_cores.model_copy(update={"train_samples": 1000})})
    small = recipes()["mlp-bn-10-100"].changed(preset=fewer)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(recipes(), "mlp-bn-10-100", small)
        many = trained("many", seeds=[0, 1])
        alone = trained("one", seed=1)
    assert alone.manifest.data["train_samples"] == 1000
    assert [run.manifest.data["fingerprint"] for run in many] == [alone.manifest.data["fingerprint"]] * 2
    np.testing.assert_allclose(many[1]["fc5.weight"].values, alone["fc5.weight"].values, atol=1e-5)


def test_a_longer_training_swaps_its_classes_where_the_shorter_one_did(tmp_path: Path) -> None:
    def trained(epochs: int, resume: bool = False) -> Any:
        return train_recipe(
            "class-swap", tmp_path / "run", "digits", full=False, epochs=epochs, batch_size=500,
            layers="fc2.weight", resume=resume, progress=False,
        )  # fmt: skip

    first = trained(2)
    longer = trained(4, resume=True)
    assert longer.manifest.run_id == first.manifest.run_id
    assert longer.metrics.epoch.values[-1] == 4
    assert [phase["start"] for phase in longer.manifest.notes["training"]["phases"]] == [0, 1]
    with pytest.raises(
        OptionError, match=r"^epochs=1: this training has 2 phases of classes, .* more epochs$"
    ):
        train_recipe("class-swap", tmp_path / "short", "digits", full=False, epochs=1)


def test_other_data_and_layers(tmp_path: Path) -> None:
    run = train_recipe("mlp256", tmp_path / "run", "digits", epochs=1, layers=["fc3.weight"], every=9)
    assert list(run) == ["fc3.weight"]
    assert run["fc3.weight"].step.values.tolist() == [0, 9, 18, 27, 36, 45]


def test_absent_data_is_said_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EIGENTRAIL_DATA", raising=False)
    with pytest.raises(DataError, match="cifar10 was not found"):
        train_recipe("mlp256", tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_mlp50_on_the_real_mnist(tmp_path: Path, data_root: Path) -> None:
    run = train_recipe("mlp50", tmp_path / "run", data_root / "mnist", epochs=1, lr=0.05)
    assert run.metrics.test_accuracy.dropna("step").values[-1] > 0.94
    assert len(run["fc2.weight"].step) == 1876
    assert run["fc1.weight"].step.values.tolist() == [*range(0, 1876, 50), 1875]


@pytest.mark.slow
def test_mlp256_on_the_real_cifar10(tmp_path: Path, data_root: Path) -> None:
    run = train_recipe("mlp256", tmp_path / "run", data_root, epochs=3)
    assert run.metrics.test_accuracy.dropna("step").values[-1] > 0.42
    assert len(run["fc3.weight"].step) == 3 * 1563 + 1
