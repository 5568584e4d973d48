"""`Spectrum`: the eigenvalues of one symmetric matrix, with the shape they came from, and what can be asked of them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar, cast

import numpy as np
from jaxtyping import Float64

from eigentrail._arrays import is_tensor, like, to_float64
from eigentrail._names import CalledNumber
from eigentrail._text import html_table
from eigentrail.errors import LayerError, SpectrumError
from eigentrail.spectra import eigenvalues as _eigenvalues
from eigentrail.spectra.eigenvalues import LeadingVectors
from eigentrail.spectra.entry_statistics import EntryStatistics, entry_statistics
from eigentrail.spectra.marchenko_pastur import MarchenkoPastur, fit_marchenko_pastur
from eigentrail.spectra.narrow import why_narrow
from eigentrail.spectra.phases import Phase, classify, collapsed
from eigentrail.spectra.power_law import PowerLaw, fit_power_law
from eigentrail.spectra.randomized import ShuffleNull, shuffled_null
from eigentrail.spectra.ranks import Ranks, ranks
from eigentrail.spectra.sketch import Sketch
from eigentrail.spectra.spacings import Spacings, spacings
from eigentrail.spectra.vector_statistics import VectorStatistics, vector_statistics

T = TypeVar("T")


class Spectrum:
    """Eigenvalues of one symmetric matrix, or of several of one shape pooled.

    For a weight matrix W of shape [N, M], N >= M after transposing, these are the M eigenvalues of W^T W / N. For a
    Hessian or a covariance they are its eigenvalues, negative ones included. Results are computed when asked for and
    kept. Arrays in the results are numpy arrays, or torch tensors when the spectrum was made from tensors.

    Args:
        eigenvalues: [n] in any order, or [k, M] by matrix for a pool of k (then `matrices` is k).
        rows: N of the weight matrix (rows and cols may be given in either order).
        cols: M of the weight matrix.
        matrices: how many independent matrices of that shape are pooled; n must be `matrices` * M.

    Raises:
        SpectrumError: when there are no eigenvalues, some are not finite, or their number does not fit the shape.
    """

    def __init__(
        self, eigenvalues: Any, rows: int | None = None, cols: int | None = None, matrices: int = 1
    ) -> None:
        values = to_float64(eigenvalues)
        if values.ndim == 2 and len(values) > 1 and rows is None and matrices == 1:
            raise SpectrumError(
                f"Spectrum takes eigenvalues, and this is a matrix {list(values.shape)}: use Spectrum.from_matrix(W), "
                "from_symmetric(H) for a Hessian, or give matrices= for a pool of spectra"
            )
        if values.ndim == 2 and len(values) > 1:
            matrices = len(values) if matrices == 1 else matrices
        elif values.ndim == 2:
            values = values[0]
        if values.ndim not in {1, 2} or values.size == 0:
            msg = f"eigenvalues must be an array [n] or [k, M] with at least one; got shape {values.shape}"
            raise SpectrumError(msg)
        if not np.isfinite(values).all():
            bad = int(values.size - np.isfinite(values).sum())
            raise SpectrumError(
                f"{bad} of {values.size} eigenvalues are NaN or infinite; remove them or mend the matrix"
            )
        if (rows is None) != (cols is None):
            raise SpectrumError(
                "rows and cols belong together: give both, or neither for a matrix that is no W^T W / N"
            )
        if matrices < 1:
            raise SpectrumError(f"matrices must be at least 1, got {matrices}")
        if rows is not None and cols is not None:
            rows, cols = max(rows, cols), min(rows, cols)
            if values.size != matrices * cols:
                msg = (
                    f"{matrices} matrix(es) of {rows} x {cols} have {matrices * cols} eigenvalues,"
                    f" got {values.size}; keep the zeros, and give matrices= for a pool"
                )
                raise SpectrumError(msg)
        self._given = eigenvalues if is_tensor(eigenvalues) else None
        self._values = np.sort(values, axis=None)
        # One matrix shares its memory with its only group.
        self._groups = (
            np.sort(values, axis=1) if values.ndim == 2 else self._values[None] if matrices == 1 else None
        )
        self._rows, self._cols, self._matrices = rows, cols, matrices
        self._entries: EntryStatistics | None = None
        self._leading: LeadingVectors | None = None
        self._null: ShuffleNull | None = None
        self._vectors: VectorStatistics | None = None
        self._known_below: float | None = None
        self._cache: dict[tuple[Any, ...], Any] = {}

    @classmethod
    def from_matrix(cls, w: Any, *, leading: int = 16, null: bool = False, seed: int = 0) -> Spectrum:
        """Decompose a weight matrix, or a pool of matrices of one shape.

        Args:
            w: [n, m], or [k, n, m] for a pool; numpy or torch, on any device.
            leading: how many pairs of leading singular vectors to keep for the vector statistics.
            null: decompose a copy with shuffled entries too.
            seed: seed of the shuffle.

        Returns:
            The spectrum of W^T W / N, N the longer side.

        Raises:
            LayerError: when the array is no matrix, is empty, or holds NaN, infinities, only zeros or one constant.
        """
        on_device = is_tensor(w) and w.device.type != "cpu"
        stack = None if on_device and not null else _eigenvalues.checked_stack(w)
        if on_device or stack is None:
            parts = _eigenvalues.decompose(w, leading)
            entries = entry_statistics(_eigenvalues.checked_stack(w))
        else:
            parts = _eigenvalues.decompose_checked(stack, leading)
            entries = entry_statistics(stack)
        made = cls.from_decomposition(
            parts, entries, shuffled_null(stack, seed) if null and stack is not None else None
        )
        made._given = w if is_tensor(w) else None
        return made

    @classmethod
    def from_decomposition(
        cls,
        parts: _eigenvalues.Decomposition,
        entries: EntryStatistics | None = None,
        null: ShuffleNull | None = None,
    ) -> Spectrum:
        """Wrap what `eigenvalues.decompose` returned.

        Args:
            parts: eigenvalues by matrix, shape and leading vectors.
            entries: statistics of the entries, evidence for the phase.
            null: the spectrum of the shuffled matrix.

        Returns:
            The spectrum.
        """
        made = cls(np.maximum(parts.groups, 0.0), parts.rows, parts.cols, len(parts.groups))
        made._leading, made._entries, made._null = parts.leading, entries, null
        return made

    @classmethod
    def from_sketch(
        cls,
        sketch: Sketch,
        entries: EntryStatistics | None = None,
        leading: LeadingVectors | None = None,
        eigenvalues: Any = None,
    ) -> Spectrum:
        """Wrap a sketch of a large matrix: exact eigenvalues at the ends, quantiles of the density between.

        Args:
            sketch: as `sketch.sketch` returned it.
            entries: statistics of the entries, evidence for the phase.
            leading: leading singular vectors.
            eigenvalues: [M] one of its `resampled` ones; None for the sketch's own.

        Returns:
            The spectrum; it refuses what needs neighbouring eigenvalues.
        """
        values = sketch.eigenvalues() if eigenvalues is None else eigenvalues
        made = cls(values, sketch.rows, sketch.cols)
        made._leading, made._entries, made._known_below = leading, entries, sketch.known_below
        return made

    @classmethod
    def restored(
        cls,
        groups: Any,
        rows: int | None,
        cols: int | None,
        matrices: int = 1,
        *,
        null: ShuffleNull | None = None,
        entries: EntryStatistics | None = None,
        vectors: VectorStatistics | None = None,
        known_below: float | None = None,
    ) -> Spectrum:
        """Rebuild a spectrum from what was stored of it.

        Args:
            groups: eigenvalues, [n] or [k, M].
            rows: N, or None.
            cols: M, or None.
            matrices: how many matrices are pooled.
            null: the spectrum of the shuffled matrix.
            entries: statistics of the entries.
            vectors: statistics of the leading vectors.
            known_below: of a sketch, up to which value all eigenvalues are exact.

        Returns:
            The spectrum.
        """
        made = cls(groups, rows, cols, matrices)
        made._known_below = known_below
        made._null, made._entries, made._vectors = null, entries, vectors
        return made

    @classmethod
    def from_symmetric(cls, h: Any) -> Spectrum:
        """Decompose a symmetric matrix such as a Hessian or a covariance.

        Args:
            h: [n, n], symmetric to rounding.

        Returns:
            Its spectrum, negative eigenvalues included; Marchenko-Pastur quantities are refused for it.

        Raises:
            LayerError: when the matrix is not square, not symmetric, empty or not finite.
        """
        a = to_float64(h)
        if a.ndim != 2 or a.shape[0] != a.shape[1] or a.size == 0:
            raise LayerError(f"a symmetric matrix [n, n] is needed, got shape {a.shape}")
        if not np.isfinite(a).all():
            raise LayerError(f"{int((~np.isfinite(a)).sum())} of {a.size} entries are NaN or infinite")
        gap = float(np.abs(a - a.T).max())
        size = float(np.abs(a).max())
        if gap > 1e-5 * max(size, np.finfo(float).tiny):
            msg = f"the matrix is not symmetric (it differs by {gap:g} from its transpose); use from_matrix for W"
            raise LayerError(msg)
        made = cls(np.linalg.eigvalsh((a + a.T) / 2))
        made._given = h if is_tensor(h) else None
        return made

    def __repr__(self) -> str:
        shape = f", {self._matrices} x [{self._rows}, {self._cols}]" if self._rows else ""
        return f"Spectrum({len(self)} eigenvalues in [{self._values[0]:.4g}, {self._values[-1]:.4g}]{shape})"

    def _repr_html_(self) -> str:
        rows = [
            (name.replace("_", " "), f"{value:.4g}" if isinstance(value, float) else value)
            for name, value in self.summary().items()
            if value is not None
        ]
        return html_table(repr(self), ("quantity", "value"), rows)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def eigenvalues(self) -> Any:
        """[n] all eigenvalues, ascending."""
        return self._values if self._given is None else like(self._values, self._given)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """Give the eigenvalues, ascending, as an array."""
        del copy
        return np.array(self._values, dtype=dtype)

    @property
    def singular_values(self) -> Float64[np.ndarray, " n"]:
        """The singular values of W, largest first: sqrt(N lambda)."""
        rows, _ = self._shape("singular values")
        return np.asarray(np.sqrt(rows * np.maximum(self._values[::-1], 0.0)))

    @property
    def alpha(self) -> float:
        """The exponent of the power-law tail, `power_law().alpha`."""
        return CalledNumber(self.power_law().alpha)

    @property
    def spikes(self) -> int:
        """How many eigenvalues lie above the noise, `marchenko_pastur().spikes`."""
        return int(self.marchenko_pastur().spikes)

    @property
    def effective_rank(self) -> float:
        """Exp of the entropy of the squared singular values, `ranks().effective`."""
        return CalledNumber(self.ranks().effective)

    @property
    def stable_rank(self) -> float:
        """The squared Frobenius norm over the squared largest singular value, `ranks().stable`."""
        return CalledNumber(self.ranks().stable)

    def summary(self) -> dict[str, Any]:
        """Give the main numbers.

        Returns:
            Shape, alpha, spikes, ranks and phase; None for what cannot be computed.
        """
        found: dict[str, Any] = {"rows": self._rows, "cols": self._cols}
        for name in ("alpha", "spikes", "effective_rank", "stable_rank"):
            try:
                found[name] = getattr(self, name)
            except SpectrumError:
                found[name] = None
        try:
            found["phase"] = self.phase().label
        except SpectrumError:
            found["phase"] = None
        return found

    def __getattr__(self, name: str) -> Any:
        called = {
            "plot": "inspect(...).plot(name), or figures.density.spectral_density(spectrum)",
            "name": "the key of inspect(...).spectra",
        }
        hint = f"; there is {called[name]}" if name in called else ""
        raise AttributeError(f"a Spectrum has no {name}{hint}")

    @property
    def rows(self) -> int | None:
        """N, the longer side of the matrix; None for a matrix that is no W^T W / N."""
        return self._rows

    @property
    def cols(self) -> int | None:
        """M, the shorter side of the matrix."""
        return self._cols

    @property
    def matrices(self) -> int:
        """How many matrices are pooled."""
        return self._matrices

    @property
    def q(self) -> float | None:
        """Aspect ratio M / N <= 1."""
        return None if self._rows is None or self._cols is None else self._cols / self._rows

    @property
    def groups(self) -> Float64[np.ndarray, "k m"] | None:
        """[k, M] eigenvalues by matrix, ascending; None when a pool was given without telling them apart."""
        return self._groups

    @property
    def entries(self) -> EntryStatistics | None:
        """Statistics of the matrix entries; None when only eigenvalues were given."""
        return self._entries

    @property
    def leading(self) -> LeadingVectors | None:
        """Leading singular vectors; None when only eigenvalues were given."""
        return self._leading

    @property
    def vectors(self) -> VectorStatistics | None:
        """Statistics of the leading singular vectors; None without vectors or with fewer than 8 entries in one."""
        lead = self._leading
        if self._vectors is None and lead is not None and len(lead.values) and lead.short.shape[1] >= 8:
            self._vectors = vector_statistics(lead)
        return self._vectors

    def forget_vectors(self) -> None:
        """Keep the statistics of the leading vectors and free the vectors themselves."""
        _ = self.vectors
        self._leading = None

    @property
    def known_below(self) -> float | None:
        """Of a sketch, up to which value all eigenvalues are exact (0 for none); None where all of them are."""
        return self._known_below

    @property
    def null(self) -> ShuffleNull | None:
        """The spectrum of the same entries in random places; None unless asked for."""
        return self._null

    def marchenko_pastur(self, level: float = 0.01) -> MarchenkoPastur:
        """Fit the Marchenko-Pastur law to the bulk and count the spikes above it.

        Args:
            level: chance that a pure noise matrix shows any spike at all (Tracy-Widom).

        Returns:
            Entry standard deviation, edges, threshold and the spikes; see `MarchenkoPastur`.

        Raises:
            SpectrumError: when the shape is unknown or eigenvalues are negative.
        """
        return self._as_given(self._bulk(level))

    def power_law(self, bootstrap: int = 0, seed: int = 0, alternatives: bool = True) -> PowerLaw:
        """Fit a power law to the upper tail of the positive eigenvalues.

        Args:
            bootstrap: number of draws for the p-value and for the interval of alpha; 0 for none.
            seed: seed of the draws.
            alternatives: compare with lognormal, exponential and truncated power law.

        Returns:
            Exponent, start of the tail, Kolmogorov-Smirnov distance, verdict; see `PowerLaw`.

        Raises:
            SpectrumError: with fewer than 16 positive eigenvalues, or where most singular values of a matrix are nearly
                equal: what stands beside a block of equal values is no tail.
        """
        if self._rows is not None:
            self.require_width()
        return self._as_given(self._tail(bootstrap, seed, alternatives))

    def ranks(self, eps: float = 1e-3, norm: str = "frobenius") -> Ranks:
        """Compute all ranks of the matrix.

        Args:
            eps: the numerical rank counts sigma_i / ||W|| > eps.
            norm: "frobenius" (S4's code) or "spectral".

        Returns:
            Numerical, stable, effective, participation and Marchenko-Pastur soft rank.

        Raises:
            SpectrumError: when the shape is unknown.
        """
        return self._ranks(eps, norm)

    def spacings(self, window: int = 10) -> Spacings:
        """Compute level statistics: unfolded spacings, spacing ratios, agreement with Wigner and with Poisson.

        Args:
            window: nearest neighbours on either side that set the local width of the unfolding.

        Returns:
            See `Spacings`.

        Raises:
            SpectrumError: when a pool was given without telling its matrices apart, or of a sketch.
        """

        def compute() -> Spacings:
            if self._known_below is not None:
                raise SpectrumError(
                    "a sketch does not tell neighbouring eigenvalues apart: level statistics need all of them"
                )
            if self._groups is None:
                msg = "level statistics of a pool need the eigenvalues by matrix: give them as [k, M]"
                raise SpectrumError(msg)
            levels = self._groups if len(self._groups) > 1 else self._groups[0]
            return spacings(levels, window=window)

        return self._as_given(self._once(("spacings", window), compute))

    def phase(self) -> Phase:
        """Tell which of the six phases of self-regularisation the spectrum is in.

        Returns:
            The label, its evidence and how sure it is; see `Phase`.

        Raises:
            SpectrumError: when the shape is unknown, there are too few eigenvalues, or most are nearly equal
                (`require_width`).
        """

        def compute() -> Phase:
            rows, cols = self._shape("the phase")
            empty = collapsed(self._values, rows)
            if empty is not None:
                return empty
            self.require_width()
            return classify(
                self._values,
                rows,
                cols,
                self._bulk(),
                self._tail(),
                self._ranks(),
                entries=self._entries,
            )

        return self._once(("phase",), compute)

    def require_width(self) -> None:
        """Refuse a spectrum whose eigenvalues are mostly nearly equal, as an orthogonal matrix's are.

        The Marchenko-Pastur law can still be scaled to it, but describes nothing there; nor is there a tail, a phase,
        or a statistic of spacings. Whatever shows these asks first.

        Raises:
            SpectrumError: the middle half of the eigenvalues has less than a tenth of the width of noise.
        """
        rows, cols = self._shape("the width of noise")
        why = self._once(("narrow",), lambda: why_narrow(self._values, rows, cols, self._matrices))
        if why:
            raise SpectrumError(why)

    def _shape(self, what: str) -> tuple[int, int]:
        if self._rows is None or self._cols is None:
            raise SpectrumError(f"{what} needs the shape of the weight matrix: give rows= and cols=")
        lowest = self._values[0]
        if lowest < -1e-9 * max(abs(self._values[-1]), abs(lowest)):
            msg = f"{what} needs eigenvalues of W^T W / N, which cannot be negative; the lowest is {lowest:g}"
            raise SpectrumError(msg)
        return self._rows, self._cols

    def _bulk(self, level: float = 0.01) -> MarchenkoPastur:
        def compute() -> MarchenkoPastur:
            rows, cols = self._shape("the Marchenko-Pastur law")
            return fit_marchenko_pastur(self._values, rows, cols, matrices=self._matrices, level=level)

        return self._once(("bulk", level), compute)

    def _tail(self, bootstrap: int = 0, seed: int = 0, alternatives: bool = True) -> PowerLaw:
        def compute() -> PowerLaw:
            return fit_power_law(self._values, bootstrap=bootstrap, seed=seed, alternatives=alternatives)

        return self._once(("tail", bootstrap, seed, alternatives), compute)

    def _ranks(self, eps: float = 1e-3, norm: str = "frobenius") -> Ranks:
        def compute() -> Ranks:
            rows, cols = self._shape("the ranks of a weight matrix")
            try:
                edge: float | None = self._bulk().edge_high
            except SpectrumError:
                edge = None  # only the soft rank needs the bulk; it is None then
            return ranks(self._values, rows, cols, self._matrices, eps=eps, norm=norm, edge_high=edge)

        return self._once(("ranks", eps, norm), compute)

    def _once(self, key: tuple[Any, ...], compute: Callable[[], T]) -> T:
        if key not in self._cache:
            self._cache[key] = compute()
        return cast("T", self._cache[key])

    def _as_given(self, result: T) -> T:
        """Hand out a result with its arrays in the caller's kind.

        Args:
            result: a frozen dataclass, kept in the cache with numpy arrays.

        Returns:
            The result itself, or a copy whose array fields are tensors when the spectrum came from tensors.
        """
        if self._given is None:
            return result
        handed = copy.copy(result)
        for f in fields(result):  # type: ignore[arg-type]
            value = getattr(result, f.name)
            if isinstance(value, np.ndarray):
                object.__setattr__(handed, f.name, like(value, self._given))
        return handed
