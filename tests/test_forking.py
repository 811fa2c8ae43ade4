"""Routers that are loaded and used in a master process, which then forks its workers."""

import os

import pytest
from processes import Process

CODE = """
import os, sys
import numpy as np, torch
torch.set_num_threads(2)
from skrouter import RadialRouterClassifier, SentenceEncoder
rng = np.random.default_rng(0)
if sys.argv[1] in ("torch", "onnx"):
    encoder = SentenceEncoder(sys.argv[2], cache=None, device="cpu", backend=sys.argv[1]).fit(["a"])
    work = lambda: encoder.transform([f"proof {i} of the theorem" for i in range(256)])
else:
    X, y = rng.normal(size=(3000, 64)), rng.uniform(size=(3000, 5))
    router = RadialRouterClassifier(max_iter=2, cv=None, device="cpu", hidden_dim=256)
    router.fit(X[:500], y[:500])
    work = lambda: router.predict_proba(X)
wanted = work()
child = os.fork()
if child == 0:
    os._exit(0 if np.allclose(work(), wanted, atol=1e-6) else 3)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("what", ["torch", "onnx", "router"])
def test_a_forked_worker_answers_as_its_master(tiny_bert_path, what):
    """With more than one thread of torch it waited for ever for threads that were not there."""
    if what == "onnx":
        for package in ("onnx", "onnxruntime", "onnxscript"):
            pytest.importorskip(package)
    process = Process(CODE, what, tiny_bert_path)
    process.communicate()
    assert process.returncode == 0
