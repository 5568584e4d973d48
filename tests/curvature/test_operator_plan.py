"""How products are made: by their expected number and within the memory limit."""

from __future__ import annotations

import pytest
import torch
from curvature_cases import build, vectors
from torch import nn

import eigentrail as et
from eigentrail.errors import CurvatureError


def wide(count: int = 400) -> tuple[nn.Module, tuple[torch.Tensor, torch.Tensor]]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 300), nn.Tanh(), nn.Linear(300, 300), nn.Tanh(), nn.Linear(300, 3))
    return model, (torch.randn(count, 8), torch.randint(3, (count,)))


def test_one_product_is_recomputed_some_are_cached_many_linearised_on_trial() -> None:
    model, data = wide(2000)
    found = [et.Curvature(model, None, data, expected=count).plan.way for count in (1, 20, 5000)]
    assert found == ["recomputed", "cached", "linearised"]
    # Tracing is not paid back by small batches, however few operations they take.
    case = build("tanh")
    small = et.Curvature(case.model, case.loss, (case.inputs, case.targets), expected=5000)
    assert small.plan.way == "cached"


def test_the_trial_keeps_what_has_less_to_do() -> None:
    # A dense network's forward derivative has no fewer matrix products than its kept graph; for the Gauss-Newton matrix
    # of convolutions the graph, which differentiates a second time, has half as much again.
    model, data = wide(2000)
    dense = et.Curvature(model, None, data, expected=5000)
    v = torch.from_numpy(vectors(dense.n, 1)[0]).float()
    expected = et.Curvature(model, None, data, way="cached") @ v
    torch.testing.assert_close(dense @ v, expected, rtol=1e-4, atol=1e-6)
    assert dense.plan.way == "cached" and "no more to do" in dense.plan.note
    asked = et.Curvature(model, None, data, way="linearised")
    torch.testing.assert_close(asked @ v, expected, rtol=1e-4, atol=1e-6)
    assert (asked.plan.way, asked.plan.note) == ("linearised", "")
    # It is not tried again.
    dense.problem.expect(10_000)
    assert dense.plan.way == "cached"

    torch.manual_seed(0)
    convolutions = nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.Tanh(), nn.Conv2d(16, 16, 3), nn.Tanh(), nn.Flatten(), nn.Linear(16 * 64, 4)
    )
    images = torch.randn(64, 3, 12, 12), torch.randint(4, (64,))
    found = et.Curvature(convolutions, None, images, kind="gauss-newton", expected=5000)
    v = torch.from_numpy(vectors(found.n, 1)[0]).float()
    expected = et.Curvature(convolutions, None, images, kind="gauss-newton", way="cached") @ v
    torch.testing.assert_close(found @ v, expected, rtol=1e-4, atol=1e-6)
    assert (found.plan.way, found.plan.note) == ("linearised", "")


def test_a_way_that_does_not_fit_is_not_followed_and_said() -> None:
    model, data = wide()
    n = et.Curvature(model, None, data).n
    for way in ("cached", "linearised"):
        tight = et.Curvature(model, None, data, way=way, memory_limit=int(6.7 * 4 * n))
        assert tight.plan.way == "recomputed"
        assert tight.plan.note == f"not {way}, for that does not fit the memory limit"


@pytest.mark.parametrize(
    "kind", [nn.LSTM, *(pytest.param(one, marks=pytest.mark.slow) for one in (nn.GRU, nn.RNN))]
)
def test_recurrent_layers_run_step_by_step_and_leave_the_settings(kind: type[nn.RNNBase]) -> None:
    # oneDNN's fused layer has no forward derivative, and its second derivative computes all steps once more.
    class Recurrent(nn.Module):
        def __init__(self, kind: type[nn.RNNBase]) -> None:
            super().__init__()
            self.layer = kind(6, 5, 2, batch_first=True)
            self.head = nn.Linear(5, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.layer(x)[0][:, -1])

    torch.manual_seed(0)
    model = Recurrent(kind)
    data = torch.randn(20, 4, 6), torch.randint(3, (20,))
    hooks = [len(model.layer._forward_pre_hooks), len(model.layer._forward_hooks)]
    made = {way: et.Curvature(model, None, data, way=way) for way in ("cached", "linearised", "recomputed")}
    v = torch.from_numpy(vectors(made["cached"].n, 1)[0]).float()
    found = {way: operator @ v for way, operator in made.items()}
    assert [operator.plan.way for operator in made.values()] == [*made]
    double = et.Curvature(model, None, data, dtype=torch.float64) @ v.double()
    for one in found.values():
        torch.testing.assert_close(one, double.float(), rtol=1e-4, atol=1e-6)
    assert torch.backends.mkldnn.enabled
    assert hooks == [len(model.layer._forward_pre_hooks), len(model.layer._forward_hooks)]
    with pytest.raises(CurvatureError):  # an error inside the layer leaves the settings, too
        et.Curvature(model, None, (torch.randn(20, 4, 7), data[1])) @ v
    assert torch.backends.mkldnn.enabled and not model.layer._forward_pre_hooks


def test_the_memory_limit_bounds_batches_and_what_is_kept() -> None:
    model, data = wide()
    v = torch.from_numpy(vectors(et.Curvature(model, None, data).n, 1)[0]).float()
    free = et.Curvature(model, None, data, batch_size=40)
    expected = free @ v
    full = free.plan
    assert (full.batches, full.kept, full.size) == (10, 10, 40)
    some = et.Curvature(model, None, data, batch_size=40, memory_limit=int(0.8 * full.held) + 6 * 4 * free.n)
    assert 0 < some.plan.kept < 10 and some.plan.way == "cached"
    assert some.plan.held <= some.memory_limit
    tight = et.Curvature(model, None, data, batch_size=40, memory_limit=int(6.7 * 4 * free.n))
    assert tight.plan.way == "recomputed" and tight.plan.size < 40 and tight.plan.kept == 0
    for operator in (some, tight):
        torch.testing.assert_close(operator @ v, expected, rtol=1e-4, atol=1e-6)
        sizes = [[batch.count for batch in operator.problem.batches()] for _ in range(2)]
        assert sizes[0] == sizes[1] and sum(sizes[0]) == 400 and max(sizes[0]) <= operator.plan.size
        torch.testing.assert_close(operator @ v, operator @ v, rtol=0, atol=0)


def test_the_estimate_is_what_a_whole_batch_keeps() -> None:
    model, data = wide()
    operator = et.Curvature(model, None, data)
    held: dict[int, int] = {}

    def pack(x: torch.Tensor) -> torch.Tensor:
        held[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    plan = operator.plan
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        operator @ torch.zeros(operator.n)
    own = {x.untyped_storage().data_ptr() for x in operator.problem.point.held()}
    measured = sum(size for place, size in held.items() if place not in own)
    gradient = 4 * operator.n
    assert plan.batches == 1 and plan.kept == 1
    assert 0.8 * measured <= plan.held <= 1.3 * measured + 2 * gradient


def test_a_batch_of_a_loader_is_divided_only_where_memory_demands_it() -> None:
    model, (x, y) = wide()
    batches = [(x[:250], y[:250]), (x[250:], y[250:])]
    operator = et.Curvature(model, None, batches)
    assert [batch.count for batch in operator.problem.batches()] == [250, 150]
    tight = et.Curvature(model, None, batches, memory_limit=int(6.7 * 4 * operator.n))
    assert len(list(tight.problem.batches())) > 2
    v = vectors(operator.n, 1)[0]
    assert abs(tight @ v - operator @ v).max() < 1e-5


def test_solvers_say_what_they_expect_unless_the_user_did() -> None:
    model, data = wide(2000)
    operator = et.Curvature(model, None, data, "4")
    operator.problem.expect(20_000)
    assert operator.plan.way == "linearised"
    told = et.Curvature(model, None, data, "4", expected=3)
    told.problem.expect(20_000)
    assert told.plan.way == "cached"


def test_several_vectors_at_once_where_a_product_is_all_overhead() -> None:
    case = build("tanh")
    small = et.Curvature(case.model, case.loss, (case.inputs, case.targets))
    assert small.plan.at_once > 1
    model, data = wide()
    large = et.Curvature(model, None, data)
    assert large.plan.at_once == 1
    v = torch.from_numpy(vectors(small.n, 70))
    together = small.apply(v)
    apart = torch.stack([small.apply(one) for one in v])
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-14)
    assert small.products == 140


def test_release_gives_memory_back_and_products_stay() -> None:
    case = build("tanh")
    operator = et.Curvature(case.model, case.loss, (case.inputs, case.targets))
    v = vectors(operator.n, 1)[0]
    before = operator @ v
    assert operator.problem.ready()._kept
    operator.release()
    assert not operator.problem.ready()._kept
    assert (operator @ v == before).all()


def test_an_operation_that_cannot_be_traced_takes_the_graph() -> None:
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):  # type: ignore[no-untyped-def]
            ctx.save_for_backward(x)
            return x**2

        @staticmethod
        def backward(ctx, g):  # type: ignore[no-untyped-def]
            return 2 * ctx.saved_tensors[0] * g

    class Layer(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return Square.apply(x)

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), Layer(), nn.Linear(5, 3)).double()
    x, y = torch.randn(9, 4).double(), torch.randint(3, (9,))

    class Plain(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x**2

    plain = nn.Sequential(model[0], Plain(), model[2])
    found = et.Curvature(model, None, (x, y), way="linearised")
    expected = et.Curvature(plain, None, (x, y))
    v = torch.from_numpy(vectors(found.n, 3))
    torch.testing.assert_close(found.apply(v), expected.apply(v), rtol=0, atol=1e-13)
    assert found.plan.way == "cached" and "not linearised" in found.plan.note


def test_a_sample_that_takes_more_than_2_gib_may_have_half_of_what_is_available(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 9), nn.Tanh(), nn.Linear(9, 4)).double()
    data = (torch.randn(30, 12).double(), torch.randint(4, (30,)))
    usual = et.Curvature(model, None, data)
    v = torch.randn(usual.n, dtype=torch.float64)
    expected = usual.apply(v)
    # As if 2 GiB were a kilobyte, which no sample of this network fits into.
    monkeypatch.setattr("eigentrail.linalg.memory.ENOUGH", 1000)
    large = et.Curvature(model, None, data)
    torch.testing.assert_close(large.apply(v), expected, rtol=1e-12, atol=1e-12)
    with pytest.raises(et.EigentrailError, match="raise memory_limit"):
        et.Curvature(model, None, data, memory_limit=1000).apply(v)
