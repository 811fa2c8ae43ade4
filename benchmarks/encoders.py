"""Speed of the encoder's backends, and what each is worth to RadialRouter, in one table.

    python benchmarks/encoders.py [--data DIR] [--static]

times one short query, queries of the usual length, and texts of 256 tokens or more (of which the
default encoder reads 256), each by every backend and precision of SentenceEncoder, without the
cache of embeddings, reading of tokens included. With `--data` it fits RadialRouter on the
RouterBench ``*train*`` files of DIR, encoded by each, and prints its score on the fully scored rows
of the ``*test*`` files: one fit for all trade-offs, the mean over seeds. With `--static` a static
encoder, of one vector per token, is distilled from the default model and stands beside it; this
needs ``pip install "model2vec[distill]"``. It prints Markdown.

Everything runs in one thread (`--threads`), and times are the processor's, so that other work on
the machine counts little: the best of several rounds, in which all take turns.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.base import clone

from skrouter import RadialRouterClassifier, SentenceEncoder
from skrouter.datasets import load_routerbench, make_routing_problem
from skrouter.metrics import routing_score

COST_WEIGHTS = (0.0, 0.02, 0.1)
SHORT = "What is the capital of France?"
LONG = "Explain step by step why the following argument fails, and mend it where that can be done. "


def distilled(folder):
    """Make a static encoder of the default model: one vector per token of its vocabulary."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    from skrouter._encoders.pretrained import resolve_model

    static = StaticEmbedding.from_distillation(resolve_model("all-MiniLM-L6-v2"), device="cpu")
    module = SentenceTransformer(modules=[static], device="cpu")
    module.save_pretrained(folder, create_model_card=False)
    return folder


def encoders(static):
    """Encoders by name, torch's first."""
    options = {"device": "cpu", "cache": None, "show_progress": False}
    found = {
        "torch, float32": SentenceEncoder(**options),
        "onnx, int8": SentenceEncoder(backend="onnx", precision="int8", **options),
    }
    if static is not None:
        found["torch, static, float32"] = SentenceEncoder(static, **options)
    found["onnx, float32"] = SentenceEncoder(backend="onnx", **options)
    return {name: encoder.fit([SHORT]) for name, encoder in found.items()}


def seconds(call):
    start = time.process_time()
    call()
    return time.process_time() - start


def speeds(encoder_of, n_rounds):
    """Seconds of one short query, and texts per second of two lengths, by encoder."""
    usual = list(make_routing_problem(128, random_state=0).queries)
    long = [f"Case {i}. {16 * LONG}" for i in range(32)]
    best = {name: np.full(3, np.inf) for name in encoder_of}
    for _ in range(n_rounds):
        for name, encoder in encoder_of.items():
            one = np.median([seconds(lambda e=encoder: e.transform([SHORT])) for _ in range(20)])
            rest = [seconds(lambda e=encoder, x=x: e.transform(x)) for x in (usual, long)]
            best[name] = np.minimum(best[name], [one, *rest])
    return {name: (one, 128 / usual, 32 / long) for name, (one, usual, long) in best.items()}


def scores(encoder, train, test, n_seeds):
    """RadialRouter's score at each trade-off, mean over seeds."""
    encoder = clone(encoder).set_params(cache="auto")
    X_train, X_test = encoder.fit_transform(train.queries), encoder.transform(test.queries)
    each = []
    for seed in range(n_seeds):
        router = RadialRouterClassifier(random_state=seed)
        router.fit(X_train, train.performance, cost=train.cost)
        each.append([score_at(weight, router, X_test, test) for weight in COST_WEIGHTS])
    return np.mean(each, axis=0)


def score_at(cost_weight, router, X, test):
    llms = router.predict(X, cost_weight=cost_weight)
    return routing_score(test.performance, llms, cost=test.cost, cost_weight=cost_weight)[2]


def load(folder):
    train, test = (
        load_routerbench(sorted(Path(folder).glob(f"*{part}*"))) for part in ("train", "test")
    )
    scored = test.performance.notna().all(axis=1).to_numpy()
    test.performance, test.cost = test.performance[scored], test.cost[scored]
    test.queries = test.queries[scored]
    return train, test


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder with RouterBench files")
    parser.add_argument("--static", action="store_true", help="a static encoder, too")
    parser.add_argument("--seeds", type=int, default=2, help="fits of RadialRouter")
    parser.add_argument("--rounds", type=int, default=8, help="rounds of timing")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    with tempfile.TemporaryDirectory() as folder:
        encoder_of = encoders(distilled(folder) if arguments.static else None)
        speed = speeds(encoder_of, arguments.rounds)
        heads = ["one short query", "usual texts per s", "256 tokens, texts per s", "times as fast"]
        if arguments.data:
            train, test = load(arguments.data)
            heads += [f"α={a:g} score" for a in COST_WEIGHTS] + ["mean, less torch"]
        print("| encoder | " + " | ".join(heads) + " |")
        print("|---|" + "---:|" * len(heads))
        slowest, base = speed["torch, float32"][2], None
        for name, (one, usual, long) in speed.items():
            cells = [f"{1e3 * one:.1f} ms", f"{usual:.0f}", f"{long:.1f}", f"{long / slowest:.2f}"]
            if arguments.data:
                found = scores(encoder_of[name], train, test, arguments.seeds)
                base = found if base is None else base
                cells += [f"{value:.4f}" for value in found] + [f"{(found - base).mean():+.4f}"]
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
