"""Bad input gives one clear sentence."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from curvature_cases import build
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

import eigentrail as et
from eigentrail.errors import CurvatureError, DataError, NumericalWarning, OptionError

X, Y = torch.randn(12, 4, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 3


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))


def refused(error: type[Exception], match: str, *args: Any, **options: Any) -> None:
    """One sentence, at the construction or at the first product."""
    with pytest.raises(error, match=match) as caught:
        operator = et.Curvature(*args, **options)
        operator @ np.ones(operator.n)
    text = str(caught.value)
    assert isinstance(caught.value, et.EigentrailError)
    assert text.endswith((".", "?")) and "\n" not in text and len(text) < 400


def test_a_loss_that_is_no_scalar() -> None:
    refused(CurvatureError, r"shape \(\d+,\).*mean", net(), nn.CrossEntropyLoss(reduction="none"), (X, Y))
    refused(CurvatureError, "float, not a tensor", net(), lambda o, t: F.cross_entropy(o, t).item(), (X, Y))
    refused(CurvatureError, "loss is str", net(), "cross-entropy", (X, Y))


@pytest.mark.parametrize("kind", ["hessian", "gauss-newton"])
def test_no_gradient_path(kind: str) -> None:
    def detached(o: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(o.detach(), t)

    refused(CurvatureError, "no gradient path", net(), detached, (X, Y), kind=kind)
    model = net()
    model.register_parameter("unused", nn.Parameter(torch.ones(3)))
    refused(CurvatureError, "no gradient path", model, None, (X, Y), "unused", kind=kind)


def test_a_layer_that_is_not_in_the_model() -> None:
    refused(CurvatureError, 'no layer is named "2.weigth".*2.weight', net(), None, (X, Y), "2.weigth")
    refused(CurvatureError, "layers is empty", net(), None, (X, Y), [])
    refused(CurvatureError, "has no parameters", nn.ReLU(), None, (X, Y))
    refused(CurvatureError, "requires a gradient", net().requires_grad_(False), None, (X, Y))
    refused(CurvatureError, "torch.nn.Module", lambda x: x, None, (X, Y))


def test_empty_and_one_sample_data() -> None:
    refused(DataError, "empty", net(), None, (X[:0], Y[:0]))
    refused(DataError, "empty", net(), None, [])
    refused(DataError, "one sample.*twice", net(), None, (X[:1], Y[:1]))
    twice = et.Curvature(net(), None, (X[[0, 0]], Y[[0, 0]]))
    assert np.isfinite(twice @ np.ones(twice.n)).all()


def test_data_that_does_not_fit() -> None:
    refused(DataError, "12 inputs and 11 targets", net(), None, (X, Y[:11]))
    refused(DataError, "pair .inputs, targets.", net(), None, [(X, Y, Y)])
    refused(DataError, "data is int", net(), None, 3)
    refused(DataError, "tensors draw nothing", net(), None, (X, Y), augmentations=2)
    refused(DataError, "1 or more", net(), None, (X, Y), augmentations=0)


def test_nan() -> None:
    bad = X.clone()
    bad[3, 1] = float("nan")
    refused(CurvatureError, "loss is nan and so are outputs", net(), None, (bad, Y))
    refused(CurvatureError, r"loss is nan.*samples 2 to 3", net(), None, (bad, Y), batch_size=2)
    refused(
        CurvatureError, "loss is inf for finite", net(), lambda o, t: o.square().sum() * float("inf"), (X, Y)
    )
    model = net()
    with torch.no_grad():
        model[2].weight[0, 0] = float("inf")
    refused(CurvatureError, "2.weight holds NaN", model, None, (X, Y))
    refused(CurvatureError, "square root", net(), lambda o, t: (o - o.detach()).norm(), (X, Y))


class Random(Dataset[Any]):
    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, place: int) -> Any:
        return X[place] + torch.randn(4), Y[place]


def test_data_that_differs_between_passes() -> None:
    match = "differs between two passes.*augmentations=k"
    refused(DataError, match, net(), None, Random())
    refused(DataError, match, net(), None, DataLoader(Random(), batch_size=5, shuffle=True))

    def noisy(items: list[Any]) -> Any:
        x, y = torch.utils.data.default_collate(items)
        return x + torch.randn_like(x), y

    data = list(zip(X, Y, strict=True))
    refused(DataError, match, net(), None, DataLoader(data, batch_size=5, collate_fn=noisy))


class Always(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(x, 0.5)


def test_dropout_left_on_is_named() -> None:
    model = net()
    model.insert(2, Always())
    refused(CurvatureError, r'other outputs.*module "2" \(Always\)', model, None, (X, Y))

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = net()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return F.dropout(self.inner(x), 0.5)

    refused(CurvatureError, "Whole.forward draws", Whole(), None, (X, Y))


def test_a_random_loss_is_told_from_random_outputs() -> None:
    def noisy(o: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(o + torch.randn_like(o), t)

    refused(CurvatureError, "loss gives other values for the same outputs", net(), noisy, (X, Y))


def test_precisions_and_kinds_of_parameters() -> None:
    refused(CurvatureError, r"float16.*model.float\(\)", net().half(), None, (X, Y))
    refused(CurvatureError, "bfloat16", net().bfloat16(), None, (X, Y))
    refused(CurvatureError, "not in torch.float16", net(), None, (X, Y), dtype=torch.float16)
    mixed = net()
    mixed[0].double()
    refused(CurvatureError, "several precisions", mixed, None, (X, Y))
    model = net()
    model.register_parameter("codes", nn.Parameter(torch.arange(3), requires_grad=False))
    refused(CurvatureError, "codes is torch.int64", model, None, (X, Y), "codes")
    assert et.Curvature(model, None, (X, Y)).n == 43
    refused(CurvatureError, "no shape yet", nn.Sequential(nn.LazyLinear(3)), None, (X, Y))
    with torch.device("meta"):
        refused(CurvatureError, "no values", nn.Linear(4, 3), None, (X, Y))


def test_vectors() -> None:
    operator = et.Curvature(net(), None, (X, Y))
    for shape in [(42,), (43, 2, 2), ()]:
        with pytest.raises(CurvatureError, match="43 parameters"):
            operator @ np.ones(shape)
    with pytest.raises(CurvatureError, match=r"\[k, n\] with n = 43"):
        operator.apply(torch.ones(43, 2))
    bad = np.ones(43)
    bad[7] = np.nan
    with pytest.raises(CurvatureError, match="NaN or infinity"):
        operator @ bad
    with pytest.raises(CurvatureError, match="complex"):
        operator @ np.ones(43, dtype=complex)
    with pytest.raises(OptionError, match="k is 1 to 43"):
        operator.top(44)
    assert operator.products == 0


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"kind": "fisher"}, "kind is"),
        ({"way": "fast"}, "way is"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": "a"}, "batch_size is a whole number, at least 1, not 'a'"),
        ({"batch_size": 2.5}, "batch_size is a whole number"),
        ({"batch_size": True}, "batch_size is a whole number"),
        ({"memory_limit": "a"}, "memory_limit is a whole number, at least 1, not 'a'"),
        ({"memory_limit": 1.5}, "memory_limit is a whole number"),
        ({"weight_decay": "a"}, "weight_decay is a finite number"),
        ({"weight_decay": None}, "weight_decay is a finite number"),
        ({"expected": 2.5}, "expected is a whole number"),
        ({"seed": 1.5}, "seed is a whole number"),
        ({"seed": 2**70}, "seed is a whole number"),
        ({"device": "gpu"}, "no device 'gpu'.*leave it out"),
        ({"device": 3.5}, "no device 3.5"),
        ({"memory_limit": 0}, "memory_limit"),
        ({"weight_decay": float("nan")}, "weight_decay"),
        ({"expected": 0}, "expected"),
        ({"seed": -1}, "seed"),
    ],
)
def test_options(options: dict[str, Any], match: str) -> None:
    refused(OptionError, match, net(), None, (X, Y), **options)


@pytest.mark.parametrize("kind", ["hessian", "gauss-newton"])
@pytest.mark.parametrize("loss", [None, nn.CrossEntropyLoss()])
def test_targets_that_are_no_classes(loss: Any, kind: str) -> None:
    refused(
        DataError,
        "class 3 .*3 classes, 0 to 2: number the classes from 0",
        net(),
        loss,
        (X, Y + 1),
        kind=kind,
    )
    refused(DataError, "class -1", net(), loss, (X, Y - 1), kind=kind)
    # Also where it is the last one of many.
    many = torch.cat([Y] * 60)
    many[-1] = 7
    refused(DataError, "class 7", net(), loss, (torch.cat([X] * 60), many), kind=kind, batch_size=100)
    refused(DataError, r"\[12\] \(float32\): give targets.long", net(), loss, (X, Y.float()), kind=kind)
    refused(DataError, r"\[12, 1\] \(float32\)", net(), loss, (X, Y.float()[:, None]), kind=kind)
    refused(DataError, r"\(int32\): give targets.long", net(), loss, (X, Y.int()), kind=kind)


def test_classes_that_are_ignored_and_probabilities_are_targets() -> None:
    some = Y.clone()
    some[0] = -100
    for loss, targets in ((None, some), (nn.CrossEntropyLoss(ignore_index=9), Y.where(Y > 0, 9))):
        assert torch.isfinite(et.Curvature(net(), loss, (X, targets), batch_size=12).gradient()).all()
    soft = F.one_hot(Y, 3).float()
    hard = et.Curvature(net(), None, (X, Y)).gradient()
    torch.testing.assert_close(et.Curvature(net(), None, (X, soft)).gradient(), hard)
    tokens, words = torch.randn(4, 6, 4), torch.zeros(4, 6, dtype=torch.long)
    words[0, 0] = 2
    assert torch.isfinite(et.Curvature(net(), None, (tokens, words)).gradient()).all()
    words[0, 0] = 3
    refused(DataError, "class 3 .*3 classes", net(), None, (tokens, words))


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("kind", ["hessian", "gauss-newton"])
def test_what_network_and_loss_do_not_take(kind: str) -> None:
    wide = torch.randn(12, 6)
    match = r"network does not take inputs \[4, 6\] \(float32\): mat1 and mat2 .*4x6 and 4x5.*width"
    refused(CurvatureError, match, net(), None, (wide, Y), kind=kind)
    refused(CurvatureError, r"inputs \[4, 4\] \(int64\)", net(), None, (X.long(), Y), kind=kind)
    match = r"loss does not take outputs \[4, 3\] \(float32\) with targets \[4, 2\] \(float32\)"
    refused(CurvatureError, match, net(), nn.MSELoss(), (X, torch.randn(12, 2)), kind=kind)
    refused(CurvatureError, "TypeError.*positional", net(), lambda o: o.sum(), (X, Y), kind=kind)
    refused(CurvatureError, "AttributeError.*no attribute 'missing'", net(), lambda o, t: o.missing, (X, Y))


@pytest.mark.parametrize("kind", ["hessian", "gauss-newton"])
def test_what_a_later_batch_holds_is_told_too(kind: str) -> None:
    def own(o: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(o, t)

    many = torch.cat([Y] * 60)
    many[-1] = 7
    data = torch.cat([X] * 60), many
    match = r"loss does not take outputs \[20, 3\].*targets \[20\] \(int64\): IndexError Target 7"
    refused(CurvatureError, match, net(), own, data, kind=kind, batch_size=100)
    for ask in ("gradient", "loss_value", "matrix"):
        operator = et.Curvature(net(), own, data, "0", kind, batch_size=100)
        with pytest.raises(CurvatureError, match=match):
            getattr(operator, ask)()
    batches = [(X, Y), (torch.randn(5, 6), Y[:5])]
    refused(CurvatureError, r"inputs \[5, 6\]", net(), None, batches, kind=kind)


def test_the_error_of_the_users_own_code_is_kept_as_the_cause() -> None:
    def broken(o: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        raise KeyError("mask")

    with pytest.raises(CurvatureError, match="KeyError 'mask'") as caught:
        et.Curvature(net(), broken, (X, Y)).gradient()
    assert isinstance(caught.value.__cause__, KeyError)


def test_memory_that_is_out_is_no_fault_of_the_loss() -> None:
    def large(o: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        et.Curvature(net(), large, (X, Y)).gradient()


def test_the_first_call_draws_nothing() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    et.Curvature(net(), None, (X, Y)).gradient()
    torch.manual_seed(5)
    et.Curvature(nn.Sequential(nn.Linear(4, 3), nn.Dropout()), None, (X, Y)).gradient()
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there() -> None:
    for name in ("cuda", "cuda:3", torch.device("cuda")):
        refused(OptionError, "sees no CUDA device.*leave it out", net(), None, (X, Y), device=name)


def test_layers_that_are_no_text() -> None:
    refused(CurvatureError, "layers holds 3: give names", net(), None, (X, Y), 3)
    refused(CurvatureError, "layers holds 3: give names", net(), None, (X, Y), ["0", 3])


@pytest.mark.parametrize("draws", [1.5, "a", True])
def test_draws_that_are_no_whole_number(draws: Any) -> None:
    refused(DataError, "1 or more", net(), None, list(zip(X, Y, strict=True)), augmentations=draws)


@pytest.mark.parametrize(
    ("call", "options", "match"),
    [
        ("density", {"probes": 2.5}, "probes is a whole number, at least 2, not 2.5"),
        ("density", {"probes": None}, "probes is a whole number"),
        ("density", {"depth": 3.5}, "depth is a whole number"),
        ("density", {"seed": -1}, "seed is a whole number"),
        ("density", {"width": "a"}, "width is a finite number"),
        ("trace", {"products": 20.5}, "products is a whole number"),
        ("trace", {"products": "a"}, "products is a whole number"),
        ("trace", {"seed": -1}, "seed is a whole number"),
        ("matrix", {"check": 1.5}, "check is a whole number"),
        ("matrix", {"check": -1}, "check is a whole number, at least 0"),
        ("matrix", {"limit": "a"}, "limit is a finite number"),
        ("matrix", {"limit": float("nan")}, "limit is a finite number"),
        ("spectrum", {"check": 1.5}, "check is a whole number"),
        ("top", {"k": 2, "risk": float("nan")}, "risk is a finite number"),
        ("top", {"k": 2, "risk": -1}, "risk is a probability from 0 to 1, or None"),
        ("top", {"k": 2, "risk": "a"}, "risk is a finite number"),
        ("top", {"k": 2, "tol": "a"}, "tol is a finite number"),
        ("top", {"k": 2, "seed": -1}, "seed is a whole number"),
        ("top", {"k": 2, "block": 1.5}, "block is a whole number"),
        ("top", {"k": 2, "max_products": 8.5}, "max_products is a whole number"),
        ("top", {"k": "a"}, "k is a whole number"),
    ],
)
def test_numbers_that_cannot_be(call: str, options: dict[str, Any], match: str) -> None:
    operator = et.Curvature(net(), None, (X, Y))
    with pytest.raises(OptionError, match=match) as caught:
        getattr(operator, call)(**options)
    assert str(caught.value).endswith(".") and len(str(caught.value)) < 120
    assert operator.products == 0


def test_bytes_may_be_written_as_a_power_of_ten() -> None:
    assert et.Curvature(net(), None, (X, Y), memory_limit=2e9).memory_limit == 2 * 10**9
    assert et.Curvature(net(), None, (X, Y), batch_size=np.int64(5)).plan.batches == 3


def test_a_memory_limit_that_holds_no_sample() -> None:
    refused(
        CurvatureError, "one sample takes about.*raise memory_limit", net(), None, (X, Y), memory_limit=500
    )


def test_a_loss_that_is_no_mean_over_samples_is_refused() -> None:
    case = build("tanh")
    summed = nn.CrossEntropyLoss(reduction="sum")
    pair = (case.inputs, case.targets)
    refused(CurvatureError, "no mean over samples.*weights=", case.model, summed, pair, batch_size=8)
    # Batches that came as they are are weighted by their samples, too.
    batches = [(case.inputs[:5], case.targets[:5]), (case.inputs[5:], case.targets[5:])]
    with pytest.raises(CurvatureError, match="no mean over samples"):
        et.Curvature(case.model, summed, batches).loss_value()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        et.Curvature(case.model, nn.CrossEntropyLoss(), batches).loss_value()
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4, track_running_stats=False), nn.Linear(4, 3))
    refused(CurvatureError, "samples meet", model, None, (X, Y), batch_size=6)


def test_what_is_no_mean_keeps_its_batches_together() -> None:
    def mixing(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(outputs - outputs.mean(dim=0), targets)

    model = net()
    by_batch = et.Curvature(model, mixing, [(X[:5], Y[:5]), (X[5:], Y[5:])], weights="batches")
    parts = [(X[:5], Y[:5], 5 / len(X)), (X[5:], Y[5:], 1 - 5 / len(X))]
    expected = sum(share * float(mixing(model(x), y).detach()) for x, y, share in parts)
    assert by_batch.loss_value() == pytest.approx(expected, rel=1e-6)
    # Memory must not change what the loss is of.
    many = (X.repeat(100, 1), Y.repeat(100))
    refused(CurvatureError, "1200 samples have to stay together", model, mixing, many, memory_limit=120_000)


def test_a_sum_over_one_batch_is_told_of() -> None:
    operator = et.Curvature(net(), nn.CrossEntropyLoss(reduction="sum"), (X, Y))
    with pytest.warns(NumericalWarning, match=r'the sum of those of its parts.*reduction="mean"'):
        operator @ np.ones(operator.n)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # What samples share within the only batch is part of the curvature.
        mixing = et.Curvature(net(), lambda o, t: F.cross_entropy(o - o.mean(dim=0), t), (X, Y))
        mixing @ np.ones(mixing.n)


def test_arguments_of_other_kinds() -> None:
    refused(OptionError, r"kind is .* not \[\]", net(), None, (X, Y), kind=[])
    refused(OptionError, 'device="meta" computes nothing', net(), None, (X, Y), device="meta")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted = torch.jit.script(net())
    refused(CurvatureError, "TorchScript", scripted, None, (X, Y))
    operator = et.Curvature(net(), None, (X, Y))
    for call, match in (
        (lambda: operator @ None, "numbers, not an array of object"),
        (lambda: operator @ np.array(["a"] * operator.n), "numbers, not an array of <U1"),
        (lambda: operator.apply(np.ones(operator.n)), "apply multiplies torch tensors"),  # type: ignore[arg-type]
        (lambda: operator.trace(20, deflate=np.eye(operator.n)[:2]), "to deflate is ndarray"),  # type: ignore[arg-type]
        (lambda: et.Curvature.along("folder"), r'not str: give et\.open_run\("FOLDER"\)'),  # type: ignore[arg-type]
    ):
        with pytest.raises(et.EigentrailError, match=match):
            call()


def test_a_copy_gives_the_same_products() -> None:
    operator = et.Curvature(net(), None, (X, Y))
    v = np.linspace(-1, 1, operator.n)
    expected = operator @ v
    np.testing.assert_array_equal(copy.deepcopy(operator) @ v, expected)
