"""What carries requests to a router inside other software: threads, forks, the log."""

import errno
import gc
import json
import logging
import os
import subprocess
import sys
import threading
import weakref

import pytest

from skrouter.baselines import BestSingleRouter
from skrouter.integrations import _served_router
from skrouter.integrations._batches import Batches
from skrouter.integrations._decision_log import append_lines
from skrouter.integrations._served_router import ServedRouter


def ids(path):
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


@pytest.mark.parametrize("bad", [{1, 2}, "half a character: \ud800", b"bytes"])
def test_a_record_that_cannot_be_written_costs_no_other(bad, tmp_path, caplog):
    queries = ["say hello", bad, "prouve un théorème"]
    append_lines(tmp_path / "log", [{"id": i, "query": q} for i, q in enumerate(queries)])
    assert ids(tmp_path / "log") == [0, 2]
    assert "Decision 1 cannot be written" in caplog.text


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no full disk")
def test_a_full_disk_is_said():
    with pytest.raises(OSError) as caught:
        append_lines("/dev/full", [{"id": 1}])
    assert caught.value.errno == errno.ENOSPC


def test_a_write_that_stops_half_way_is_said(tmp_path, monkeypatch):
    """As on a disk that has room for a part."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:5]))
    with pytest.raises(OSError, match=r"5 of 10 bytes were written to .*log"):
        append_lines(tmp_path / "log", [{"id": 1}])


def test_without_a_thread_the_router_stays_and_is_loaded_later(tmp_path, monkeypatch, caplog):
    import joblib

    def always(llm):
        performance = [[float(name == llm) for name in "ab"]] * 2
        return BestSingleRouter(llm_names=["a", "b"]).fit(["x", "y"], performance)

    caplog.set_level(logging.INFO, "skrouter.integrations")
    path = tmp_path / "router.joblib"
    joblib.dump(always("a"), path)
    served = ServedRouter(path, check_every=0.0)
    joblib.dump(always("b"), tmp_path / "new")
    os.replace(tmp_path / "new", path)

    def start(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(_served_router.threading.Thread, "start", start)
        assert served.router.predict(["z"])[0] == "a"
    assert "can't start new thread" in caplog.text
    assert served.router is not None  # asks for the new one
    for thread in threading.enumerate():
        if thread.name == "skrouter-reload":
            thread.join(20)
    assert served.router.predict(["z"])[0] == "b"


CODE = """
import os, sys, threading
from skrouter.integrations._batches import Batches

busy, go, seen = threading.Event(), threading.Event(), []

def answer(requests):
    busy.set()
    assert go.wait(60)
    seen.extend(requests)
    return [request.upper() for request in requests]

batches = Batches(answer, max_size=8)
mine = [batches.submit("a")]
assert busy.wait(60)
mine.append(batches.submit("b"))  # waits in the parent
child = os.fork()
if child == 0:
    go.set()
    good = batches.submit("c").result(20) == "C" and seen == ["c"]
    os._exit(0 if good else 3)
go.set()
assert [future.result(20) for future in mine] == ["A", "B"]
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_answers_its_own_requests():
    """It has no thread of its parent's, so that its requests waited for ever."""
    assert subprocess.run([sys.executable, "-c", CODE], timeout=120).returncode == 0


RELOADING = """
import os, sys, threading, time
import joblib
from skrouter.baselines import BestSingleRouter
from skrouter.integrations._served_router import ServedRouter

def write(llm):
    performance = [[float(name == llm) for name in "ab"]] * 2
    router = BestSingleRouter(llm_names=["a", "b"]).fit(["x", "y"], performance)
    joblib.dump(router, "part")
    os.replace("part", "router.joblib")

write("a")
served = ServedRouter("router.joblib", check_every=0.0)
write("b")
load, busy, go = joblib.load, threading.Event(), threading.Event()

def slow(path):
    busy.set()
    assert go.wait(60)
    return load(path)

joblib.load = slow
served.router
assert busy.wait(60)
child = os.fork()
go.set()
if child == 0:
    deadline = time.monotonic() + 20
    while served.router.predict(["z"])[0] != "b":
        if time.monotonic() > deadline:
            os._exit(3)
        time.sleep(0.01)
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_forked_during_a_reload_loads_the_router_itself(tmp_path):
    done = subprocess.run([sys.executable, "-c", RELOADING], cwd=tmp_path, timeout=120)
    assert done.returncode == 0


def test_closing_answers_what_waits_and_a_later_request():
    batches = Batches(lambda requests: [request.upper() for request in requests], max_size=2)
    waiting = [batches.submit(letter) for letter in "abcde"]
    batches.close()
    assert [future.result(0) for future in waiting] == list("ABCDE")
    batches.close()
    assert batches.submit("f").result(20) == "F"
    batches.close()


def test_what_is_to_be_renewed_after_a_fork_may_be_forgotten():
    batches = Batches(list, max_size=2)
    gone = weakref.ref(batches)
    del batches
    gc.collect()
    assert gone() is None
