"""Leading eigenpairs of a symmetric operator by thick-restart Lanczos with full reorthogonalisation.

The Krylov space grows by one product at a time and stops as soon as the residuals of all wanted pairs are small. Then a
short run from a random vector looks for pairs that the space could not see, and at last one more product, with a random
mixture of all the pairs, confirms their residuals; where it does not, or where rounding matters, each is computed again
from a product of its own. In the small problem everything is float64, whatever the vectors are.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float64

from eigentrail._numbers import real, seed_of, whole
from eigentrail.errors import CurvatureError, NumericalWarning, OptionError
from eigentrail.linalg.krylov_space import Apply, KrylovSpace, lengths
from eigentrail.linalg.memory import allowance
from eigentrail.linalg.missed_pairs import risk_of_missing
from eigentrail.linalg.spectrum_ends import Which, counts_at_ends, wanted_places
from eigentrail.linalg.warm_start import WarmStart, warm_start

RISK = 0.01

_SEARCH = 10  # products that one search for missed pairs may take
_ROOM = 8  # vectors beside the wanted ones below which restarts do not work


@dataclass(frozen=True, eq=False)
class EigenPairs:
    """Eigenpairs, each with its residual.

    Attributes:
        values: [k] Rayleigh quotients, largest first.
        vectors: [k, n] unit rows on the device of the operator; the entry of largest magnitude is positive.
        residuals: [k] ||H v - l v|| / max(|l|, floor), from products of the operator: with the vectors that span these,
            plus what a product with a random mixture of them all differs from what those say; or, where that sum
            is above `tol`, with each of these vectors.
        products: applications of the operator in all, residual checks included.
        converged: how many of the k residuals are at most `tol`.
        risk: bound on the probability that a pair which belongs to these k was missed; 1 if that was not looked into.
        floor: |l|_max times 10 eps / tol, or times 0.01 if that is less. A smaller |l| is measured against it, for
            rounding keeps the residual of an eigenvalue 0 from becoming small relative to itself.
    """

    values: Float64[np.ndarray, " k"]
    vectors: torch.Tensor
    residuals: Float64[np.ndarray, " k"]
    products: int
    converged: int
    risk: float
    floor: float


def lanczos(
    apply: Apply,
    n: int,
    k: int,
    *,
    which: Which = "largest",
    tol: float = 1e-3,
    start: Any = None,
    start_values: Any = None,
    block: int = 1,
    max_products: int | None = None,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
    memory_limit: int | None = None,
    risk: float | None = RISK,
) -> EigenPairs:
    """Compute eigenpairs at the ends of the spectrum of a symmetric operator.

    Degenerate eigenvalues come with all their copies: after convergence a short run from a random vector, orthogonal to
    everything so far, continues until a missed pair shows or its probability is below `risk`.

    Args:
        apply: the operator, tensors [j, n] -> [j, n] of the given type and device. It must be symmetric and the same
            at every call.
        n: its dimension.
        k: how many pairs in all.
        which: "largest" or "smallest" (with their sign), or "both" for half from each end.
        tol: a pair is converged when ||H v - l v|| <= tol max(|l|, floor), see `EigenPairs`.
        start: [j, n] vectors near the wanted ones, for example those of an earlier step of a run. When they still fit,
            k + 1 products are enough (and those of the search for missed pairs).
        start_values: [j] their former eigenvalues, largest first, where they are known.
        block: how many vectors are multiplied at once. More than 1 needs more products, each of them cheaper where the
            operator does a batch for less.
        max_products: bound on the products in all; at least 2 k. By default 500 + 50 k.
        seed: of the start and of the search.
        dtype: torch.float32 or torch.float64.
        device: where the vectors live.
        memory_limit: bytes of basis vectors; restarts keep the basis below. None for 2 GiB, or for what twice the
            wanted pairs take where that is more and within half of the memory that is available.
        risk: accepted probability of a missed pair; None leaves the search out.

    Returns:
        The pairs. If not all are converged within `max_products` a warning says how many are.

    Raises:
        OptionError: k, which, tol, block, max_products, risk, seed, dtype or start do not fit.
        CurvatureError: the basis does not fit the memory limit, a product is not finite, or the operator is not
            symmetric.
    """
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)):
        raise OptionError(f"the number of eigenpairs k is a whole number, not {k!r}.")
    if not 1 <= k <= n:
        raise OptionError(f"{k} eigenpairs were asked of a curvature of {n} parameters: k is 1 to {n}.")
    if not 0 < real("tol", tol) < 1:
        raise OptionError(f"tol is a relative residual between 0 and 1, not {tol}.")
    if dtype not in {torch.float32, torch.float64}:
        raise OptionError(f"eigenpairs are computed in float32 or float64, not in {dtype}.")
    if risk is not None and not 0 <= real("risk", risk) <= 1:
        raise OptionError(f"risk is a probability from 0 to 1, or None for no search, not {risk}.")
    block, seed = whole("block", block, 1), seed_of(seed)
    most = 500 + 50 * k if max_products is None else whole("max_products", max_products)
    if most < 2 * k:
        raise OptionError(
            f"{k} eigenpairs take {k} products and {k} for the residuals: max_products is at least {2 * k}, "
            f"not {most}."
        )
    counts_at_ends(which, k)
    least, vector = k + _ROOM + block, n * dtype.itemsize
    allowed = memory_limit
    if allowed is None:
        allowed = allowance(2 * least * vector, torch.device(device))
    size = min(n, allowed // vector)
    if size < min(n, least):
        raise CurvatureError(
            f"{k} eigenpairs of {n} parameters need {least * vector / 2**30:.2g} GiB of basis vectors and the limit is "
            f"{allowed / 2**30:.2g} GiB: raise memory_limit or ask for fewer pairs."
        )
    former = None if start is None else warm_start(start, start_values, n, k, which, dtype, device)
    space = KrylovSpace(apply, n, dtype=dtype, device=device, seed=seed, room=size)
    found = _Solver(space, k, which, tol, block, most, size, risk).solve(former)
    if found.converged < k:
        warnings.warn(
            f"{found.converged} of {k} eigenpairs have a residual of at most {tol:g} after {found.products} products "
            f"(the largest is {found.residuals.max():.2g}): raise max_products or tol, or compute in float64.",
            NumericalWarning,
            stacklevel=2,
        )
    return found


class _Solver:
    """One search for eigenpairs in a Krylov space."""

    def __init__(
        self,
        space: KrylovSpace,
        k: int,
        which: Which,
        tol: float,
        block: int,
        most: int,
        size: int,
        risk: float | None,
    ) -> None:
        self.space, self.k, self.which, self.tol = space, k, which, tol
        self.block, self.size, self.accepted = block, size, risk
        self.limit, self.most = most - k, most  # the last k products are for the residuals
        self.risk = 1.0

    def solve(self, former: WarmStart | None) -> EigenPairs:
        """Go from a start to recomputed pairs."""
        if former is None:
            for _ in range(self.block):
                self.space.add_random()
        else:
            settled = self._from_former(former)
            if settled is not None and (self.accepted is None or self._search()):
                return replace(settled, products=self.space.products, risk=self.risk)
        strictness, last = 1.0, np.inf
        while True:
            self._grow(strictness)
            found = self._checked()
            worst = float(found.residuals.max())
            spent = self.space.products + self.k >= self.most
            if worst <= self.tol or worst > last / 2 or spent or self.space.m == self.space.n:
                return found
            # Rounding left the residual above the one that the recursion knows: once more, stricter.
            strictness, last = strictness * 0.5 * self.tol / worst, worst

    def _from_former(self, former: WarmStart) -> EigenPairs | None:
        """Start from one mixture of the former vectors; take them as they are if they still fit."""
        mixture = former.mixture
        self.space.add(mixture[None])
        self._expand(np.eye(1))
        if former.rows is None or 2 * self.k > self.limit:
            return None
        after = self.space.small[0, 0] * self.space.vectors[0]
        if not self.space.exhausted:
            after = after + self.space.coupling[0, 0] * self.space.pending[0]
        outside = after - (after @ former.rows.T) @ former.rows
        if lengths(outside) > self.tol * lengths(after):
            return None
        self.space.clear()
        self.space.add(former.rows)
        self._expand(np.eye(len(self.space.pending)))
        values, mixes, _ = self.space.ritz()
        # These products are with the vectors themselves, all at once: nothing is left to be confirmed.
        rest = self.space.residuals(values, mixes)
        if self.space.m != self.k or (rest > self._bounds(values)).any():
            return None
        return self._pairs(values, self.space.combine(mixes), rest)

    def _grow(self, strictness: float) -> None:
        """Take products until all wanted pairs are converged and none is likely to be missing."""
        space = self.space
        while space.products < self.limit:
            missing = self._open(strictness) if space.m >= self.k else None
            if missing is not None and not missing[1].any():
                if self.accepted is None or self._search():
                    return
                continue
            if space.exhausted and not space.add_random():
                return
            self._expand(self._best(missing))

    def _open(self, strictness: float) -> tuple[Float64[np.ndarray, "b k"], Bool[np.ndarray, " k"]]:
        """Give the residuals of the wanted pairs in units of what is allowed, and which are too long."""
        values, mixes, rest = self.space.ritz()
        wanted = wanted_places(self.which, self.k, len(values))
        # What the recursion knows is not better than rounding.
        least = max(self.space.eps * float(np.abs(values).max()), float(np.finfo(float).tiny))
        allowed = np.maximum(strictness * self._bounds(values)[wanted], least)
        return self.space.coupling @ (mixes[:, wanted] / allowed), rest[wanted] > allowed

    def _bounds(self, values: Float64[np.ndarray, " m"]) -> Float64[np.ndarray, " m"]:
        return np.asarray(self.tol * np.maximum(np.abs(values), self._floor(values)))

    def _floor(self, values: Float64[np.ndarray, " m"]) -> float:
        return min(10 * self.space.eps / self.tol, 0.01) * float(np.abs(values).max())

    def _best(
        self, missing: tuple[Float64[np.ndarray, "b k"], Bool[np.ndarray, " k"]] | None
    ) -> Float64[np.ndarray, "t b"]:
        """Choose the pending directions that hold most of the residuals of the pairs that are not converged."""
        b = len(self.space.pending)
        t = min(self.block, b, self.limit - self.space.products)
        if t == b or missing is None:
            return np.eye(b)[:t]
        left = np.linalg.svd(missing[0][:, missing[1]])[0]
        return np.asarray(left[:, :t].T)

    def _expand(self, mix: Float64[np.ndarray, "t b"]) -> None:
        self._make_room(len(mix))
        self.space.expand(mix)

    def _make_room(self, more: int) -> None:
        """Restart from the Ritz vectors at the wanted ends where the basis would not hold so many more."""
        space = self.space
        free = self.size - len(space.pending)
        if self.size == space.n or space.m + more <= free:
            return
        keep = min(space.m - 1, max(self.k + 1, self.k + (free - self.k) // 2), free - more)
        if keep < self.k:
            raise CurvatureError(
                f"{self.k} eigenpairs and {len(space.pending)} directions to go on with do not fit the memory limit of "
                f"{self.size} vectors: raise memory_limit or ask for fewer pairs."
            )
        space.restart(space.ritz()[1][:, wanted_places(self.which, keep, space.m)])

    def _search(self) -> bool:
        """Run from a random vector; tell whether nothing is missing, as far as the products reach."""
        space = self.space
        steps = min(_SEARCH, (self.size - self.k - len(space.pending)) // 2 - 1, self.limit - space.products)
        if steps < 1:
            return True
        if not space.add_random():
            self.risk = 0.0
            return True
        self._make_room(steps)
        first, before, was = space.m, len(space.pending), self._limits()
        for _ in range(steps):
            space.expand(np.eye(before)[-1:])
            rest = float(space.coupling[-1, -1]) if len(space.pending) == before else 0.0
            missing = self._open(1.0)[1].any()
            self.risk = self._risk(space.small[first:, first:], rest)
            if missing or self._came_in(was):
                return False
            if self.risk <= (self.accepted or 0.0) or rest == 0.0:
                break
        return True

    def _limits(self) -> tuple[float | None, float | None]:
        """The innermost wanted values at the lower and at the upper end."""
        values = self.space.ritz()[0]
        low, high = counts_at_ends(self.which, self.k)
        return (float(values[low - 1]) if low else None), (float(values[-high]) if high else None)

    def _came_in(self, before: tuple[float | None, float | None]) -> bool:
        """Whether a pair came in that had been missing: there may be more of its kind."""
        values = self.space.ritz()[0]
        for old, new in zip(before, self._limits(), strict=True):
            if old is not None and new is not None:
                allowed = self.tol * max(abs(old), abs(new), self._floor(values))
                if abs(new - old) > allowed:
                    return True
        return False

    def _risk(self, small: Float64[np.ndarray, "j j"], rest: float) -> float:
        low, high = self._limits()
        risk = 0.0
        if high is not None:
            risk += risk_of_missing(small, rest, self.space.n, high, above=True)
        if low is not None:
            risk += risk_of_missing(small, rest, self.space.n, low, above=False)
        return min(risk, 1.0)

    def _checked(self) -> EigenPairs:
        """Give the pairs with residuals of products: of the space's if one more confirms them, else fresh ones."""
        space = self.space
        values, mixes, _ = space.ritz()
        wanted = wanted_places(self.which, self.k, len(values))
        vectors, allowed = space.combine(mixes[:, wanted]), self._bounds(values)[wanted]
        values, mixes = values[wanted], mixes[:, wanted]
        known = space.residuals(values, mixes)
        if space.products + self.k < self.most and (known <= allowed).all():
            known = known + space.discrepancy(mixes)
            if (known <= allowed).all():
                return self._pairs(values, vectors, known)
        products = space.multiply(vectors)
        quotients, rests = [], []
        for row, product in zip(vectors, products, strict=True):
            exact, image = row.double(), product.double()
            quotient = float(exact @ image)
            quotients.append(quotient)
            rests.append(float(lengths(image - quotient * exact)))
        return self._pairs(np.array(quotients), vectors, np.array(rests))

    def _pairs(
        self, values: Float64[np.ndarray, " k"], vectors: torch.Tensor, rests: Float64[np.ndarray, " k"]
    ) -> EigenPairs:
        order = np.argsort(-values, kind="stable")
        unit = self.space.unit
        floor = self._floor(self.space.ritz()[0])
        against = np.maximum(np.abs(values), floor)
        residuals = np.divide(rests, against, out=np.zeros_like(rests), where=against > 0)[order]
        vectors = vectors[torch.from_numpy(order).to(vectors.device)]
        largest = vectors.abs().argmax(dim=1, keepdim=True)
        vectors = vectors * torch.sign(vectors.gather(1, largest))
        return EigenPairs(
            values=values[order] * unit,
            vectors=vectors,
            residuals=residuals,
            products=self.space.products,
            converged=int((residuals <= self.tol).sum()),
            risk=0.0 if self.space.m == self.space.n else self.risk,
            floor=floor * unit,
        )
