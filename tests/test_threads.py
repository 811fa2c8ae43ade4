"""Work beside the training of networks leaves no limit on threads behind."""

import os
import subprocess
import sys
import threading

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from skrouter import RadialRouterClassifier
from skrouter._utils.threads import in_thread
from skrouter.datasets import make_routing_problem


def limits():
    return {library["filepath"]: library["num_threads"] for library in threadpool_info()}


@pytest.fixture
def two_threads():
    """As on a machine of two cores; the suite itself runs with one thread for each process."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with threadpool_limits(2):
        yield
    torch.set_num_threads(before)


def test_a_fit_leaves_the_numbers_of_threads_as_they_were(two_threads):
    before = limits()
    assert 2 in before.values()
    data = make_routing_problem(200, random_state=0)
    X = data.difficulty[:, None].repeat(8, axis=1)
    RadialRouterClassifier(max_iter=2, random_state=0).fit(X, data.performance, cost=data.cost)
    assert limits() == before
    assert torch.get_num_threads() == 2


def test_what_runs_beside_has_one_thread():
    code = """
import numpy, sklearn.cluster, threading
from threadpoolctl import threadpool_info
from skrouter._utils.threads import in_thread
def look():
    return [library["num_threads"] for library in threadpool_info()], threading.get_ident()
before, here = look()
with in_thread(look, beside=True) as future:
    pass
inside, there = future.result()
assert 2 in before and set(inside) == {1}, (before, inside)
assert here != there and look() == (before, here)
"""
    # Not under a limit of this process, whose thread alone could then set another.
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)


def test_the_block_goes_on_meanwhile():
    came_in = threading.Event()
    with in_thread(came_in.wait, 60, beside=True) as future:
        came_in.set()  # never, if the block began when the function had returned
    assert future.result() is True


def test_or_begins_when_the_function_has_returned():
    with in_thread(lambda: "done", beside=False) as future:
        assert future.done() and future.result() == "done"


def test_an_error_there_is_an_error_here():
    with in_thread(lambda: 1 / 0, beside=True) as future:
        pass
    with pytest.raises(ZeroDivisionError):
        future.result()
