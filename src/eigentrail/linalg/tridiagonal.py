"""The tridiagonal form of a symmetric matrix and its eigenvalues, computed without holding Python's lock.

scipy's own wrappers of LAPACK hold the lock for the seconds that a large matrix takes, so that two of them never run
side by side in threads. scipy also offers the same routines as bare functions for compiled code; called from here
through `ctypes` they let other threads work.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.linalg import lapack

_CAPSULE_NAME = ctypes.pythonapi.PyCapsule_GetName
_CAPSULE_NAME.restype, _CAPSULE_NAME.argtypes = ctypes.c_char_p, [ctypes.py_object]
_CAPSULE_POINTER = ctypes.pythonapi.PyCapsule_GetPointer
_CAPSULE_POINTER.restype, _CAPSULE_POINTER.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]

# What follows `char *`, `int *` and pointers to doubles in the routines' signatures, as one letter each.
_DSYTRD, _DSTERF = "cididdddii", "iddi"
_KINDS = {"char": "c", "int": "i"}


@cache
def _routine(name: str, signature: str) -> Callable[..., None] | None:
    """Find a LAPACK routine that works without Python's lock.

    Args:
        name: of the routine.
        signature: a letter for each argument, all of which are pointers: c(har), i(nt) or d(ouble).

    Returns:
        It; None where this scipy offers it in another form (64-bit integers, for example).
    """
    try:
        from scipy.linalg import cython_lapack

        capsule = cython_lapack.__pyx_capi__[name]
    except (ImportError, AttributeError, KeyError):
        return None
    described = _CAPSULE_NAME(capsule)
    arguments = described.decode()[len("void (") : -1].split(",")
    kinds = [_KINDS.get(one.replace("*", "").strip(), "d") for one in arguments]
    if "".join(kinds) != signature:
        return None
    function = ctypes.CFUNCTYPE(None, *([ctypes.c_void_p] * len(kinds)))
    return function(_CAPSULE_POINTER(capsule, described))


def tridiagonal(
    g: Float64[np.ndarray, "m m"],
) -> tuple[
    Float64[np.ndarray, "m m"],
    Float64[np.ndarray, " m"],
    Float64[np.ndarray, " r"],
    Float64[np.ndarray, " r"],
    int,
]:
    """Reduce a symmetric matrix to tridiagonal form (LAPACK's dsytrd, lower triangle).

    Args:
        g: [M, M] in Fortran order, M >= 2; only the lower triangle is read; the content is destroyed.

    Returns:
        The reflectors [M, M] in the place of `g`, the diagonal [M], what is below it [M - 1], the reflectors'
        scalars [M - 1], and LAPACK's status: 0 for success.
    """
    m = len(g)
    work = int(lapack.dsytrd_lwork(m, lower=1)[0])
    run = _routine("dsytrd", _DSYTRD)
    if run is None or not g.flags.f_contiguous or not g.flags.writeable:
        c, d, e, tau, info = lapack.dsytrd(g, lower=1, lwork=work, overwrite_a=1)
        return c, d, e, tau, int(info)
    d, e, tau, space = np.empty(m), np.empty(m - 1), np.empty(m - 1), np.empty(work)
    status = ctypes.c_int(0)
    order, size = ctypes.c_int(m), ctypes.c_int(work)
    lower = ctypes.create_string_buffer(b"L")
    at = _addresses(d, e, tau, space)
    run(
        ctypes.addressof(lower),
        ctypes.addressof(order),
        g.ctypes.data,
        ctypes.addressof(order),
        *at,
        ctypes.addressof(size),
        ctypes.addressof(status),
    )
    return g, d, e, tau, status.value


def tridiagonal_eigenvalues(
    d: Float64[np.ndarray, " m"], e: Float64[np.ndarray, " r"]
) -> tuple[Float64[np.ndarray, " m"], int]:
    """Compute all eigenvalues of a symmetric tridiagonal matrix (LAPACK's dsterf).

    Args:
        d: the diagonal [M].
        e: what is beside it [M - 1].

    Returns:
        Eigenvalues [M], ascending, and LAPACK's status: 0 for success.
    """
    run = _routine("dsterf", _DSTERF)
    if run is None:
        values, info = lapack.dsterf(d, e)
        return values, int(info)
    values, beside = np.array(d), np.array(e)
    order, status = ctypes.c_int(len(values)), ctypes.c_int(0)
    run(ctypes.addressof(order), *_addresses(values, beside), ctypes.addressof(status))
    return values, status.value


def _addresses(*arrays: Any) -> list[int]:
    return [array.ctypes.data for array in arrays]
