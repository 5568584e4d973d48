"""Networks by name: parameter counts, names, seeds, and a user's own."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest
import torch

from eigentrail import networks
from eigentrail._citations import cited
from eigentrail.errors import OptionError


@pytest.mark.parametrize("name", networks.names())
def test_parameter_counts_are_the_sources(name: str) -> None:
    entry = networks.entries()[name]
    model = networks.build(name, entry.input_shape, entry.classes)
    assert networks.count_parameters(model) == entry.parameters


@pytest.mark.parametrize(
    ("name", "input_shape", "layers"),
    [
        ("mlp50", (1, 28, 28), [(50, 784), (50, 50), (10, 50)]),
        ("mlp50", (1, 8, 8), [(50, 64), (50, 50), (10, 50)]),
        ("mlp256", (3, 32, 32), [(256, 3072), (128, 256), (64, 128), (10, 64)]),
    ],
)
def test_layers_take_the_shapes_of_the_data(
    name: str, input_shape: tuple[int, ...], layers: list[tuple[int, int]]
) -> None:
    model = networks.build(name, input_shape, 10)
    shapes = {n: tuple(p.shape) for n, p in model.named_parameters()}
    expected = {}
    for number, shape in enumerate(layers, start=1):
        expected[f"fc{number}.weight"] = shape
        expected[f"fc{number}.bias"] = shape[:1]
    assert shapes == expected
    assert list(shapes) == list(expected)
    assert model(torch.zeros(3, *input_shape)).shape == (3, 10)


def test_the_thesis_counts_in_figures() -> None:
    assert networks.entries()["mlp50"].parameters == 784 * 50 + 50 + 50 * 50 + 50 + 50 * 10 + 10 == 42_310
    sizes = [3072, 256, 128, 64, 10]
    assert networks.entries()["mlp256"].parameters == 828_490
    assert sum((a + 1) * b for a, b in itertools.pairwise(sizes)) == 828_490


def test_seeds_decide_the_weights_and_leave_the_global_generator_alone() -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    first, again, other = (networks.build("mlp50", (1, 8, 8), 10, seed=s) for s in (3, 3, 4))
    assert torch.equal(torch.rand(3), expected)
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(first.fc1.weight, other.fc1.weight)


def test_forward_is_relu_between_dense_layers_and_none_at_the_end() -> None:
    model = networks.build("mlp50", (1, 8, 8), 10, seed=1).double()
    x = torch.randn(7, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    hidden = x.reshape(7, 64)
    for layer in (model.fc1, model.fc2):
        hidden = (hidden @ layer.weight.T + layer.bias).clamp(min=0)
    logits = hidden @ model.fc3.weight.T + model.fc3.bias
    torch.testing.assert_close(model(x), logits, rtol=1e-12, atol=1e-12)
    assert (logits < 0).any()


def test_any_spelling_of_a_name_is_understood() -> None:
    assert networks.resolve("MLP 50") == networks.resolve("mlp-50") == "mlp50"


def test_spec_round_trips_and_rebuilds_the_same_network() -> None:
    spec = networks.NetworkSpec(name="mlp50", input_shape=(1, 8, 8), classes=10, seed=5)
    again = networks.NetworkSpec.model_validate_json(spec.model_dump_json())
    assert again == spec
    assert spec.known
    target, arguments = spec.rebuilding()
    assert target == "eigentrail.networks.registry:build_known"
    assert torch.equal(networks.build_known(**arguments).fc2.weight, spec.build().fc2.weight)
    assert torch.equal(again.build().fc2.weight, networks.build("mlp50", (1, 8, 8), 10, seed=5).fc2.weight)


OWN = """
import torch
from torch import nn

class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4))

class Plain(nn.Module):
    pass

def from_data(input_shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(input_shape[0] * input_shape[1], classes))

def anything(**given):
    return nn.Linear(given["input_shape"][0], given["classes"])

def breaks(classes):
    raise ValueError("no such size")

def breaks_at_length(classes):
    raise ValueError("no\\nsuch size")

def leaves(classes):
    raise SystemExit(0)

def not_a_network(classes):
    return classes

number = 3
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "my_networks.py").write_text(OWN)
    (tmp_path / "my_bye.py").write_text("import sys\nsys.exit()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "my_networks"
    sys.modules.pop("my_networks", None)


def test_own_networks_get_the_arguments_they_take(own: str) -> None:
    assert networks.build(f"{own}:from_data", (2, 3), 4)[1].weight.shape == (4, 6)
    assert networks.build(f"{own}:anything", (5,), 2).weight.shape == (2, 5)
    assert not list(networks.build(f"{own}:Plain", (5,), 2).parameters())
    first, again = (networks.build(f"{own}:Whole", (2, 3), 4, seed=9) for _ in range(2))
    assert torch.equal(first.weight, again.weight)
    spec = networks.NetworkSpec(name=f"{own}:from_data", input_shape=(2, 3), classes=4)
    assert not spec.known
    assert spec.rebuilding() == ("my_networks:from_data", {"input_shape": (2, 3), "classes": 4})


def test_a_recorded_run_imports_nobodys_code_by_itself(own: str) -> None:
    with pytest.raises(OptionError, match="there is no network"):
        networks.build_known(f"{own}:from_data", (2, 3), 4)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mlp5", "did you mean mlp50"),
        ("MLP 265", "mlp256"),
        ("transformer", "there are deep-linear, gpt-2-4-64, lenet"),
        ("my_networks:gone", "has no attribute 'gone'"),
        ("no_such_module:f", "No module named 'no_such_module'"),
        (":f", "cannot be imported"),
        ("my_networks:breaks", r"breaks\(classes=4\) does not build a network: ValueError: no such size"),
        ("my_networks:breaks_at_length", "does not build a network: ValueError: no$"),
        ("my_networks:leaves", r"leaves\(classes=4\) does not build .*SystemExit: it ends the program"),
        ("my_bye:f", r"cannot be imported \(it ends the program, as sys.exit\(\) does\)"),
        (7, "a network is given by its name, not 7"),
        ("my_networks:not_a_network", "gives a int, not an nn.Module"),
        ("my_networks:number", "is a int: name a class or function"),
    ],
)
def test_unknown_and_broken_ones_are_one_clear_sentence(own: str, name: str, said: str) -> None:
    with pytest.raises(OptionError, match=said) as caught:
        networks.build(name, (2, 3), 4)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("shape", "classes"), [((0, 3), 4), ((2, 3), 0), ((2, -3), 4)])
def test_sizes_must_be_positive(shape: tuple[int, ...], classes: int) -> None:
    with pytest.raises(OptionError):
        networks.build("mlp50", shape, classes)


@pytest.mark.parametrize("name", ["mlp50", "my_networks:from_data"])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"classes": "ten"}, "classes is a whole number, at least 1, not 'ten'"),
        ({"classes": 2.7}, "classes is a whole number, at least 1, not 2.7"),
        ({"input_shape": 64}, r"input_shape is the shape of one sample, such as \(3, 32, 32\), not 64"),
        ({"input_shape": "28"}, "input_shape is the shape of one sample.* not '28'"),
        ({"input_shape": (1, 8.5)}, "a side of input_shape is a whole number, at least 1, not 8.5"),
        ({"seed": 2**64}, "seed is a whole number, 0 to 9223372036854775807, not 18446744073709551616"),
        ({"seed": "x"}, "seed is a whole number"),
    ],
)
def test_arguments_of_another_kind(own: str, name: str, given: dict[str, object], said: str) -> None:
    with pytest.raises(OptionError, match=said) as caught:
        networks.build(name, **{"input_shape": (1, 8), "classes": 3, **given})
    assert "\n" not in str(caught.value)


def test_single_numbers_are_no_samples_of_a_known_network() -> None:
    with pytest.raises(OptionError, match=r"mlp50 takes samples of one side or more.*give inputs \[n, 1\]"):
        networks.build("mlp50", (), 7)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "^NetworkSpec needs classes: give classes=...$"),
        (
            {"classes": "ten"},
            r"^NetworkSpec\(classes='ten'\) cannot be used: input should be a valid integer",
        ),
        ({"classes": 3, "depth": 4}, 'there is no setting of NetworkSpec "depth"'),
    ],
)
def test_a_spec_that_cannot_be(given: dict[str, object], said: str) -> None:
    with pytest.raises(OptionError, match=said) as caught:
        networks.NetworkSpec(name="mlp50", input_shape=(1, 8, 8), **given)
    assert "\n" not in str(caught.value)


def test_the_documents_list_every_network_with_its_count() -> None:
    text = (Path(__file__).parents[2] / "docs" / "networks.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| `")]
    listed = {row[0].strip("| `"): (row[2], int(row[3].replace(",", ""))) for row in rows}
    assert listed == {
        name: (cited(entry.source), entry.parameters) for name, entry in networks.entries().items()
    }
