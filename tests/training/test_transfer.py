"""Four ways of transfer, and the skip connection around a network."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn

import eigentrail as et
from eigentrail.errors import FeatureError, OptionError
from eigentrail.training import transfer

SETTINGS = transfer.TransferSettings(steps=40, rates=(3e-3, 1e-2))


@pytest.fixture(scope="module")
def digits():
    return et.data.take(et.data.load("digits"), 400, 200)


@pytest.fixture(scope="module")
def source(digits):
    """A network trained on the first five digits."""
    data = et.data.select_classes(digits, range(5), relabel=True)
    return transfer.tune_all(et.networks.build("mlp-3-32", (1, 8, 8), 5), data, SETTINGS).model


@pytest.fixture(scope="module")
def downstream(digits):
    return et.data.select_classes(digits, range(5, 10), relabel=True)


def test_a_skip_connection_keeps_the_names_and_adds_the_layer(source):
    base = deepcopy(source)
    wrapped = transfer.SkipConnection(base, "fc2", "fc4")
    assert list(wrapped.state_dict()) == list(source.state_dict())
    assert [n for n, _ in wrapped.named_parameters()] == [n for n, _ in source.named_parameters()]
    x = torch.randn(6, 1, 8, 8)
    h1 = torch.relu(base.fc1(x.flatten(1)))
    h2 = base.fc2(h1)
    h3 = torch.relu(base.fc3(torch.relu(h2)))
    torch.testing.assert_close(wrapped(x), base.fc4(h3 + h2))
    torch.testing.assert_close(base(x), source(x))  # the network alone is as it was
    copied = deepcopy(wrapped)
    with torch.no_grad():
        copied.fc2.weight.zero_()
    torch.testing.assert_close(wrapped(x), base.fc4(h3 + h2))
    assert not torch.allclose(copied(x), wrapped(x))
    wrapped.load_state_dict(source.state_dict())
    assert wrapped.train().training
    assert base.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in base.modules())


def test_sizes_that_differ_are_padded_or_averaged():
    model = et.networks.build("lenet", (1, 8, 8), 3)
    x = torch.randn(4, 1, 8, 8)
    seen = []
    model.fc3.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(x)
    transfer.SkipConnection(model, "conv2", "fc3")(x)  # 16 channels into 84
    transfer.SkipConnection(model, "fc1", "fc3")(x)  # 120 into 84
    pooled = []
    model.conv2.register_forward_hook(lambda _, i, output: pooled.append(output.mean((2, 3))))
    model(x)
    torch.testing.assert_close((seen[1] - seen[0])[:, :16], pooled[0])
    assert float((seen[1] - seen[0])[:, 16:].detach().abs().max()) == 0.0
    assert float((seen[2] - seen[0]).detach().abs().min()) > 0.0


def test_the_four_ways_train_what_they_say(source, downstream):
    before = {name: value.clone() for name, value in source.state_dict().items()}
    found = transfer.all_methods(source, downstream, "fc2", SETTINGS)
    head, layer, everything = 32 * 5 + 5, 32 * 32 + 32, sum(p.numel() for p in source.parameters())
    assert [one.trained for one in found] == [head, head + layer, head + layer, everything]
    assert [one.method for one in found] == ["linear probe", "layer", "layer with skip", "full"]
    for one, changed in zip(
        found, ({"fc4"}, {"fc2", "fc4"}, {"fc2", "fc4"}, {"fc1", "fc2", "fc3", "fc4"}), strict=True
    ):
        tuned = one.model.state_dict()
        assert {n.split(".")[0] for n in before if not torch.equal(before[n], tuned[n])} == changed
        assert one.rate in SETTINGS.rates
        assert one.accuracy > 0.5
    assert found[3].share == 1.0
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in before.items())
    table = found[2].collapse(downstream)
    assert table.loc["fc4:input"].nc1.notna().all()
    again = transfer.tune_layer_with_skip(source, downstream, "fc2", SETTINGS)
    assert again.accuracy == found[2].accuracy


def test_the_skip_is_in_the_features_before_the_head(source, downstream):
    found = transfer.tune_layer_with_skip(source, downstream, "fc2", SETTINGS)
    x, y = downstream.train_inputs, downstream.train_targets
    model = found.model.base
    with torch.no_grad():
        h2 = model.fc2(torch.relu(model.fc1(x.flatten(1))))
        penultimate = torch.relu(model.fc3(torch.relu(h2))) + h2
    by_hand = et.Features(nn.Identity(), (penultimate, y), "network").collapse().iloc[0]
    measured = et.Features(found.model, (x, y)).collapse().loc["fc4:input"]
    assert measured.nc1 == pytest.approx(by_hand.nc1, rel=1e-4)


def test_each_layer_is_tried_and_the_best_on_validation_kept(source, downstream):
    each = [transfer.tune_layer(source, downstream, name, SETTINGS) for name in ("fc1", "fc2", "fc3")]
    best = transfer.tune_layer(source, downstream, None, SETTINGS)
    assert best.validation == max(one.validation for one in each)


def test_batch_norm_is_frozen_or_follows():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    data = et.data.select_classes(et.data.take(et.data.load("digits"), 200, 50), [1, 2], relabel=True)
    for how, same in (("frozen", True), ("updated", False)):
        settings = transfer.TransferSettings(steps=3, rates=(1e-3,), batch_norm=how)
        found = transfer.linear_probe(model, data, settings)
        assert torch.equal(found.model[2].running_mean, model[2].running_mean) is same
        assert found.row()["batch_norm"] == how


def test_accuracy_against_the_size_of_the_set(source, downstream):
    table = transfer.accuracy_against_size(source, downstream, [20, 100], "fc2", SETTINGS)
    assert table.groupby("size").size().tolist() == [4, 4]
    assert table[table["size"] == 100].accuracy.mean() > table[table["size"] == 20].accuracy.mean()


def test_what_cannot_be_transferred(source, downstream):
    with pytest.raises(FeatureError, match="no linear head"):
        transfer.linear_probe(
            nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.Softmax(1), nn.Unflatten(1, (5, 1))), downstream
        )
    with pytest.raises(FeatureError, match='named "fc9"'):
        transfer.tune_layer(source, downstream, "fc9")
    with pytest.raises(OptionError, match="positive"):
        transfer.TransferSettings(rates=(0.0,))
    with pytest.raises(FeatureError, match='named "x"'):
        transfer.SkipConnection(source, "x", "fc4")
