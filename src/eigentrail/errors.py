"""The one family of errors, and the warnings by their meaning.

Every error that a user can cause derives from `EigentrailError`. Its text is one sentence that names the thing and
the mend; the command line prints exactly that sentence and exits with code 2.
"""

from __future__ import annotations

from pathlib import Path

from eigentrail._text import printable


class EigentrailError(Exception):
    """Something the user gave cannot be used; the text says what and how to mend it.

    Names in the text may come from strangers' files: control characters in them are made visible.

    Args:
        texts: the sentence.
    """

    def __init__(self, *texts: object) -> None:
        super().__init__(*("\n".join(map(printable, str(text).split("\n"))) for text in texts))


class SourceError(EigentrailError):
    """A file or folder of weights is missing, broken, hostile or of an unknown kind."""


class LayerError(EigentrailError):
    """One weight matrix cannot be analysed (not finite, too small, all zero, ...)."""


class NotFiniteError(LayerError):
    """A weight matrix holds NaN or infinite entries."""


class SpectrumError(EigentrailError):
    """A quantity is not defined for this spectrum (for example Marchenko-Pastur without a shape)."""


class BasisError(EigentrailError):
    """Directions do not make a basis, or do not fit the weights or the other basis."""


class TrajectoryError(EigentrailError):
    """Weights over steps cannot be analysed (too few steps, constant, not finite, of changing shape, ...)."""


class OptionError(EigentrailError):
    """An argument is outside what it may be."""


class RunError(EigentrailError):
    """A recorded run cannot be opened, continued or written."""


class DiskError(RunError):
    """A run cannot be written: the disk is full, the folder read-only, ...

    Args:
        path: the run's folder.
        error: what the system answered.
        more: what else is to be said.
    """

    def __init__(self, path: Path, error: OSError, more: str = ""):
        why = error.strerror or str(error)
        super().__init__(
            f"{path} cannot be written ({why}): free space or choose another folder for the run{more}"
        )


class DataError(EigentrailError):
    """A data set is absent, corrupt or does not fit the network."""


class CurvatureError(EigentrailError):
    """A curvature cannot be computed (no scalar loss, no gradient, chance in the loss, not enough memory, ...)."""


class CompletionError(EigentrailError):
    """A matrix cannot be completed from what is observed of it."""


class DivergenceError(EigentrailError):
    """A descent has diverged.

    Attributes:
        step: the step at which its loss rose above that of the start.
        rate: the rate that was too large.
        advised: the rate to try.
    """

    def __init__(self, step: int, rate: float) -> None:
        self.step, self.rate, self.advised = step, rate, rate / 4.0
        super().__init__(
            f"the descent diverges at step {step} with rate {rate:.4g}: try rate {self.advised:.4g}."
        )

    def __reduce__(self) -> tuple[type[DivergenceError], tuple[int, float]]:
        return type(self), (self.step, self.rate)


class FeatureError(EigentrailError):
    """Features cannot be measured (no class labels, one class only, a layer that is never called, ...)."""


class EigentrailWarning(UserWarning):
    """Base of all warnings."""


class NumericalWarning(EigentrailWarning):
    """A number is less certain than usual; the text says which and why."""


class RunWarning(EigentrailWarning):
    """Something about a run that is being recorded or opened should be known; the text says what."""
