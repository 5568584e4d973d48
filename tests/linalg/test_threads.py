from __future__ import annotations

import os
import subprocess
import sys

import pytest
from threadpoolctl import threadpool_limits

from eigentrail.linalg import threads

_COUNT = "max(one['num_threads'] for one in threadpool_info() if one['user_api'] == 'blas')"


def run(code: str, **environment: str) -> list[str]:
    """What a new process prints, in which BLAS may begin with several threads."""
    variables = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    code = (
        "import numpy, scipy.linalg\nfrom threadpoolctl import threadpool_info, threadpool_limits\n"
        "from eigentrail.linalg import threads\nfrom eigentrail.linalg.threads import *\n" + code
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=variables | environment
    )
    return found.stdout.split()


def test_small_matrices_take_one_thread_and_large_ones_what_is_allowed():
    code = f"""
threadpool_limits(4)
threads.allowed_cores = lambda: 3
for order, side in ((1024, 1), (1025, 1), (4096, 2), (4096, 9)):
    with threads_for(order, side):
        print({_COUNT})
print({_COUNT})
"""
    assert run(code, OPENBLAS_NUM_THREADS="4") == ["1", "3", "1", "1", "4"]


def test_a_container_with_fewer_cores_than_the_machine_limits_blas_and_torch():
    code = f"""
import torch
torch.set_num_threads(8)
threads.usable_cores = lambda: 2
with within_cores():
    print({_COUNT}, torch.get_num_threads())
print(torch.get_num_threads())
"""
    assert run(code, OPENBLAS_NUM_THREADS="8") == ["2", "2", "8"]


def test_a_lower_setting_of_the_user_stays():
    code = f"""
with threads_for(4096), within_cores(8):
    print({_COUNT})
with threadpool_limits(1), threads_for(4096):
    print({_COUNT})
"""
    assert run(code, OMP_NUM_THREADS="1") == ["1", "1"]


@pytest.mark.parametrize("fails", [False, True])
def test_threads_are_given_back_after_errors_too(fails):
    with threadpool_limits(2, user_api="blas"):
        before = [one.num_threads for one in threads._libraries()]
        try:
            with threads.blas_threads(1):
                assert [one.num_threads for one in threads._libraries()] == [1] * len(before)
                if fails:
                    raise ValueError
        except ValueError:
            pass
        assert [one.num_threads for one in threads._libraries()] == before


def test_what_a_user_calls_decomposes_small_matrices_with_one_thread():
    code = f"""
import numpy as np, scipy.linalg
import eigentrail as et
threadpool_limits(4)
w, seen = np.random.default_rng(0).standard_normal((300, 200)), []
def watch(module, name):
    inner = getattr(module, name)
    def watched(*args, **settings):
        seen.append({_COUNT})
        return inner(*args, **settings)
    setattr(module, name, watched)
watch(scipy.linalg, "eigh")
watch(scipy.linalg, "svd")
et.spectra.Spectrum.from_matrix(w, null=True)
et.bases.singular(w, 5)
et.bases.singular(w)
et.curvature.eigenbasis(w[:200] + w[:200].T)
print(len(seen), *set(seen), {_COUNT})
"""
    count, *threads_seen = run(code, OPENBLAS_NUM_THREADS="4")
    assert int(count) >= 4 and threads_seen == ["1", "4"]
