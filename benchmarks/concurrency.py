"""Whether a router answers right in several threads, and while its pool changes.

    python benchmarks/concurrency.py [--routers 300] [--threads 8] [--seconds 60]

loads a saved router over and over and lets threads that begin at once ask each copy its first
queries, as numbers and as text: every answer must be that of one thread alone, and the weights the
same afterwards. Then four threads ask a router while a fifth removes an LLM, adds it, and changes
a price, over and over: every answer must be that of the pool before or after a change in progress.
An answer is what one call of ``predict`` or ``predict_outcomes`` returns, to the last bit. It
prints Markdown, and exits with 1 if anything was wrong.
"""

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from skrouter import RadialRouterClassifier, SentenceEncoder, load, save

N_QUERIES, N_TEXTS, N_SERVING = 200, 4, 4
KINDS = ["a maths proof", "a poem", "a Python program", "a translation"]


def make_problem():
    """Queries as numbers and as text, and the outcomes of four LLMs, which depend on them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_QUERIES, 6))
    texts = [f"Write {KINDS[j]} about {i}" for i, j in enumerate(X[:, :4].argmax(axis=1))]
    performance = (rng.random((N_QUERIES, 4)) < 1 / (1 + np.exp(-3 * X[:, :4]))).astype(float)
    return X, texts, performance, rng.gamma(2.0, size=(N_QUERIES, 4))


def names(router, X):
    return router.predict(X).tolist()


def outcomes(router, X):
    """A hash of their bytes: there will be many thousand answers."""
    predicted = router.predict_outcomes(X)
    return hash((predicted.performance.tobytes(), predicted.cost.tobytes()))


ASKED = (names, outcomes)


def ask(router, X, method):
    """An answer, or the exception in its place."""
    try:
        return method(router, X)
    except Exception as error:
        return error


def weights(router):
    """All numbers of the network, as bytes."""
    module = router._network.prepare("cpu")
    return {name: tensor.numpy().tobytes() for name, tensor in module.state_dict().items()}


def count(answers):
    """Wrong answers and exceptions among pairs of an answer and the right ones."""
    failed = [given for given, _ in answers if isinstance(given, Exception)]
    for text in sorted({f"{type(error).__name__}: {error}" for error in failed}):
        print(text, file=sys.stderr)
    return sum(given not in right for given, right in answers) - len(failed), len(failed)


def first_answers(router, X, n_routers, n_threads):
    """Wrong answers, exceptions and changed weights of freshly loaded routers; and the answers."""
    answers, n_changed = [], 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "router.skops")
        save(router, path)
        alone = load(path)
        right, sound = {method: method(alone, X) for method in ASKED}, weights(alone)
        for _ in range(n_routers):
            loaded, barrier = load(path), threading.Barrier(n_threads)

            def run(loaded=loaded, barrier=barrier):
                barrier.wait()
                for method in ASKED:
                    answers.append((ask(loaded, X, method), [right[method]]))

            threads = [threading.Thread(target=run) for _ in range(n_threads)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            n_changed += weights(loaded) != sound
    return *count(answers), n_changed, len(answers)


def changes_of_the_pool(X, performance, cost):
    """Changes that lead in a circle, once the last LLM was added by the second of them."""
    scored = performance[:30, 3], cost[:30, 3], X[:30]
    return [
        lambda router: router.remove_llm("d"),
        lambda router: router.add_llm("d", *scored),
        lambda router: router.update_cost({"a": 64.0}, relative=True),
        lambda router: router.update_cost({"a": 1 / 64}, relative=True),
    ]


def serve_while_changing(router, X, changes, seconds):
    """Wrong answers, exceptions, changed weights, answers, and the changes meanwhile."""
    for change in changes:
        change(router)
    after = []
    for change in changes:
        change(router)
        after.append({method: method(router, X) for method in ASKED})
    if any(len({str(state[method]) for state in after}) != 3 for method in ASKED):
        raise RuntimeError("The pools of this circle cannot be told apart, so nothing is tested.")
    sound, seen, stop, n_begun, n_done = weights(router), [], threading.Event(), 0, 0

    def serve():
        while not stop.is_set():
            for method in ASKED:
                first = n_done
                given = ask(router, X, method)
                # The pools after all changes from the last that was done to the last begun.
                pools = {i % len(after) for i in range(first - 1, n_begun)}
                seen.append((given, [after[i][method] for i in pools]))

    threads = [threading.Thread(target=serve) for _ in range(N_SERVING)]
    for thread in threads:
        thread.start()
    failed, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        change = changes[n_begun % len(changes)]
        n_begun += 1
        try:
            change(router)
        except Exception as error:
            failed.append((error, []))
            break
        n_done += 1
        time.sleep(0.005)  # so that many answers have one pool only that is right
    stop.set()
    for thread in threads:
        thread.join()
    wrong, exceptions = count(seen + failed)
    return wrong, exceptions, int(weights(router) != sound), len(seen), n_done


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--routers", type=int, default=300, help="routers to load, of each kind")
    parser.add_argument("--threads", type=int, default=8, help="threads that ask each of them")
    parser.add_argument("--seconds", type=float, default=60.0, help="of a pool that changes")
    arguments = parser.parse_args()
    X, texts, performance, cost = make_problem()
    router = RadialRouterClassifier(
        SentenceEncoder(cache=None), llm_names=["a", "b", "c", "d"], device="cpu", random_state=0
    )
    print("| threads | answers | wrong answers | exceptions | changed weights |")
    print("|---|---:|---:|---:|---:|")
    all_right = True

    def show(what, wrong, exceptions, n_changed, n_answers):
        nonlocal all_right
        print(f"| {what} | {n_answers:,} | {wrong} | {exceptions} | {n_changed} |", flush=True)
        all_right &= n_answers > 0 and not (wrong or exceptions or n_changed)

    first = f"{arguments.threads} that begin at once, {arguments.routers} routers"
    router.fit(X, performance, cost)
    show(f"{first}, numbers", *first_answers(router, X, arguments.routers, arguments.threads))
    changes = changes_of_the_pool(X, performance, cost)
    *figures, n_changes = serve_while_changing(router, X, changes, arguments.seconds)
    show(f"{N_SERVING}, and {n_changes:,} changes in {arguments.seconds:g} s", *figures)
    router.fit(texts, performance, cost)
    asked = texts[:N_TEXTS]
    show(f"{first}, text", *first_answers(router, asked, arguments.routers, arguments.threads))
    return 0 if all_right else 1


if __name__ == "__main__":
    sys.exit(main())
