"""The curvature of a network's loss as a symmetric operator on its parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
import xarray as xr
from scipy.sparse.linalg import LinearOperator
from torch import nn

from eigentrail._arrays import is_tensor
from eigentrail._numbers import real, seed_of, whole
from eigentrail.bases import Basis
from eigentrail.curvature.basis import CurvatureBasis
from eigentrail.curvature.calling import refusals
from eigentrail.curvature.density import Density, stochastic_density
from eigentrail.curvature.diagonal import Diagonal, curvature_diagonal
from eigentrail.curvature.distributed import Ranks
from eigentrail.curvature.frobenius import FrobeniusNorm, frobenius_norm
from eigentrail.curvature.graphs import gradient
from eigentrail.curvature.mean_counts import (
    Weights,
    check_weights,
)
from eigentrail.curvature.parameters import choose
from eigentrail.curvature.point import Loss, Point
from eigentrail.curvature.problem import Problem
from eigentrail.curvature.products import WAYS, Plan, Way
from eigentrail.curvature.scipy_operator import scipy_operator
from eigentrail.curvature.trace import Method, Trace, stochastic_trace
from eigentrail.data.reading import read
from eigentrail.data.samples import Samples
from eigentrail.errors import CurvatureError, DataError, OptionError
from eigentrail.evaluation.modes import full_precision
from eigentrail.linalg.finite import all_finite
from eigentrail.linalg.lanczos import RISK, lanczos
from eigentrail.linalg.memory import ENOUGH
from eigentrail.linalg.spectrum_ends import Which
from eigentrail.runs import Run
from eigentrail.spectra import Spectrum

Kind: TypeAlias = Literal["hessian", "gauss-newton"]
# Samples that the loss is computed for twice, to find what is random.
_CHECKED = 512


class Curvature:
    """The Hessian or Gauss-Newton matrix of the mean loss over all samples, at one point of parameter space.

    A symmetric operator on the chosen parameters, in the order of `named_parameters` and row-major: H = (1/N) sum_i
    Hess(loss_i) + 2 weight_decay I, or J^T S J with J the derivative of the outputs and S the loss's Hessian in the
    outputs. Samples have equal weights, also those of a short
    last batch; where the loss is a mean over tokens, those have (see `weights`). The point is where the parameters and
    buffers are when this is made; the model may go on training, and neither its values, gradients, modes nor buffers
    are changed. It is evaluated in eval mode, attention by its MATH kernel.

    The first product checks, once, that data, network and loss give the same numbers again and says what does not, and
    that torch's second derivative is that of its gradient.
    Where torch.distributed is initialised each process gives its share of the samples and gets the sum over all; all
    have to make the same calls, and vectors are those of the first process. Samples that a distributed sampler repeats
    count twice.

    Args:
        model: the network; wrappers of data-parallel training and of compilation are seen through.
        loss: loss(outputs, targets), a mean over samples, or loss(outputs, batch) for dict batches; None for the
            cross-entropy, or for a dict batch what the network gives as its `loss`. A loss that calls the network
            itself is `curvature.ModelLoss(loss)`, with loss(model, batch).
        data: a pair (inputs, targets) of tensors or arrays, a dict of tensors, a `Data` set (its training part), a data
            set, a loader, or a list of batches. Dict batches are given to the network as model(**batch). A loader is
            read once: when it shuffles, its samples are kept in the order that `seed` gives. Its batches are divided
            only where memory demands it.
        layers: globs over parameter names, where a module's name stands for its weight; None for all that require a
            gradient. Frozen parameters are taken where a glob names them, tied ones counted once.
        kind: "hessian" or "gauss-newton".
        device: where products are computed; None for that of the parameters.
        dtype: torch.float32 or torch.float64 for copies of the values; None for that of the parameters.
        batch_size: the most samples of a batch; None to choose.
        memory_limit: bytes that graphs and batches may take, estimated from measured batches of a few samples, and
            those of the vectors of `top` and `density`. None for 2 GiB, and for more where the vectors or a
            single sample need it and half of what is available holds it. The batches are the same in every product.
        weight_decay: lambda of a term lambda ||w||^2 over the chosen parameters, which adds 2 lambda to every
            eigenvalue, lambda ||w||^2 to the loss and 2 lambda w to the gradient (torch's `weight_decay` is 2 lambda).
        augmentations: k, to put k seeded draws in the place of each sample of a data set that augments at random.
        expected: how many products are to come; None for what `top`, `density`, `trace` and `matrix` expect.
        way: "cached" (a graph that is kept and differentiated again), "linearised" (a forward derivative, made once) or
            "recomputed"; None for what suits `expected` and the memory limit. See `plan` for what was chosen.
        seed: of a shuffled order and of augmentations.
        weights: what each sample counts in the mean. None finds out from losses of samples together and apart whether
            it is samples, targets that are not ignored (ignore_index, -100), class weights, or entries of a mask, and
            refuses a loss that is no such mean. Else a function of the targets (of the batch, for dict batches) that
            gives a number for each sample; "samples"; or "batches": the loss belongs to a whole batch, and the mean is
            that over the batches as they come, each by its number of samples.

    Raises:
        CurvatureError: no such layer, or its precision will not do.
        DataError: there are fewer than two samples, they do not fit together, or differ when read again.
        OptionError: an option is outside what it may be.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss | None,
        data: Any,
        layers: str | Sequence[str] | None = None,
        kind: Kind = "hessian",
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        batch_size: int | None = None,
        memory_limit: int | None = None,
        weight_decay: float = 0.0,
        augmentations: int | None = None,
        expected: int | None = None,
        way: Way | None = None,
        seed: int = 0,
        weights: Weights = None,
    ) -> None:
        _check_options(kind, way, batch_size, memory_limit, weight_decay, expected, seed)
        check_weights(weights)
        if not isinstance(model, nn.Module):
            raise CurvatureError(f"the model is {type(model).__name__}: give a torch.nn.Module.")
        if isinstance(model, torch.jit.ScriptModule):
            raise CurvatureError(
                "the model is a TorchScript program, whose parameters cannot be replaced in a call: give the module "
                "that it was made from."
            )
        if loss is not None and not callable(loss):
            raise CurvatureError(
                f"the loss is {type(loss).__name__}: give a function loss(outputs, targets)."
            )
        self.loss, self.kind, self.layers = loss, kind, layers
        self.weight_decay, self.seed = float(weight_decay), seed
        self.memory_limit = ENOUGH if memory_limit is None else int(memory_limit)
        self._vector_limit = None if memory_limit is None else int(memory_limit)
        self.expected, self.weights = expected, weights
        ranks = Ranks()
        with ranks.together():
            point = Point(choose(model, layers), loss, dtype, device)
            chunks, divisible = read(data, augmentations, seed, batch_size)
        total = sum(ranks.gather(sum(chunk.count for chunk in chunks)))
        if total < 2:
            raise DataError(
                "the data is empty: give samples."
                if not total
                else "the data holds one sample, and a curvature is a mean over several: give more, or that sample "
                "twice for its own curvature."
            )
        samples = Samples(chunks, total, divisible=divisible)
        self.problem = Problem(
            point, samples, ranks, kind, self._vector_limit, weights, expected, way, batch_size
        )
        self.model = point.chosen.model
        self._products = 0
        self.check: Any = None

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__}: {self.kind} of {type(self.model).__name__} in {self.n} parameters over "
            f"{self.problem.samples.total} samples>"
        )

    @property
    def n(self) -> int:
        """Number of parameters."""
        return self.problem.chosen.n

    @property
    def names(self) -> list[str]:
        """Names of the parameters, in the order of `named_parameters`."""
        return self.problem.chosen.names

    @property
    def shapes(self) -> dict[str, torch.Size]:
        """Shape of each parameter."""
        return dict(self.problem.chosen.shapes)

    @property
    def slices(self) -> dict[str, slice]:
        """Where each parameter stands in a vector."""
        return dict(self.problem.chosen.slices)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the products."""
        return self.problem.point.dtype

    @property
    def device(self) -> torch.device:
        """Where products are computed."""
        return self.problem.point.device

    @property
    def products(self) -> int:
        """How many vectors have been multiplied so far."""
        return self._products

    @property
    def plan(self) -> Plan:
        """How products are made: the way, the batches, and how many of them are kept."""
        return self.problem.ready().plan

    def apply(self, vectors: torch.Tensor) -> torch.Tensor:
        """Multiply with a vector, or with several as rows.

        Args:
            vectors: [n] or [k, n].

        Returns:
            The products in the same shape, in the precision and on the device of this operator.

        Raises:
            CurvatureError: a vector has another length or is not finite, or the loss will not do.
        """
        if not is_tensor(vectors):
            raise CurvatureError(
                f"apply multiplies torch tensors [n] or [k, n], not {type(vectors).__name__}: for arrays write "
                "curvature @ vectors, with several as columns."
            )
        if vectors.ndim not in {1, 2} or vectors.shape[-1] != self.n:
            raise CurvatureError(
                f"the curvature is in {self.n} parameters: give vectors [n] or [k, n] with n = {self.n}, not of shape "
                f"{tuple(vectors.shape)}."
            )
        if vectors.is_complex():
            raise CurvatureError("a vector to multiply with is complex: multiply its two parts apart.")
        rows = vectors.detach().to(device=self.device, dtype=self.dtype)
        rows = rows[None] if rows.ndim == 1 else rows
        if not all_finite(rows):
            raise CurvatureError("a vector to multiply with holds NaN or infinity.")
        rows = self.problem.ranks.same(rows)
        ready = self.problem.ready()
        with self.problem.ranks.together():
            found = ready.sum(rows)
        found = self.problem.ranks.add(found)
        self._products += len(rows)
        if not all_finite(found):
            self.problem.explain()
        if self.weight_decay:
            found += 2 * self.weight_decay * rows
        return found[0] if vectors.ndim == 1 else found

    def __matmul__(self, vectors: Any) -> Any:
        """Multiply with a vector or with several as columns.

        Args:
            vectors: [n] or [n, k], numpy or torch.

        Returns:
            The products in the same shape and kind, in the precision of this operator.

        Raises:
            CurvatureError: see `apply`.
        """
        given = vectors if is_tensor(vectors) else _as_tensor(vectors)
        if given.ndim not in {1, 2} or len(given) != self.n:
            raise CurvatureError(
                f"the curvature is in {self.n} parameters: multiply it with [n] or [n, k] where n = {self.n}, not with "
                f"shape {tuple(given.shape)}."
            )
        found = self.apply(given) if given.ndim == 1 else self.apply(given.mT).mT
        return found.to(given.device) if is_tensor(vectors) else found.cpu().numpy()

    @full_precision()
    def gradient(self) -> torch.Tensor:
        """Compute the gradient of the mean loss over all samples.

        Returns:
            [n], with 2 weight_decay w.
        """
        self.problem.ready()
        total = torch.zeros(self.n, dtype=self.dtype, device=self.device)
        with self.problem.ranks.together(), self.problem.point.setting():
            for batch in self.problem.batches():
                leaves = self.problem.point.leaves()
                with refusals(self.problem.point, batch):
                    loss = self.problem.point.loss(leaves, batch)
                parts = gradient(loss, leaves)
                total += batch.weight * self.problem.chosen.join(parts)
        total = self.problem.ranks.add(total)
        if not all_finite(total):
            self.problem.explain()
        return total + 2 * self.weight_decay * self.problem.chosen.join(self.problem.point.values)

    @full_precision()
    def loss_value(self) -> float:
        """Compute the mean loss over all samples.

        Returns:
            The loss, with weight_decay ||w||^2.
        """
        self.problem.ready()
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        with self.problem.ranks.together(), self.problem.point.setting(), self.problem.point.evaluating():
            for batch in self.problem.batches():
                with refusals(self.problem.point, batch):
                    loss = self.problem.point.loss(self.problem.point.values, batch)
                total += batch.weight * loss.detach().double()
        found = float(self.problem.ranks.add(total))
        if not math.isfinite(found):
            self.problem.explain()
        return found + self.weight_decay * sum(
            float(value.double().square().sum()) for value in self.problem.point.values
        )

    def release(self) -> None:
        """Give back the memory of kept graphs; the next product makes them again."""
        self.problem.release()

    @full_precision()
    def matrix(
        self, dtype: torch.dtype | None = None, limit: int | None = None, check: int = 3
    ) -> torch.Tensor:
        """Compute the exact matrix: in closed form for one linear or convolution layer, else by products.

        Args:
            dtype: torch.float32 or torch.float64; None for that of this operator.
            limit: bytes that it may take; None for half of what is available.
            check: number of random products that it is compared with, reported in `check`.

        Returns:
            [n, n], symmetric.
        """
        from eigentrail.curvature.exact import exact_matrix

        check = whole("check", check)
        self.problem.expect(self.n)
        return exact_matrix(self, dtype=dtype, limit=limit, check=check)

    def spectrum(
        self, dtype: torch.dtype | None = None, limit: int | None = None, check: int = 3
    ) -> Spectrum:
        """Compute all eigenvalues, from the exact matrix; see `matrix`.

        Args:
            dtype: precision of the matrix.
            limit: bytes that it may take.
            check: number of random products that it is compared with.

        Returns:
            The eigenvalues.
        """
        return Spectrum.from_symmetric(self.matrix(dtype, limit, check))

    @full_precision()
    def top(
        self,
        k: int,
        which: Which = "largest",
        tol: float = 1e-3,
        start: Any = None,
        seed: int = 0,
        max_products: int | None = None,
        *,
        block: int = 1,
        risk: float | None = RISK,
    ) -> CurvatureBasis:
        """Compute leading eigenpairs by thick-restart Lanczos with full reorthogonalisation.

        Args:
            k: how many pairs in all.
            which: "largest" or "smallest" eigenvalues (with their sign), or "both" for half from each end.
            tol: a pair is converged when its residual ||H v - l v|| / |l| is at most that; an |l| near zero is measured
                against the rounding of the largest one.
            start: a former basis, or vectors [j, n] near the wanted ones, for example those of an earlier step of a
                run: fewer products are needed then.
            seed: of the random vectors.
            max_products: bound on the products, at least 2 k; by default 500 + 50 k.
            block: how many vectors are multiplied at once.
            risk: accepted probability that a pair (a copy of a degenerate one) was missed; None for no such search.

        Returns:
            The eigenvectors, largest eigenvalue first, with residuals and the number of products. The residuals are
            those of the products that were taken, confirmed by one with a random mixture of all vectors, or else of
            fresh ones. A warning says how many are converged if not all are.

        Raises:
            OptionError: an argument is outside what it may be; k is above the number of parameters.
            CurvatureError: the vectors do not fit the memory limit, or a product is not finite or not symmetric.
        """
        self.problem.expect(_pairs_take(k))
        former = isinstance(start, Basis)
        pairs = lanczos(
            self.apply,
            self.n,
            k,
            which=which,
            tol=tol,
            start=start.directions() if former else start,
            start_values=start.values if former else None,
            block=block,
            max_products=max_products,
            seed=seed,
            dtype=self.dtype,
            device=self.device,
            memory_limit=self._vector_limit,
            risk=risk,
        )
        return CurvatureBasis.of_pairs(pairs)

    @full_precision()
    def density(
        self,
        *,
        probes: int = 10,
        depth: int = 60,
        width: float | None = None,
        grid: Any = None,
        deflate: Basis | None = None,
        seed: int = 0,
    ) -> Density:
        """Estimate the density of eigenvalues by stochastic Lanczos quadrature.

        Args:
            probes: random vectors, at least 2.
            depth: Lanczos steps from each.
            width: standard deviation of the Gaussian kernel, in eigenvalue units; by default a hundredth of the range.
            grid: [g] eigenvalues at which to evaluate; by default fine enough for the width.
            deflate: eigenvectors, for example of `top`, whose values enter exactly.
            seed: of the probes.

        Returns:
            The density with its error.

        Raises:
            OptionError: an argument is outside what it may be.
            CurvatureError: one run does not fit the memory limit, or a product is not finite.
        """
        self.problem.expect(whole("probes", probes, 2) * whole("depth", depth, 1))
        return stochastic_density(
            self.apply,
            self.n,
            probes=probes,
            depth=depth,
            width=width,
            grid=grid,
            deflate=deflate,
            seed=seed,
            dtype=self.dtype,
            device=self.device,
            memory_limit=self._vector_limit,
        )

    @full_precision()
    def trace(
        self,
        products: int = 60,
        *,
        method: Method = "auto",
        deflate: Basis | None = None,
        seed: int = 0,
    ) -> Trace:
        """Estimate the trace from products with random vectors.

        Args:
            products: how many products may be taken.
            method: "hutchinson", "hutch++", or "auto" for Hutch++ from 15 products on.
            deflate: eigenvectors, for example of `top`, that enter exactly.
            seed: of the probes.

        Returns:
            The trace with its error.

        Raises:
            OptionError: the method or the number of products does not fit.
            CurvatureError: a product is not finite.
        """
        self.problem.expect(whole("products", products, 2))
        return stochastic_trace(
            self.apply,
            self.n,
            products=products,
            method=method,
            deflate=deflate,
            seed=seed,
            dtype=self.dtype,
            device=self.device,
        )

    @full_precision()
    def diagonal(self, products: int = 100, *, seed: int = 0) -> Diagonal:
        """Compute the diagonal: exactly for one Linear layer with one position a sample, else estimated.

        Args:
            products: how many products may be taken; with n or more it is exact.
            seed: of the random signs.

        Returns:
            `values` and `errors` [n], in the order of the parameter vector.

        Raises:
            OptionError: there are fewer than two products.
            CurvatureError: a product is not finite.
        """
        return curvature_diagonal(self, products, seed)

    @full_precision()
    def frobenius_norm(self, products: int = 60, *, seed: int = 0) -> FrobeniusNorm:
        """Estimate the Frobenius norm from products with random signs.

        Args:
            products: how many products may be taken; with n or more it is exact.
            seed: of the random signs.

        Returns:
            The norm with its error.

        Raises:
            OptionError: there are fewer than two products.
            CurvatureError: a product is not finite.
        """
        self.problem.expect(min(whole("products", products, 2), self.n))
        return frobenius_norm(self.apply, self.n, products, seed, dtype=self.dtype, device=self.device)

    def to_scipy(self) -> LinearOperator:
        """See this operator as scipy's, for its solvers: `eigsh(curvature.to_scipy(), k=3)`.

        Returns:
            A `scipy.sparse.linalg.LinearOperator`, [n, n], symmetric.
        """
        return scipy_operator(self)

    @classmethod
    def along(
        cls,
        run: Run,
        steps: Sequence[int] | int | None = None,
        layers: str | Sequence[str] | None = None,
        loss: Loss | None = None,
        data: Any = None,
        **options: Any,
    ) -> xr.Dataset:
        """Follow leading eigenpairs over the steps of a run, its initial state included.

        Args:
            run: a recorded run.
            steps: which steps, or how many of them; None for at most 12.
            layers: globs over parameter names; None for the whole network.
            loss: loss(outputs, targets), a mean over samples; None for the cross-entropy.
            data: what to take in place of what the run was trained on.
            **options: of `curvature.top_along_run`, such as `k`, `which`, `tol`, `count`, `trace` and `vectors`.

        Returns:
            Eigenvalues, residuals, products, overlaps with the step before, concentration by layer and weight products
            over the steps; see `curvature.top_along_run`.
        """
        from eigentrail.curvature.top_along_run import top_along_run

        return top_along_run(run, steps, layers, loss, data, **options)


def _as_tensor(vectors: Any) -> torch.Tensor:
    found = np.asarray(vectors)
    if found.dtype.kind not in "biufc":
        raise CurvatureError(
            f"the curvature multiplies numbers, not an array of {found.dtype}: give [n] or [n, k] of numpy or torch."
        )
    return torch.from_numpy(np.ascontiguousarray(found))


def _pairs_take(k: int) -> int:
    """Guess how many products k eigenpairs take."""
    return 30 + 4 * k if isinstance(k, int) else 30


def _check_options(
    kind: str,
    way: str | None,
    batch_size: int | None,
    memory_limit: int | None,
    weight_decay: float,
    expected: int | None,
    seed: int,
) -> None:
    if not isinstance(kind, str) or kind not in {"hessian", "gauss-newton"}:
        raise OptionError(f'kind is "hessian" or "gauss-newton", not {kind!r}.')
    if way is not None and way not in WAYS:
        raise OptionError(f"way is one of {', '.join(WAYS)}, not {way!r}.")
    if batch_size is not None:
        whole("batch_size", batch_size, 1)
    # Bytes are often written as 2e9.
    if memory_limit is not None:
        whole("memory_limit", int(memory_limit) if _is_whole_float(memory_limit) else memory_limit, 1)
    real("weight_decay", weight_decay)
    if expected is not None:
        whole("expected", expected, 1)
    seed_of(seed)


def _is_whole_float(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()
