"""Hold the directions that the weights, the curvature or the trajectory say matter, in any training loop."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from eigentrail._arrays import to_float64, to_numpy
from eigentrail.errors import LayerError, OptionError
from eigentrail.interventions.anchors.protected import (
    Importance,
    ParameterDirections,
    Protected,
    SingularPairs,
)
from eigentrail.interventions.decomposition import decompose
from eigentrail.interventions.rank_choice import noise_of
from eigentrail.runs.selection import match, no_match

Form = Literal["penalty", "gradient", "update"]
Weighting = Literal["values", "equal"]
_FORMS = ("penalty", "gradient", "update")


class Anchor:
    """Keeps weights where they are along protected directions.

    Three forms: "penalty" adds strength * sum_i h_i <d_i, w - w_1>^2 to the loss; "gradient" takes the protected part
    out of each gradient before the step; "update" takes it out of the step itself, which alone is exact for optimizers
    that do more with a gradient than scale it (momentum from before, Adam, weight decay). `attach` does any of them
    through the optimizer's own hooks, between backward and step, so that mixed precision and the loops of other
    frameworks need nothing more; with "penalty" one may instead add `penalty()` to the loss.

    Args:
        model: the network with the weights to keep; they are remembered as they are now.
        protected: what is held.
        form: see above.
        strength: lambda of the penalty.
        gamma: of the other forms: the share of the protected part that is taken out, 0 to 1.

    Raises:
        OptionError: there is no such form, a number is outside of what it may be, or nothing is protected.
        LayerError: the network lacks a protected parameter.
    """

    def __init__(
        self,
        model: nn.Module,
        protected: Iterable[Protected],
        form: Form = "penalty",
        strength: float = 1.0,
        gamma: float = 1.0,
    ) -> None:
        if form not in _FORMS:
            raise OptionError(f"form is one of {', '.join(_FORMS)}, not {form!r}.")
        if not strength >= 0.0 or not 0.0 <= gamma <= 1.0:
            raise OptionError(f"strength is not negative and gamma from 0 to 1, not {strength} and {gamma}.")
        self.form: Form = form
        self.strength, self.gamma = strength, gamma
        self.protected = list(protected)
        if not self.protected:
            raise OptionError("an anchor needs something to protect.")
        parameters = dict(model.named_parameters(remove_duplicate=False))
        names = list(dict.fromkeys(name for part in self.protected for name in part.names))
        lacking = [name for name in names if name not in parameters]
        if lacking:
            raise LayerError(f"the network has no parameter `{lacking[0]}`, which the anchor protects.")
        self._parameters = {name: parameters[name] for name in names}
        self._anchored = {name: parameter.detach().clone() for name, parameter in self._parameters.items()}

    def __add__(self, other: Anchor) -> Anchor:
        """Both together, with the form, strength and gamma of the first."""
        both = Anchor.__new__(Anchor)
        both.form, both.strength, both.gamma = self.form, self.strength, self.gamma
        both.protected = [*self.protected, *other.protected]
        both._parameters = {**other._parameters, **self._parameters}
        both._anchored = {**other._anchored, **self._anchored}
        return both

    def change(self) -> dict[str, Tensor]:
        """Give how far each parameter has moved.

        Returns:
            {name: w - w_1}, with gradients.

        Raises:
            LayerError: a parameter has another shape now.
        """
        self._check_shapes()
        return {name: parameter - self._anchored[name] for name, parameter in self._parameters.items()}

    def _check_shapes(self) -> None:
        for name, parameter in self._parameters.items():
            if parameter.shape != self._anchored[name].shape:
                raise LayerError(
                    f"`{name}` is {list(parameter.shape)} now and was anchored as {list(self._anchored[name].shape)}."
                )

    def penalty(self) -> Tensor:
        """Give what is added to the loss.

        Returns:
            strength * sum_i h_i <d_i, w - w_1>^2.
        """
        change = self.change()
        parts = [part.penalty(change) for part in self.protected]
        return torch.mul(torch.stack(parts).sum(), self.strength)

    @torch.no_grad()
    def add_penalty_gradients(self, scale: float = 1.0) -> None:
        """Add the penalty's gradient, in closed form, to the gradients that are there.

        Args:
            scale: what these are multiplied with (mixed precision), where the optimizer divides by it in its step.
        """
        self._check_shapes()
        gradients = {name: p.grad for name, p in self._parameters.items() if p.grad is not None}
        for part in self.protected:
            part.pull(self._parameters, self._anchored, gradients, self.strength * scale)

    @torch.no_grad()
    def project_gradients(self) -> None:
        """Take the protected part out of the gradients."""
        for part in self.protected:
            gradients = {name: self._parameters[name].grad for name in part.names}
            known = {name: gradient for name, gradient in gradients.items() if gradient is not None}
            if not known:
                continue
            filled = {name: known.get(name, torch.zeros_like(self._parameters[name])) for name in part.names}
            for name, held in part.along(filled).items():
                if name in known:
                    known[name].sub_(held, alpha=self.gamma)

    def describe(self) -> dict[str, Any]:
        """Say what is held and how, as a recorded run keeps it.

        Returns:
            Plain data: `form`, `strength`, `gamma`; `protected`, for each part its kind, parameters and number of
            directions; `fingerprint`, a hash of the anchored weights and all directions.
        """
        total = hashlib.blake2b(digest_size=8)
        for tensor in (*self._anchored.values(), *(one for part in self.protected for one in part.tensors)):
            total.update(to_numpy(tensor.detach()).tobytes())
        return {
            "form": self.form,
            "strength": self.strength,
            "gamma": self.gamma,
            "protected": [
                {"kind": type(part).__name__, "parameters": list(part.names), "directions": part.count}
                for part in self.protected
            ],
            "fingerprint": total.hexdigest(),
        }

    def attach(self, optimizer: torch.optim.Optimizer) -> Callable[[], None]:
        """Act in every step of an optimizer from now on.

        Args:
            optimizer: any optimizer of torch's interface.

        Returns:
            A function that takes the anchor off again.

        Raises:
            OptionError: the optimizer trains none of the anchored parameters.
        """
        trained = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        if not any(id(parameter) in trained for parameter in self._parameters.values()):
            raise OptionError(
                f"the optimizer does not train `{next(iter(self._parameters))}`, which the anchor holds: make the "
                "anchor of the network that is trained."
            )
        before: dict[str, Tensor] = {}

        @torch.no_grad()
        def pre(own: torch.optim.Optimizer, *_: Any) -> None:
            if self.form == "penalty":
                # A `GradScaler` leaves the division to optimizers that can do it, such as fused ones.
                scale = getattr(own, "grad_scale", None)
                self.add_penalty_gradients(1.0 if scale is None else float(scale))
            elif self.form == "gradient":
                self.project_gradients()
            else:
                before.update({name: p.detach().clone() for name, p in self._parameters.items()})

        @torch.no_grad()
        def post(*_: Any) -> None:
            if self.form != "update":
                return
            for part in self.protected:
                step = {name: self._parameters[name].detach() - before[name] for name in part.names}
                for name, held in part.along(step).items():
                    self._parameters[name].sub_(held, alpha=self.gamma)

        handles = [optimizer.register_step_pre_hook(pre), optimizer.register_step_post_hook(post)]

        def detach() -> None:
            for handle in handles:
                handle.remove()

        return detach


class SpectralAnchor(Anchor):
    """An anchor on singular matrices, Hessian eigenvectors or principal components (S1 3.3 and 7.7)."""

    @classmethod
    def singular(
        cls,
        model: nn.Module,
        layers: str | Sequence[str] | None = None,
        count: int | None = None,
        *,
        weighting: Weighting = "values",
        variant: Literal["projection", "diagonal"] = "projection",
        **options: Any,
    ) -> Self:
        """Protect the leading singular matrices of weights.

        Args:
            model: the network after the first task.
            layers: globs over parameter names, where a module's name stands for its weight; None: all weights.
            count: how many of each weight; None: its Marchenko-Pastur spikes (weights without any are left free).
            weighting: "values": h_i = nu_i in the penalty and nu_i / nu_1 in the other forms, as in S1; "equal": all
                alike, so that with gamma = 1 nothing moves along them.
            variant: "projection": sum_i h_i (u_i^T (W - W_1) v_i)^2, the formula; "diagonal": sum_i h_i^2 times the
                squares of the entries of u_i v_i^T and of W - W_1, entry by entry, as the thesis's public code has it.
            options: `form`, `strength`, `gamma` (see `Anchor`).

        Returns:
            The anchor.

        Raises:
            OptionError: there are no such weights, or no weight has a spike.
        """
        protected: list[Protected] = []
        for name, parameter in weight_matrices(model, layers).items():
            parts = decompose(parameter.detach().flatten(1))[0]
            k = count if count is not None else noise_of(parts).spikes
            if k > parts.rank or k < 0 or (count is not None and count < 1):
                raise OptionError(f"count={k} is beyond the rank {parts.rank} of `{name}`, or not positive.")
            if k == 0:
                continue
            left, right = parts.left[:, :k].to(parameter), parts.right[:k].to(parameter)
            values = parts.values[:k].to(parameter) if weighting == "values" else torch.ones(k).to(parameter)
            if variant == "diagonal":
                entries = (left.square() * values.square()) @ right.square()
                protected.append(Importance(name, entries.reshape(parameter.shape)))
            else:
                protected.append(SingularPairs(name, left, right, values, values / values[0]))
        if not protected:
            raise OptionError(
                "no chosen weight has a singular value that stands out of its noise; give count."
            )
        return cls(model, protected, **options)

    @classmethod
    def directions(
        cls,
        model: nn.Module,
        basis: Any,
        layers: str | Sequence[str] | None = None,
        weights: Any = None,
        *,
        weighting: Weighting = "values",
        **options: Any,
    ) -> Self:
        """Protect the directions of a basis: Hessian eigenvectors (`Curvature.top`) or principal components.

        Args:
            model: the network after the first task.
            basis: directions [k, n] over the chosen parameters in `named_parameters` order, orthonormal.
            layers: globs that chose the parameters; None: all.
            weights: [k] h_i; None: the basis's values (Hessian eigenvalues); for principal components 1 / F_i^2 with
                the widths F_i of `flatness`. Negative ones protect nothing.
            weighting: "values": h_i in the penalty and h_i / h_1 in the other forms; "equal": all alike.
            options: `form`, `strength`, `gamma` (see `Anchor`).

        Returns:
            The anchor.

        Raises:
            OptionError: there are no such parameters, or no weight is positive.
        """
        parameters = chosen_parameters(model, layers)
        first = next(iter(parameters.values()))
        rows = torch.from_numpy(to_float64(basis.directions())).to(first)
        h = torch.from_numpy(to_float64(basis.values if weights is None else weights).copy()).to(first)
        if h.shape != rows.shape[:1]:
            raise OptionError(f"{len(rows)} directions need as many weights, not {list(h.shape)}.")
        if not bool((h > 0).any()):
            raise OptionError("no direction has a positive weight: nothing would be protected.")
        rows, h = rows[h > 0], h[h > 0]
        h = h if weighting == "values" else torch.ones_like(h)
        sizes = {name: parameter.numel() for name, parameter in parameters.items()}
        return cls(model, [ParameterDirections(sizes, rows, h, h / h.max())], **options)


def plain_anchor(model: nn.Module, layers: str | Sequence[str] | None = None, **options: Any) -> Anchor:
    """Protect every entry alike: the squared distance to the start (L2).

    Args:
        model: the network after the first task.
        layers: globs over parameter names; None: all.
        options: `form`, `strength`, `gamma` (see `Anchor`).

    Returns:
        The anchor.
    """
    chosen = chosen_parameters(model, layers)
    return Anchor(model, [Importance(name, torch.ones_like(p)) for name, p in chosen.items()], **options)


def chosen_parameters(model: nn.Module, layers: str | Sequence[str] | None) -> dict[str, nn.Parameter]:
    """Choose parameters by globs.

    Args:
        model: the network.
        layers: globs over parameter names, where a module's name stands for its weight; None: all.

    Returns:
        {name: parameter}, in `named_parameters` order.

    Raises:
        OptionError: a glob fits none.
    """
    known = dict(model.named_parameters())
    globs = [layers] if isinstance(layers, str) else layers
    if globs is None:
        return known
    wanted: set[str] = set()
    for glob in globs:
        found = match(glob, known)
        if not found:
            raise OptionError(no_match(glob, known))
        wanted.update(found)
    return {name: parameter for name, parameter in known.items() if name in wanted}


def weight_matrices(model: nn.Module, layers: str | Sequence[str] | None) -> dict[str, nn.Parameter]:
    """Choose the parameters that are matrices, or kernels seen flat.

    Args:
        model: the network.
        layers: globs over parameter names; None: all.

    Returns:
        {name: parameter} of those with two or more dimensions.

    Raises:
        OptionError: there is none among them.
    """
    chosen = {name: p for name, p in chosen_parameters(model, layers).items() if p.ndim > 1}
    if not chosen:
        raise OptionError("no weight matrix is chosen, whose singular vectors could be protected.")
    return chosen
