"""What trust in a rarely tried LLM costs, and what distrust does.

    python benchmarks/rarely_tried.py [--logs 40]

simulates logs of 1,000 calls, one LLM each, of four LLMs of which the fourth was called a few times
only: at random ("any luck"), or with nothing but right answers ("all right"). It prints the share
of new queries that routers send to this LLM, and their mean performance less that of the best
single LLM, for several numbers of unseen bad calls (0: as observed). Markdown; a minute or two.
"""

import argparse
import warnings

import numpy as np

from skrouter import FewOutcomesWarning, make_logged_target
from skrouter._targets import rarely_tried
from skrouter.baselines import BestSingleRouter, KNNRouter, LinearRouter

ROUTERS = [BestSingleRouter(), LinearRouter(10.0), KNNRouter()]
UNSEEN_CALLS = (0, 2, 5, 10)
CASES = [(2, True), (2, False), (5, False), (20, False), (100, False)]


def draw(n_calls, all_right, rng):
    """A log, queries to come, and the chance of each LLM to answer these."""
    level, own = rng.normal(0.8, 0.7, 4), rng.normal(0, 0.5, (4, 4))
    difficulty = rng.normal(size=(4, 1))

    def chances(X):
        return 1 / (1 + np.exp(-(level + X @ own + X @ difficulty)))

    X, future = rng.normal(size=(2, 1000, 4))
    called = np.append(np.full(n_calls, 3), rng.integers(3, size=1000 - n_calls))
    right = rng.random(1000) < chances(X)[np.arange(1000), called]
    if all_right:
        right[:n_calls] = True
    log = make_logged_target(called, right, llm_names=range(4))
    return X, log.performance, future, chances(future)


def measure(n_calls, all_right, n_logs):
    """Shares and gains, each of shape (n_unseen_calls, n_routers)."""
    shares, gains = np.zeros((2, len(UNSEEN_CALLS), len(ROUTERS)))
    for seed in range(n_logs):
        X, performance, future, chance = draw(n_calls, all_right, np.random.default_rng(seed))
        for i, rarely_tried._UNSEEN_CALLS in enumerate(UNSEEN_CALLS):
            for j, router in enumerate(ROUTERS):
                chosen = router.fit(X, performance).predict(future)
                shares[i, j] += np.mean(chosen == 3) / n_logs
                gain = chance[np.arange(1000), chosen].mean() - chance.mean(axis=0).max()
                gains[i, j] += gain / n_logs
    return shares, gains


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--logs", type=int, default=40, help="logs of each kind")
    n_logs = parser.parse_args().logs
    warnings.simplefilter("ignore", FewOutcomesWarning)
    names = [type(router).__name__ for router in ROUTERS]
    print("| calls | unseen bad calls | " + " | ".join(names) + " |")
    print("|---|---:|" + "---:|" * len(names))
    for n_calls, all_right in CASES:
        shares, gains = measure(n_calls, all_right, n_logs)
        for unseen, *row in zip(UNSEEN_CALLS, shares, gains, strict=True):
            cells = (f"{s:.0%} ({g:+.3f})" for s, g in zip(*row, strict=True))
            luck = "all right" if all_right else "any luck"
            print(f"| {n_calls}, {luck} | {unseen} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
