"""The curvature of a network's loss as a symmetric operator on its parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
import xarray as xr
from torch import nn

from eigentrail._arrays import is_tensor
from eigentrail.bases import Basis
from eigentrail.curvature.basis import CurvatureBasis
from eigentrail.curvature.density import Density, stochastic_density
from eigentrail.curvature.distributed import Ranks
from eigentrail.curvature.ends import Which
from eigentrail.curvature.graphs import gradient
from eigentrail.curvature.lanczos import RISK, lanczos
from eigentrail.curvature.parameters import choose
from eigentrail.curvature.point import Loss, Point
from eigentrail.curvature.products import Products
from eigentrail.curvature.reading import read
from eigentrail.curvature.samples import Batch, Samples
from eigentrail.curvature.trace import Method, Trace, stochastic_trace
from eigentrail.errors import CurvatureError, DataError, OptionError
from eigentrail.runs import Run
from eigentrail.spectra import Spectrum

Kind: TypeAlias = Literal["hessian", "gauss-newton"]
#: Bytes that graphs and batches may take.
MEMORY_LIMIT = 2**31


class Curvature:
    """The Hessian or Gauss-Newton matrix of the mean loss over all samples, at one point of parameter space."""

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
        memory_limit: int = MEMORY_LIMIT,
        weight_decay: float = 0.0,
        augmentations: int | None = None,
        expected: int | None = None,
        seed: int = 0,
    ) -> None:
        if kind not in {"hessian", "gauss-newton"}:
            raise OptionError(f'kind is "hessian" or "gauss-newton", not {kind!r}.')
        self.loss, self.kind, self.layers = loss, kind, layers
        self.weight_decay, self.seed, self.memory_limit = float(weight_decay), seed, memory_limit
        self.expected = expected
        self._chosen = choose(model, layers)
        self.model = self._chosen.model
        self._point = Point(self._chosen, loss, dtype, device)
        self._ranks = Ranks()
        chunks = read(data, augmentations, seed, batch_size)
        count = sum(chunk.count for chunk in chunks)
        total = sum(self._ranks.gather(count))
        if total < 2:
            raise DataError(f"the data holds {total} sample(s): give at least two.")
        self._samples = Samples(chunks, total)
        self._batch_size = batch_size
        self._made: Products | None = None
        self._products = 0
        self.check: Any = None

    @property
    def n(self) -> int:
        """Number of parameters."""
        return self._chosen.n

    @property
    def names(self) -> list[str]:
        """Names of the parameters, in the order of `named_parameters`."""
        return self._chosen.names

    @property
    def shapes(self) -> dict[str, torch.Size]:
        """Shape of each parameter."""
        return dict(self._chosen.shapes)

    @property
    def slices(self) -> dict[str, slice]:
        """Where each parameter stands in a vector."""
        return dict(self._chosen.slices)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the products."""
        return self._point.dtype

    @property
    def device(self) -> torch.device:
        """Where products are computed."""
        return self._point.device

    @property
    def products(self) -> int:
        """How many vectors have been multiplied so far."""
        return self._products

    def apply(self, vectors: torch.Tensor) -> torch.Tensor:
        """Multiply with a vector [n] or with several as rows [k, n]."""
        rows = vectors[None] if vectors.ndim == 1 else vectors
        if rows.ndim != 2 or rows.shape[1] != self.n:
            raise CurvatureError(
                f"the curvature is in {self.n} parameters and a vector has shape {tuple(vectors.shape)}: give [n] or "
                "[k, n]."
            )
        rows = rows.detach().to(device=self.device, dtype=self.dtype)
        if not bool(torch.isfinite(rows).all()):
            raise CurvatureError("a vector to multiply with holds NaN or infinity.")
        self._products += len(rows)
        found = self._ranks.add(self._ready().sum(self._ranks.same(rows)))
        found += 2 * self.weight_decay * rows
        return found[0] if vectors.ndim == 1 else found

    def __matmul__(self, vectors: Any) -> Any:
        """Multiply with a vector [n] or with several as columns [n, k], numpy or torch."""
        given = vectors if is_tensor(vectors) else torch.from_numpy(np.ascontiguousarray(vectors))
        found = self.apply(given.T).T
        return found.to(given.device) if is_tensor(vectors) else found.cpu().numpy()

    def gradient(self) -> torch.Tensor:
        """Compute the gradient of the mean loss, [n]."""
        total = torch.zeros(self.n, dtype=self.dtype, device=self.device)
        with self._setting():
            for batch in self._batches():
                leaves = self._point.leaves()
                parts = gradient(self._point.loss(leaves, batch), leaves)
                total += batch.weight * self._chosen.join(parts)
        total = self._ranks.add(total)
        return total + 2 * self.weight_decay * self._chosen.join(self._point.values)

    def loss_value(self) -> float:
        """Compute the mean loss over all samples."""
        total = torch.zeros((), dtype=torch.float64)
        with self._setting(), torch.no_grad():
            for batch in self._batches():
                total += batch.weight * self._point.loss(self._point.values, batch).double().cpu()
        total = self._ranks.add(total)
        return float(total) + self.weight_decay * float(
            sum(value.double().square().sum() for value in self._point.values)
        )

    def _ready(self) -> Products:
        if self._made is None:
            self._made = Products(self._point, self._samples, self.kind, self._batch_size)
        return self._made

    def _batches(self) -> Iterator[Batch]:
        """Give the samples in the same batches every time, on the device and in the precision of the products."""
        yield from self._samples.batches(self._ready().size, self.dtype, self.device)

    def _loss_of(self, parameters: dict[str, torch.Tensor], batch: Batch) -> torch.Tensor:
        """Compute the mean loss of a batch at other values of the chosen parameters, within `_setting()`."""
        values = dict(zip(self.names, self._point.values, strict=True)) | parameters
        return self._point.loss(tuple(values[name] for name in self.names), batch)

    def _setting(self) -> AbstractContextManager[None]:
        """Enter the surroundings in which `_loss_of` may be called; everything is put back."""
        return self._point.setting()

    def matrix(
        self, dtype: torch.dtype | None = None, limit: int | None = None, check: int = 3
    ) -> torch.Tensor:
        """Compute the exact matrix [n, n]."""
        from eigentrail.curvature.exact import exact_matrix

        return exact_matrix(self, dtype=dtype, limit=limit, check=check)

    def spectrum(
        self, dtype: torch.dtype | None = None, limit: int | None = None, check: int = 3
    ) -> Spectrum:
        """Compute all eigenvalues, from the exact matrix."""
        return Spectrum.from_symmetric(self.matrix(dtype, limit, check))

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
            The eigenvectors, largest eigenvalue first, with recomputed residuals and the number of products. A warning
            says how many are converged if not all are.

        Raises:
            OptionError: an argument is outside what it may be; k is above the number of parameters.
            CurvatureError: the vectors do not fit the memory limit, or a product is not finite or not symmetric.
        """
        pairs = lanczos(
            self.apply,
            self.n,
            k,
            which=which,
            tol=tol,
            start=start,
            block=block,
            max_products=max_products,
            seed=seed,
            dtype=self.dtype,
            device=self.device,
            memory_limit=self.memory_limit,
            risk=risk,
        )
        return CurvatureBasis.of_pairs(pairs)

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
            memory_limit=self.memory_limit,
        )

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
            **options: of `curvature.along`, such as `k`, `which`, `tol`, `count`, `trace` and `vectors`.

        Returns:
            Eigenvalues, residuals, products, overlaps with the step before, concentration by layer and weight products
            over the steps; see `curvature.along`.
        """
        from eigentrail.curvature.along import along

        return along(run, steps, layers, loss, data, **options)
