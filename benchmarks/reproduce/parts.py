"""What is computed, one part at a time: each gets the data and settings, and returns plain values.

The name of a function is the kind of a part; its settings are its arguments.
"""

import time
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize
from sklearn.manifold import TSNE
from sklearn.model_selection import GridSearchCV, KFold

from reproduce.settings import BEST_PER_TASK, N_FOLDS, RADIAL, make_router
from skrouter import SentenceEncoder
from skrouter._utils.torch_state import one_thread
from skrouter.metrics import make_routing_scorer, paired_bootstrap


class Data(NamedTuple):
    """Train rows, and the fully scored test rows. LLMs are known by their column."""

    X_train: np.ndarray
    y_train: np.ndarray
    tasks_train: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    tasks_test: np.ndarray
    queries_test: list


def search(data, router, cost_weight, grid):
    """Choose among the candidates of a router by cross-validation on the train rows."""
    estimator = make_router(router, {}, cost_weight, seed=0)
    if router == RADIAL:
        estimator.set_params(cv=None)  # a search within every fold would take long
    result = GridSearchCV(
        estimator,
        [{key: [value] for key, value in candidate.items()} for candidate in grid],
        scoring=make_routing_scorer(cost_weight),
        cv=KFold(N_FOLDS, shuffle=True, random_state=0),
        refit=False,
        error_score="raise",
    ).fit(data.X_train, data.y_train)
    scores = result.cv_results_["mean_test_score"]
    return {"parameters": grid[int(scores.argmax())], "scores": scores.tolist()}


def fit(data, router, parameters, cost_weight, seed, pool=None):
    """Fit a router on the train rows; returns its choice on each test row as a column.

    `pool` are the columns that it can choose from, all by default. For a cascade the cost of all
    calls is returned as well.
    """
    pool = np.arange(data.y_train.shape[1]) if pool is None else np.asarray(pool)
    fitted = make_router(router, parameters, cost_weight, seed)
    told = router == BEST_PER_TASK
    y = data.y_train[:, pool]
    known = ~np.isnan(y[..., 0]).all(axis=1)  # a small pool may have no score on a query
    metadata = {"tasks": data.tasks_train[known]} if told else {}
    fitted.fit(data.X_train[known], y[known], **metadata)
    metadata = {"tasks": data.tasks_test} if told else {}
    result = {"llms": pool[fitted.predict(data.X_test, **metadata)].tolist()}
    if hasattr(fitted, "cascade_outcomes"):
        outcomes = fitted.cascade_outcomes(data.X_test, data.y_test[:, pool])
        result["cost"] = outcomes.cost.tolist()
    if router == RADIAL:
        result["n_iter"] = fitted.n_iter_
    return result


def told_task(data, router, parameters, cost_weight):
    """What the loss of a cosine router asks for if it knows the task and nothing else.

    The constant logits of least loss on the train rows of each task, within what cosines allow.
    Returns the LLM of the largest one as a column for each test row.
    """
    learner = make_router(router, parameters, cost_weight, seed=0)
    if "contrastive_weight" in learner.get_params():
        learner.set_params(contrastive_weight=0.0)  # that loss is about queries, not LLMs
    performance, cost = np.moveaxis(data.y_train, -1, 0)
    utility = performance - cost_weight * cost
    known = ~np.isnan(utility).all(axis=1)
    utility, tasks = utility[known], data.tasks_train[known]
    limit = 1 / learner.temperature
    weight = np.ones(len(utility))
    loss_of = learner._make_loss(data.X_train[known], utility, weight, np.random.RandomState(0))

    def loss(values, rows):
        logits = torch.tensor(values, requires_grad=True)
        mean = loss_of(rows, logits.expand(len(rows), -1), None).mean()
        mean.backward()
        return mean.item(), logits.grad.numpy()

    chosen = {}
    for task in np.unique(data.tasks_test):
        rows = torch.tensor(np.flatnonzero(tasks == task))
        start, bounds = np.zeros(utility.shape[1]), [(-limit, limit)] * utility.shape[1]
        best = minimize(loss, start, (rows,), jac=True, bounds=bounds, method="L-BFGS-B")
        chosen[task] = int(best.x.argmax())
    return {"llms": [chosen[task] for task in data.tasks_test.tolist()]}


def interval(data, ours, theirs, macro, n_resamples=9999):
    """Difference of mean utilities per test row, with its paired bootstrap interval."""
    groups = data.tasks_test if macro else None
    settings = {"groups": groups, "n_resamples": n_resamples, "random_state": 0}
    return paired_bootstrap(ours, theirs, **settings)._asdict()


def tsne(data, contrastive_weight, cost_weight):
    """Two-dimensional picture of the representations of the test queries."""
    # Without early stopping, which may leave the network untrained.
    parameters = {"contrastive_weight": contrastive_weight, "cv": None}
    router = make_router(RADIAL, parameters, cost_weight, seed=0)
    router.fit(data.X_train, data.y_train)
    states = router.transform(data.X_test)
    perplexity = min(30.0, (len(states) - 1) / 3)
    points = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(states)
    return {"points": np.round(points.astype(float), 3).tolist()}


def head_latency(data, parameters, n_repeats):
    """Median time to choose an LLM for one ready embedding, in milliseconds."""
    parameters = {**parameters, "cv": None, "max_iter": 1}
    router = make_router(RADIAL, parameters, 0.02, seed=0).fit(data.X_train, data.y_train)
    rows = np.resize(np.arange(len(data.X_test)), n_repeats)
    return {"ms": _median_ms(lambda row: router.predict(data.X_test[[row]]), rows)}


def pool_latency(data, backbone, n_llms, batch, seconds):
    """Median time per query of an untrained network, `batch` queries at once, in milliseconds."""
    parameters = {"backbone": backbone, "cv": None, "max_iter": 1}
    router = make_router(RADIAL, parameters, 0.0, seed=0)
    X = data.X_train[:16]
    router.fit(X, np.random.default_rng(0).random((len(X), n_llms)))
    queries = data.X_test[np.resize(np.arange(len(data.X_test)), batch)]
    return {"ms": _median_ms(lambda _: router.predict(queries), range(300), seconds) / batch}


def encoder_latency(data, encoder, n_repeats):
    """Median time to encode one test query, in milliseconds."""
    model = SentenceEncoder(encoder, device="cpu", cache=None).fit(data.queries_test[:1])
    queries = np.resize(np.array(data.queries_test, dtype=object), n_repeats)
    return {"ms": _median_ms(lambda query: model.transform([query]), queries)}


def _median_ms(call, arguments, seconds=np.inf):
    """Median over the arguments, or over as many of them as take so long (at least one)."""
    times = []
    with one_thread():
        call(arguments[0])
        for argument in arguments:
            start = time.perf_counter()
            call(argument)
            times.append(time.perf_counter() - start)
            if sum(times) > seconds:
                break
    return 1e3 * float(np.median(times))


KINDS = {
    part.__name__: part
    for part in (
        search,
        fit,
        told_task,
        interval,
        tsne,
        head_latency,
        pool_latency,
        encoder_latency,
    )
}
