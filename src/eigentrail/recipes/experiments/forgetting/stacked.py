"""Networks of many seeds or strengths that learn a task at once, in step, each as it would alone but for rounding.

A network as small as that of permuted MNIST, seeing ten samples a step, waits for calls rather than for arithmetic: a
stack of five takes about twice the time of one.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eigentrail.errors import OptionError
from eigentrail.interventions.anchors import Anchor
from eigentrail.recipes.experiments.forgetting.stacked_holds import Hold, ReadFrom, stacked_hold
from eigentrail.recipes.experiments.forgetting.tasks import PermutedTasks, joined_order

#: Steps whose samples are put in order together.
_STEPS = 50


class StackedNetworks:
    """Dense layers without biases and with ReLU between them, of K networks.

    The networks' parameters become views of the stacked weights, so that each is always where its training is.

    Args:
        networks: [K] alike `nn.Sequential` of `Linear` and `ReLU`; changed in place.

    Attributes:
        names: of the weights.
        weights: of each layer, [K, out, in].

    Raises:
        OptionError: the networks are other than that.
    """

    def __init__(self, networks: Sequence[nn.Sequential]) -> None:
        for one in networks:
            layers = list(one)
            plain = all(
                isinstance(layer, nn.Linear) and layer.bias is None
                if place % 2 == 0
                else isinstance(layer, nn.ReLU)
                for place, layer in enumerate(layers)
            )
            if not plain or len(layers) % 2 == 0:
                raise OptionError("only dense layers without biases, with ReLU between them, are stacked.")
        named = [dict(one.named_parameters()) for one in networks]
        self.names = list(named[0])
        self.weights = [torch.stack([one[name].detach() for one in named]) for name in self.names]
        for k, parameters in enumerate(named):
            for name, weight in zip(self.names, self.weights, strict=True):
                parameters[name].data = weight[k]

    def finite(self) -> list[bool]:
        """Say which networks did not diverge.

        Returns:
            [K].
        """
        parts = torch.stack([weight.flatten(1).isfinite().all(dim=1) for weight in self.weights])
        return [bool(one) for one in parts.all(dim=0)]


class Feed:
    """Batches of the training samples of K networks, each with its own tasks; no task is ever copied out.

    Args:
        tasks: of each network; as many samples for each.
        number: which of the tasks; None for all of them mixed, as `joined` does.
    """

    def __init__(self, tasks: Sequence[PermutedTasks], number: int | None) -> None:
        own = {id(one.first): one.first.train for one in tasks}
        starts = dict(zip(own, range(len(own)), strict=True))
        self._each = len(tasks[0].first.train[0])
        # Networks of one seed share their samples.
        self._pixels = (
            torch.cat([x for x, _ in own.values()]) if len(own) > 1 else next(iter(own.values()))[0]
        )
        self._labels = torch.cat([y for _, y in own.values()])
        self._starts = torch.tensor([[starts[id(one.first)] * self._each] for one in tasks])
        self._orders = torch.stack([one.orders for one in tasks])
        self._number = number
        self._mixed = joined_order(len(tasks[0]) * self._each) if number is None else None
        self._seen: Tensor | None = None
        self.classes = int(self._labels.max()) + 1

    def __len__(self) -> int:
        return self._each * (len(self._orders[0]) if self._number is None else 1)

    def batch(self, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give samples.

        Args:
            places: [K, batch] numbers from 0 to the length.

        Returns:
            Inputs [K, batch, pixels], class numbers [K, batch], and the inputs as a held first layer sees them.
        """
        members, batch = places.shape
        if self._mixed is not None:
            mixed = self._mixed[places]
            which, row = mixed // self._each, mixed % self._each
            order = self._orders[torch.arange(members)[:, None], which]
        else:
            row, order = places, self._orders[:, self._number, None].expand(-1, batch, -1)
        rows = (self._starts + row).flatten()
        inputs = self._pixels.index_select(0, rows).view(members, batch, -1).gather(2, order)
        labels = self._labels.index_select(0, rows).view(members, batch)
        if self._seen is None:
            return inputs, labels, inputs
        whose = (torch.arange(members)[:, None] * self._each + places).flatten()
        return inputs, labels, self._seen.index_select(0, whose).view(members, batch, -1)

    def hold_back(self, hold: ReadFrom) -> None:
        """Take the subspaces that a first layer does not answer to out of all samples, once instead of in each step.

        Args:
            hold: what holds it.
        """
        seen = []
        for k, (start, orders) in enumerate(zip(self._starts.flatten(), self._orders, strict=True)):
            own = ReadFrom(hold.basis[k, None], hold.gamma[k, None])
            inputs = self._pixels[start : start + self._each][:, orders[self._number]]
            seen.append(torch.cat([own.free(part[None])[0] for part in torch.split(inputs, 5000)]))
        self._seen = torch.cat(seen)


@torch.no_grad()
def learn_stacked(
    stack: StackedNetworks,
    feed: Feed,
    *,
    rates: Sequence[float],
    epochs: int,
    batch: int,
    seeds: Sequence[int],
    anchors: Sequence[Anchor] | None = None,
    watch: bool = False,
) -> list[dict[str, Tensor]]:
    """Train all networks in place by plain stochastic gradient descent, as `learn` does each alone.

    Args:
        stack: the networks.
        feed: their samples.
        rates: of each network.
        epochs: how often all samples are seen.
        batch: samples of a step.
        seeds: of the order of each network's samples.
        anchors: of each network, made of its weights as they are now.
        watch: whether to add up what each entry's motion did to the loss (`SynapticIntelligence`).

    Returns:
        Of each network that sum by the weights' names; empty without `watch`.
    """
    pace = torch.tensor(list(rates), dtype=torch.float64).to(stack.weights[0])
    holds = [
        Hold() if anchors is None else stacked_hold(name, weight, anchors, pace)
        for name, weight in zip(stack.names, stack.weights, strict=True)
    ]
    if isinstance(holds[0], ReadFrom):
        feed.hold_back(holds[0])
        holds[0] = Hold()
    work = [torch.zeros_like(weight) for weight in stack.weights] if watch else None
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    scale = pace[:, None, None]
    classes = torch.eye(stack.weights[-1].shape[1]).to(pace)
    for _ in range(epochs):
        order = torch.stack([torch.randperm(len(feed), generator=one) for one in generators])
        for chunk in torch.split(order, _STEPS * batch, dim=1):
            inputs, labels, seen = feed.batch(chunk)
            parts = (torch.split(one, batch, dim=1) for one in (inputs, F.embedding(labels, classes), seen))
            for x, wanted, answered in zip(*parts, strict=True):
                given = [x]
                for weight in stack.weights[:-1]:
                    given.append(torch.bmm(given[-1], weight.mT).relu_())
                back = torch.softmax(torch.bmm(given[-1], stack.weights[-1].mT), 2).sub_(wanted)
                back.mul_(scale / x.shape[1])
                given[0] = answered
                for layer in range(len(holds) - 1, -1, -1):
                    weight, own = stack.weights[layer], given[layer]
                    # With the weight as it was before its step.
                    below = (
                        torch.ops.aten.threshold_backward(torch.bmm(back, weight), own, 0) if layer else back
                    )
                    _step(weight, holds[layer], back, own, None if work is None else work[layer])
                    back = below
    if work is None:
        return []
    named = [(name, one.div_(scale)) for name, one in zip(stack.names, work, strict=True)]
    return [{name: one[k] for name, one in named} for k in range(len(seeds))]


def _step(weight: Tensor, hold: Hold, back: Tensor, inputs: Tensor, work: Tensor | None) -> None:
    left, right = hold.factors(weight, back, inputs)
    if work is None:
        hold.pull(weight)
        weight.baddbmm_(left.mT, right, alpha=-1.0)
        return
    # The gradient of the loss alone, times the rate; the step has what holds it, too.
    before, gradient = weight.clone(), torch.bmm(back.mT, inputs)
    hold.pull(weight)
    weight.sub_(gradient if left is back and right is inputs else torch.bmm(left.mT, right))
    work.addcmul_(gradient, before.sub_(weight))
