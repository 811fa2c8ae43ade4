"""Routers in LiteLLM: the plugin alone, then in a real proxy that a real client calls."""

import asyncio
import importlib.util
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import textwrap
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

import skrouter
from skrouter import (
    ExploringRouter,
    FallbackRouter,
    GuaranteedRouter,
    RadialRouterClassifier,
    trade_off_for_budget,
)
from skrouter.baselines import BestSingleRouter, KNNRouter, ZeroRouter
from skrouter.datasets import load_log, make_routing_problem
from skrouter.integrations.litellm import RouterPlugin
from skrouter.metrics import off_policy_value

pytest.importorskip("skops")

DATA = make_routing_problem(240, random_state=0)
TEST = make_routing_problem(60, random_state=1)
DEPLOYMENTS = [f"openai/{name}" for name in DATA.llm_names]
SMALL, *_, LARGE = DATA.llm_names


def text_encoder():
    return make_pipeline(TfidfVectorizer(), TruncatedSVD(16, random_state=0))


@pytest.fixture(scope="module")
def router():
    router = RadialRouterClassifier(text_encoder(), llm_names=DATA.llm_names, random_state=0)
    return router.fit(DATA.queries, DATA.performance, cost=DATA.cost)


@pytest.fixture(scope="module")
def knn():
    router = KNNRouter(10, encoder=text_encoder(), llm_names=DATA.llm_names)
    return router.fit(DATA.queries, DATA.performance, cost=DATA.cost)


def always(llm):
    """A router that calls one LLM."""
    performance = [[float(name == llm) for name in DATA.llm_names]] * 2
    return BestSingleRouter(llm_names=DATA.llm_names).fit(["a", "b"], performance)


def context(query="What is a prime number?", deployments=DEPLOYMENTS, **metadata):
    """A stand-in for LiteLLM's own, whose fields these are; the proxy below gives the real one."""
    return SimpleNamespace(
        raw_messages=[],
        structured_messages=[{"role": "user", "content": query}],
        candidate_models=list(deployments),
        metadata=metadata,
        signals={},
    )


def run(plugin, *contexts):
    async def together():
        return await asyncio.gather(*(plugin.run(one) for one in contexts))

    return asyncio.run(together())


def llm_of(done):
    (deployment,) = done.candidate_models
    return deployment.removeprefix("openai/")


@pytest.mark.parametrize("kind", ["router", "knn"])
def test_chooses_as_predict_does(kind, request):
    fitted = request.getfixturevalue(kind)
    done = run(RouterPlugin(fitted), *map(context, TEST.queries))
    wanted = fitted.predict(TEST.queries).tolist()
    assert [llm_of(one) for one in done] == wanted
    assert len(set(wanted)) > 1
    for one, llm in zip(done, wanted, strict=True):
        signal = one.signals["skrouter"]
        assert signal["llm"] == signal["order"][0] == llm
        assert signal["propensity"] == 1.0 and signal["fallback"] is None
        utility = signal["explanation"]["utility"]
        assert list(utility) == signal["order"]
        assert list(utility.values()) == sorted(utility.values(), reverse=True)
        json.dumps(one.signals)


def test_each_request_has_its_own_trade_off_and_pool(router):
    asked = [
        {},
        {"skrouter": {"cost_weight": 3.0}},
        {"skrouter": {"allowed": [LARGE, "nobody"]}},
        {"skrouter": {"allowed": f"openai/{SMALL}"}},
        {"skrouter": {"budget": "free"}},
        {"tags": ["team-7", "free"]},
        {"requester_metadata": {"skrouter": {"cost_weight": 0.0}}},
    ]
    query = TEST.queries[0]
    plugin = RouterPlugin(router, budgets={"free": 1.0})
    done = run(plugin, *(context(query, **metadata) for metadata in asked))
    wanted = [
        router.predict([query], **options)[0]
        for options in (
            {},
            {"cost_weight": 3.0},
            {"allowed": [LARGE]},
            {"allowed": [SMALL]},
            {"cost_weight": 1.0},
            {"cost_weight": 1.0},
            {"cost_weight": 0.0},
        )
    ]
    assert [llm_of(one) for one in done] == wanted
    assert len(set(wanted)) > 1


def test_a_default_trade_off_is_that_of_requests_that_ask_for_none(router, tmp_path):
    """As from `skrouter budget`: what a request says, and its budget, go before."""
    forecast = trade_off_for_budget(router, TEST.queries, budget=20.0, period_queries=100_000)
    weight, query = forecast.cost_weight, TEST.queries[0]
    assert weight > 0.1
    log = tmp_path / "log.jsonl"
    plugin = RouterPlugin(router, cost_weight=weight, budgets={"free": 3.0, "paid": 0.0}, log=log)
    done = run(plugin, *map(context, TEST.queries))
    wanted = router.predict(TEST.queries, cost_weight=weight).tolist()
    assert [llm_of(one) for one in done] == wanted != router.predict(TEST.queries).tolist()
    asked = [{}, {"cost_weight": 0.0}, {"budget": "free"}, {"budget": "no"}, {"cost_weight": None}]
    run(plugin, *(context(query, skrouter=options) for options in asked))
    run(plugin, context(query, tags=["paid"], skrouter={"cost_weight": "much"}))
    records = [json.loads(line) for line in log.read_text().splitlines()]
    assert {record["cost_weight"] for record in records[:60]} == {weight}
    asked_for = [record["cost_weight"] for record in records[60:]]
    assert asked_for == [weight, 0.0, 3.0, weight, weight, 0.0]


@pytest.mark.parametrize("options", [{"cost_weight": 0.1}, {"budgets": {"free": 0.1}}])
def test_a_router_of_one_trade_off_refuses_another_at_the_start(options, knn, tmp_path, caplog):
    single = always(SMALL)  # trained for its own, 0.02, which it may be asked for
    guaranteed = GuaranteedRouter(FrozenEstimator(knn), min_performance=0.2, random_state=0)
    guaranteed.fit(TEST.queries, TEST.performance, cost=TEST.cost)
    careful = FallbackRouter(FrozenEstimator(single), fallback=LARGE, min_margin=0.0)
    careful.fit(DATA.queries, DATA.performance)
    who = "cost_weight is 0.1" if "cost_weight" in options else "budgets: 'free' is 0.1"
    for refused, why in (
        (single, "was trained for its own"),
        (careful, "was trained for its own"),
        (guaranteed, "has chosen its trade-off"),
    ):
        with pytest.raises(ValueError, match=f"{who}, which the router does not serve: .*{why}"):
            RouterPlugin(refused, **options)
        assert llm_of(run(RouterPlugin(refused), context())[0]) in DATA.llm_names
    assert llm_of(run(RouterPlugin(single, cost_weight=0.02), context())[0]) == SMALL

    # In a file that replaces another one: the router before stays.
    path = tmp_path / "router.skops"
    skrouter.save(knn, path)
    plugin = RouterPlugin(path, check_every=0.01, **options)
    skrouter.save(single, path)
    deadline = time.monotonic() + 20
    while "the router before stays" not in caplog.text:
        assert time.monotonic() < deadline
        run(plugin, context())
        time.sleep(0.01)
    (done,) = run(plugin, context(TEST.queries[0], skrouter={"cost_weight": 3.0}))
    assert llm_of(done) == knn.predict(TEST.queries[:1], cost_weight=3.0)[0]
    assert done.signals["skrouter"]["fallback"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cost_weight": "much"}, "cost_weight is 'much'"),
        ({"cost_weight": float("nan")}, "cost_weight is nan"),
        ({"cost_weight": True}, "cost_weight is True"),
        ({"budget": "gold"}, "budget is 'gold'; there are ['free']"),
        ({"budget": ["free"]}, "budget is ['free']"),
        ({"cost_weight": 10**400}, "a finite number >= 0 is wanted"),
        ("cheap", "an object is wanted"),
    ],
)
def test_what_is_wrong_with_a_request_is_logged_and_left_out(router, options, message, caplog):
    plugin = RouterPlugin(router, budgets={"free": 1.0})
    (done,) = run(plugin, context(TEST.queries[0], skrouter=options))
    assert llm_of(done) == router.predict(TEST.queries[:1])[0]
    assert message in caplog.text


@pytest.mark.parametrize(
    "metadata",
    [
        {"tags": 5},
        {"tags": [{"free": 1}, ["free"], None]},
        {"tags": {"free": 1}},
        {"requester_metadata": "free"},
        {"routing_plugin_signals": [1]},
        {"routing_plugin_signals": {"skrouter": "free"}},
        {"routing_plugin_signals": {"skrouter": {"llm": ["x", {}], "tried": 3}}},
    ],
)
def test_malformed_metadata_fails_nothing(router, metadata):
    (done,) = run(RouterPlugin(router, budgets={"free": 1.0}), context(TEST.queries[0], **metadata))
    assert llm_of(done) == router.predict(TEST.queries[:1])[0]
    assert done.signals["skrouter"]["fallback"] is None


def test_what_is_no_name_in_allowed_is_left_out(router):
    options = {"allowed": [{"name": LARGE}, SMALL, None]}
    (done,) = run(RouterPlugin(router), context(skrouter=options))
    assert llm_of(done) == SMALL


@pytest.mark.parametrize("tried", [None, SMALL])
@pytest.mark.parametrize("allowed", [5, {LARGE: True}, [{"name": LARGE}], [], ["nobody"]])
def test_an_allowed_without_a_known_name_is_refused(router, allowed, tried):
    """It must not allow all: neither at first, nor after a failed call."""
    litellm = pytest.importorskip("litellm")
    signals = {"skrouter": {"llm": tried}}
    asked = context(skrouter={"allowed": allowed}, routing_plugin_signals=signals)
    with pytest.raises(litellm.BadRequestError, match="holds none of"):
        run(RouterPlugin(router), asked)


def test_after_all_that_are_allowed_were_tried_they_are_tried_again(router):
    signals = {"skrouter": {"llm": SMALL, "tried": []}}
    asked = context(skrouter={"allowed": [SMALL]}, routing_plugin_signals=signals)
    assert llm_of(run(RouterPlugin(router, fallback=LARGE), asked)[0]) == SMALL


def test_a_closed_plugin_has_no_thread_until_it_is_asked(router):
    def threads():
        return {thread for thread in threading.enumerate() if thread.name.startswith("skrouter")}

    before, plugin = threads(), RouterPlugin(router)
    for _ in range(2):
        (done,) = run(plugin, context(TEST.queries[0]))
        assert llm_of(done) == router.predict(TEST.queries[:1])[0]
        assert done.signals["skrouter"]["fallback"] is None and threads() - before
        plugin.close()
        assert not threads() - before


def test_names_of_deployments(router):
    models = {SMALL: "azure/mini", LARGE: ["azure/eu", "azure/us"]}
    plugin = RouterPlugin(router, models=models)
    deployments = ["azure/mini", "azure/eu", "azure/us", f"x/{DATA.llm_names[1].upper()}", "x/new"]
    wanted = {
        SMALL: ["azure/mini"],
        LARGE: ["azure/eu", "azure/us"],
        DATA.llm_names[1]: [deployments[3]],
    }
    for llm, mine in wanted.items():
        (done,) = run(plugin, context(deployments=deployments, skrouter={"allowed": [llm]}))
        assert done.candidate_models == mine
    # One of the two of an LLM alone.
    (done,) = run(plugin, context(deployments=deployments, skrouter={"allowed": ["azure/us"]}))
    assert done.candidate_models == ["azure/us"] and done.signals["skrouter"]["llm"] == LARGE


def test_models_of_no_llm_are_said(router, caplog):
    RouterPlugin(router, models={"typo": "openai/x"})
    assert "models names ['typo']" in caplog.text


def test_names_that_are_left_over_are_said_once(router, caplog):
    plugin = RouterPlugin(router, fallback="nobody")
    renamed = [*DEPLOYMENTS[:-1], "azure/my-own"]
    for deployments in (renamed, renamed, renamed[1:]):
        run(plugin, context(deployments=deployments))
    (names,) = [line for line in caplog.messages if "may not fit" in line]
    assert f"['{DEPLOYMENTS[-1].removeprefix('openai/')}']" in names
    assert "['azure/my-own']" in names and "models={name: deployment}" in names
    assert caplog.text.count("fallback: 'nobody' has no deployment") == 1
    caplog.clear()
    # A group of some of the LLMs, or one with others beside them, is as it should be.
    run(RouterPlugin(router), context(deployments=DEPLOYMENTS[1:]))
    run(RouterPlugin(router), context(deployments=[*DEPLOYMENTS, "azure/my-own"]))
    assert not caplog.messages


@pytest.mark.parametrize("deployments", [["openai/a", "openai/b"], [f"x/{SMALL}", "openai/b"]])
def test_an_unknown_llm_is_chosen_only_where_there_is_no_other(router, deployments, caplog):
    (done,) = run(RouterPlugin(router), context(deployments=deployments))
    if f"x/{SMALL}" in deployments:
        assert done.candidate_models == [f"x/{SMALL}"]
    else:
        assert done.candidate_models == deployments
        assert "knows no LLM that may be called" in done.signals["skrouter"]["fallback"]
        assert "openai/a" in caplog.text


def test_one_deployment_and_no_message_are_left_alone(router):
    plugin = RouterPlugin(router)
    alone, silent = context(deployments=["openai/a"]), context()
    silent.structured_messages = []
    for done in run(plugin, alone, silent):
        assert not done.signals
    assert silent.candidate_models == DEPLOYMENTS


class Moody(TfidfVectorizer):
    """An encoder that fails on some texts."""

    def fit_transform(self, raw_documents, y=None):
        return super().fit_transform(raw_documents).toarray()

    def transform(self, raw_documents):
        if any("fail" in text for text in raw_documents):
            raise RuntimeError("no memory left")
        return super().transform(raw_documents).toarray()


@pytest.fixture(scope="module")
def moody():
    router = KNNRouter(10, encoder=Moody(), llm_names=DATA.llm_names)
    return router.fit(DATA.queries, DATA.performance, cost=DATA.cost)


@pytest.mark.parametrize("fallback", [LARGE, None, "unknown"])
def test_a_failing_encoder_hurts_one_request_and_fails_none(moody, fallback, caplog):
    plugin = RouterPlugin(moody, fallback=fallback)
    queries = ["say hi", "please fail", *TEST.queries[:6]]
    good, bad, *others = run(plugin, *map(context, queries))
    wanted = moody.predict(["say hi", *TEST.queries[:6]]).tolist()
    assert [llm_of(one) for one in (good, *others)] == wanted
    assert bad.candidate_models == ([f"openai/{LARGE}"] if fallback == LARGE else DEPLOYMENTS)
    assert bad.signals["skrouter"]["fallback"] == "RuntimeError: no memory left"
    assert "no memory left" in caplog.text and "Traceback" in caplog.text
    # The fallback keeps to what is allowed, too.
    (done,) = run(plugin, context("fail", skrouter={"allowed": [SMALL]}))
    assert done.candidate_models == [f"openai/{SMALL}"]


def test_after_a_failed_call_comes_the_next_best(router, moody):
    for plugin, query in ((RouterPlugin(router), TEST.queries[0]), (RouterPlugin(moody), "fail")):
        signals, called = {}, []
        for _ in DATA.llm_names:
            (done,) = run(plugin, context(query, routing_plugin_signals=signals))
            signals = done.signals
            called.append(signals["skrouter"]["llm"])
        ids = {signals["skrouter"]["id"]}
        if query == "fail":
            assert called == [None] * len(called)
            continue
        order = router.explain([query])[0].utility
        assert called == list(order) and len(ids) == 1
        # All were tried: LiteLLM may try again.
        (done,) = run(plugin, context(query, routing_plugin_signals=signals))
        assert done.candidate_models == DEPLOYMENTS


def test_exploration_is_drawn_with_the_propensities_that_are_logged(knn, tmp_path):
    log = tmp_path / "log.jsonl"
    plugin = RouterPlugin(knn, exploration=0.3, log=log, random_state=0)
    queries = [TEST.queries[i % 60] for i in range(1200)]
    done = run(plugin, *map(context, queries))
    records = pd.read_json(log, lines=True)
    assert len(records) == 1200 and records["id"].is_unique
    assert [llm_of(one) for one in done] == list(
        records.set_index("id")["llm"][[one.signals["skrouter"]["id"] for one in done]]
    )
    n_llms = len(DATA.llm_names)
    assert set(records["propensity"].round(6)) == {
        round(0.3 / n_llms, 6),
        round(0.7 + 0.3 / n_llms, 6),
    }
    assert abs(records["explored"].mean() - 0.3 * (1 - 1 / n_llms)) < 0.04
    assert records["cost_weight"].eq(knn.cost_weight).all()

    # Rated, it is what the other parts take.
    records["rating"] = np.where(records["llm"] == LARGE, 1.0, 0.5)
    log = load_log(records, query="query", llm="llm", performance="rating", propensity="propensity")
    names = log.llm_names
    choices = np.full(len(log.queries), LARGE)
    value = off_policy_value(
        choices, **log.logged, llm_names=names, method="snips", random_state=0, cost_weight=0
    )
    assert abs(value.performance - 1.0) < 0.1
    target = skrouter.make_logged_target(log.logged["logged_llms"], log.logged["performance"])
    assert target.performance.shape == (1200, n_llms)


@pytest.mark.parametrize("more", [0.0, 0.5])
def test_a_router_that_explores_by_itself_goes_on_exploring(knn, more):
    """The same propensities as in `decide`; what the plugin explores beside it comes on top."""
    inside = ExploringRouter(FrozenEstimator(knn), exploration=0.3).fit()
    plugin = RouterPlugin(inside, exploration=more, random_state=0)
    queries = [TEST.queries[i % 60] for i in range(600)]
    done = run(plugin, *map(context, queries))
    signals = [one.signals["skrouter"] for one in done]
    share = 0.3 + more - 0.3 * more
    wanted = ExploringRouter(FrozenEstimator(knn), exploration=share).fit().predict_proba(queries)
    columns = [DATA.llm_names.index(signal["llm"]) for signal in signals]
    np.testing.assert_allclose(
        [signal["propensity"] for signal in signals], wanted[np.arange(600), columns]
    )
    best = knn.predict(queries).tolist()
    assert [signal["order"][0] for signal in signals] == best
    assert [signal["explored"] for signal in signals] == [
        signal["llm"] != llm for signal, llm in zip(signals, best, strict=True)
    ]
    explored = np.mean([signal["explored"] for signal in signals])
    assert abs(explored - share * (1 - 1 / len(DATA.llm_names))) < 0.07
    # A failed call is followed by the next best, and not by a draw.
    (again,) = run(plugin, context(queries[0], routing_plugin_signals=done[0].signals))
    order = [llm for llm in signals[0]["order"] if llm != signals[0]["llm"]]
    assert again.signals["skrouter"]["llm"] == order[0]
    assert again.signals["skrouter"]["propensity"] is None


def test_a_router_that_draws_is_logged_with_the_probabilities_of_its_draws():
    zero = ZeroRouter(budget=float(DATA.cost.mean()), llm_names=DATA.llm_names)
    zero.fit(DATA.queries, DATA.performance, cost=DATA.cost)
    used = {name: p for name, p in zip(DATA.llm_names, zero.shares_, strict=True) if p}
    assert len(used) == 2
    done = run(RouterPlugin(zero, random_state=0), *(context() for _ in range(600)))
    signals = [one.signals["skrouter"] for one in done]
    for name, share in used.items():
        assert abs(np.mean([signal["llm"] == name for signal in signals]) - share) < 0.08
    assert all(signal["propensity"] == pytest.approx(used[signal["llm"]]) for signal in signals)
    assert not any(signal["explored"] for signal in signals)


def test_where_a_router_abstains_nothing_is_explored(knn):
    careful = FallbackRouter(FrozenEstimator(knn), fallback=LARGE, min_margin=1e6)
    careful.fit(DATA.queries, DATA.performance)
    done = run(RouterPlugin(careful, exploration=1.0, random_state=0), *map(context, TEST.queries))
    assert {llm_of(one) for one in done} == {LARGE}
    assert {one.signals["skrouter"]["propensity"] for one in done} == {1.0}


def test_a_second_try_is_logged_without_a_propensity(router, tmp_path):
    log = tmp_path / "log.jsonl"
    plugin = RouterPlugin(router, exploration=1.0, log=log, random_state=0)
    (first,) = run(plugin, context(skrouter={"id": "mine"}))
    (second,) = run(plugin, context(routing_plugin_signals=first.signals))
    one, two = [json.loads(line) for line in log.read_text().splitlines()]
    assert one["id"] == two["id"] == "mine"
    assert one["propensity"] == pytest.approx(1 / len(DATA.llm_names))
    assert two["propensity"] is None and two["tried"] == [one["llm"]]
    assert llm_of(second) != one["llm"]


def test_a_log_that_cannot_be_written_fails_nothing(router, tmp_path, caplog):
    (done,) = run(RouterPlugin(router, log=tmp_path / "no" / "log"), context(TEST.queries[0]))
    assert llm_of(done) == router.predict(TEST.queries[:1])[0]
    assert "1 decisions are not logged" in caplog.text


@pytest.mark.parametrize("suffix", [".skops", ".joblib"])
def test_a_file_that_is_replaced_is_loaded(suffix, tmp_path, caplog):
    import joblib

    path = tmp_path / f"router{suffix}"

    def write(router):
        part = tmp_path / f"part{suffix}"
        (joblib.dump if suffix == ".joblib" else skrouter.save)(router, part)
        os.replace(part, path)

    def wait_for(text):
        deadline = time.monotonic() + 20
        while text not in caplog.text:
            assert time.monotonic() < deadline, caplog.text
            run(plugin, context())
            time.sleep(0.01)

    write(always(SMALL))
    plugin = RouterPlugin(path, check_every=0.01)
    assert llm_of(run(plugin, context())[0]) == SMALL
    path.write_bytes(b"broken")
    wait_for("the router before stays")
    assert llm_of(run(plugin, context())[0]) == SMALL
    write(always(LARGE))
    wait_for(f"A new router serves, from {path}.")
    assert llm_of(run(plugin, context())[0]) == LARGE


def test_what_cannot_serve_is_said_at_once(tmp_path, monkeypatch):
    numbers = KNNRouter(1).fit([[0.0], [1.0]], [[1, 0], [0, 1]])
    with pytest.raises(ValueError, match="router cannot answer a text"):
        RouterPlugin(numbers)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="current folder") as missing:
        RouterPlugin("none.skops")
    assert missing.value.filename == str(tmp_path / "none.skops")
    assert str(tmp_path / "none.skops") in str(missing.value)
    with pytest.raises(ValueError, match="exploration must be a share"):
        RouterPlugin(numbers, exploration=1.5)
    with pytest.raises(ValueError, match="budgets: 'free' is -1"):
        RouterPlugin(numbers, budgets={"free": -1})
    for wrong in (-1, "0.1", True, float("nan"), float("inf"), [0.1]):
        with pytest.raises(ValueError, match="cost_weight is .*; wanted a finite number >= 0"):
            RouterPlugin(numbers, cost_weight=wrong)


@pytest.mark.parametrize("setup", ["", "logging.basicConfig(format='mine %(message)s')"])
def test_what_is_logged_is_seen_with_time_and_name_where_nobody_set_up_logging(setup):
    """And once where somebody did, by their handlers alone; the level that they gave is kept."""
    code = f"""
import logging
from skrouter.integrations._operator_log import show_operators
show_operators(), show_operators()
{setup}
logger = logging.getLogger("skrouter.integrations")
logger.info("new")
logger.debug("details")
logger.setLevel(logging.ERROR)
show_operators()
logger.warning("quiet")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    (line,) = done.stderr.splitlines()
    if setup:
        assert line == "mine new"
    else:
        assert re.fullmatch(r"\d{4}-\S+ \S+ INFO skrouter.integrations: new", line)


# The real proxy -----------------------------------------------------------------------------------

needs_litellm = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("litellm", "openai", "uvicorn")),
    reason="the extra litellm is not installed",
)

CONFIG = """
model_list:
{deployments}
router_settings:
  plugins: [plugin_of_test.plugin]
  num_retries: 2
  retry_after: 0
general_settings:
  master_key: os.environ/LITELLM_MASTER_KEY
"""

PLUGIN = """
import sys
sys.path.insert(0, {tests!r})
from skrouter.integrations.litellm import RouterPlugin
plugin = RouterPlugin({router!r}, log={log!r}, fallback={fallback!r}, check_every=0.05,
                      trusted=["test_litellm.Moody"])
"""


def deployment(group, model, answer):
    params = {"model": model, "api_key": "none", "mock_response": answer}
    return "  - " + json.dumps({"model_name": group, "litellm_params": params})


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Proxy:
    """LiteLLM's proxy as its own command starts it, on the loopback interface."""

    def __init__(self, folder, router, fallback=LARGE):
        self.folder, self.port = folder, free_port()
        self.router, self.log = folder / "router.skops", folder / "log.jsonl"
        skrouter.save(router, self.router)
        lines = [deployment("auto", f"openai/{name}", name) for name in DATA.llm_names]
        lines += [
            deployment("new", f"openai/{SMALL}", SMALL),
            deployment("new", "openai/never-seen", "never-seen"),
            deployment("broken", f"openai/{SMALL}", SMALL),
            *(
                deployment("broken", f"azure/{name}", "litellm.InternalServerError")
                for name in DATA.llm_names[1:]
            ),
        ]
        (folder / "config.yaml").write_text(CONFIG.format(deployments="\n".join(lines)))
        text = PLUGIN.format(
            tests=os.path.dirname(__file__),
            router=str(self.router),
            log=str(self.log),
            fallback=fallback,
        )
        (folder / "plugin_of_test.py").write_text(text)
        self.key = f"sk-{secrets.token_hex(16)}"
        environment = {
            **os.environ,
            "LITELLM_MASTER_KEY": self.key,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "NO_PROXY": "127.0.0.1",
            "OMP_NUM_THREADS": "1",
        }
        code = "from litellm import run_server; run_server()"
        options = f"--config config.yaml --host 127.0.0.1 --port {self.port}"
        self.output = open(folder / "proxy.log", "w")
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *options.split()],
            cwd=folder,
            env=environment,
            stdout=self.output,
            stderr=subprocess.STDOUT,
        )
        self.wait()

    def wait(self):
        for _ in range(600):
            assert self.process.poll() is None, self.said()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/liveliness", timeout=5)
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(self.said())

    def said(self):
        return (self.folder / "proxy.log").read_text()[-4000:]

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.output.close()

    def client(self):
        import openai

        return openai.OpenAI(
            base_url=f"http://127.0.0.1:{self.port}", api_key=self.key, max_retries=0, timeout=60
        )


def ask(client, query, model="auto", **options):
    answer = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": query}],
        extra_body={"metadata": {"skrouter": options}},
    )
    return answer.choices[0].message.content


@pytest.fixture(scope="module")
def proxy(router, tmp_path_factory):
    started = Proxy(tmp_path_factory.mktemp("proxy"), router)
    yield started
    started.stop()


@needs_litellm
class TestProxy:
    def test_chooses_as_predict_does(self, proxy, router):
        with proxy.client() as client:
            answers = [ask(client, query) for query in TEST.queries[:20]]
            cheap = [ask(client, query, cost_weight=3.0) for query in TEST.queries[:5]]
            large = [ask(client, query, allowed=[LARGE]) for query in TEST.queries[:5]]
        assert answers == router.predict(TEST.queries[:20]).tolist()
        assert cheap == router.predict(TEST.queries[:5], cost_weight=3.0).tolist()
        assert large == [LARGE] * 5
        records = [json.loads(line) for line in proxy.log.read_text().splitlines()]
        assert [record["llm"] for record in records][:20] == answers

    def test_streams(self, proxy, router):
        with proxy.client() as client:
            stream = client.chat.completions.create(
                model="auto",
                messages=[{"role": "user", "content": TEST.queries[0]}],
                stream=True,
            )
            text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        assert text == router.predict(TEST.queries[:1])[0]

    def test_async_client_and_a_chat(self, proxy, router):
        import openai

        chat = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": TEST.queries[1]}]},
        ]

        async def call():
            base = f"http://127.0.0.1:{proxy.port}"
            async with openai.AsyncOpenAI(base_url=base, api_key=proxy.key) as client:
                return await client.chat.completions.create(model="auto", messages=chat)

        answer = asyncio.run(call()).choices[0].message.content
        assert answer == router.predict([chat])[0]

    def test_an_llm_that_the_router_does_not_know_is_not_called(self, proxy):
        with proxy.client() as client:
            assert {ask(client, query, "new") for query in TEST.queries[:8]} == {SMALL}
            answer = ask(client, TEST.queries[0], "new", allowed=["never-seen"])
        assert answer == "never-seen"

    def test_an_llm_that_fails_is_followed_by_the_next_best(self, proxy, router):
        chosen = router.predict(TEST.queries, cost_weight=0.0).tolist()
        query, broken = next(
            pair for pair in zip(TEST.queries, chosen, strict=True) if pair[1] != SMALL
        )
        options = {"allowed": [SMALL, broken], "cost_weight": 0.0}
        with proxy.client() as client:
            assert ask(client, query, "broken", **options, id="hard") == SMALL
        records = [json.loads(line) for line in proxy.log.read_text().splitlines()]
        tries = [record for record in records if record["id"] == "hard"]
        assert [record["llm"] for record in tries] == [broken, SMALL]
        assert [record["propensity"] for record in tries] == [1.0, None]

    def test_a_request_that_allows_nothing_is_a_bad_one(self, proxy):
        import openai

        with proxy.client() as client, pytest.raises(openai.BadRequestError, match="nobody"):
            ask(client, TEST.queries[0], allowed=["nobody"])

    def test_a_router_replaced_while_many_call(self, proxy, router):
        """No request fails, and all are answered by the old router or the new one."""
        wanted, answers, stop = router.predict(TEST.queries).tolist(), [], threading.Event()

        def call(position):
            with proxy.client() as client:
                for i in range(position, 10_000, 8):
                    if stop.is_set():
                        return
                    query = i % len(TEST.queries)
                    answers.append((query, ask(client, TEST.queries[query])))

        with ThreadPoolExecutor(8) as pool:
            futures = [pool.submit(call, position) for position in range(8)]
            deadline = time.monotonic() + 120
            try:
                while len(answers) < 32:
                    assert time.monotonic() < deadline, proxy.said()
                    time.sleep(0.1)
                skrouter.save(always(LARGE), proxy.router)
                while len(answers) < 96 or not all(llm == LARGE for _, llm in answers[-32:]):
                    assert time.monotonic() < deadline, proxy.said()
                    time.sleep(0.1)
            finally:
                stop.set()
            for future in futures:
                future.result()
        assert all(llm in (LARGE, wanted[query]) for query, llm in answers)
        assert any(llm != LARGE for _, llm in answers)
        said = f" INFO skrouter.integrations: A new router serves, from {proxy.router}."
        assert said in (proxy.folder / "proxy.log").read_text()
        skrouter.save(router, proxy.router)


@needs_litellm
def test_a_failing_encoder_in_the_proxy(moody, tmp_path):
    proxy = Proxy(tmp_path, moody)
    try:
        with proxy.client() as client:
            assert ask(client, "please fail") == LARGE
            assert ask(client, TEST.queries[0]) == moody.predict(TEST.queries[:1])[0]
    finally:
        proxy.stop()
    assert "no memory left" in (tmp_path / "proxy.log").read_text()


# The documentation --------------------------------------------------------------------------------

GUIDE = Path(__file__).parents[1] / "docs" / "user_guide"


def block_of(page, language, caption=None, index=0):
    """The text of a code block."""
    option = "" if caption is None else f"   :caption: {re.escape(caption)}\n"
    pattern = rf"^\.\. code-block:: {language}\n{option}\n((?:   .*\n|\n)+)"
    found = re.findall(pattern, (GUIDE / page).read_text(encoding="utf-8"), re.MULTILINE)
    return textwrap.dedent(found[index])


class GuideProxy(Proxy):
    """The proxy of the page from a CSV, started as it says; with the bill of that on serving."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        exec(block_of("csv_to_proxy.rst", "python"), {})
        columns = {"query": "prompt", "llm": "model", "performance": "rating"}
        tokens = {"prompt_tokens": "tokens_in", "completion_tokens": "tokens_out"}
        log = load_log(
            "log.csv", **columns, performance_range=(1, 5), **tokens, prices="prices.json"
        )
        self.router = KNNRouter(20, encoder=text_encoder())
        self.router.fit(log.queries, log.performance, cost=log.cost)
        skrouter.save(self.router, "router.skops")
        plugin = block_of("csv_to_proxy.rst", "python", "routing.py")
        more = 'fallback="gpt-4o", exploration=0.5, log="decisions.jsonl"'
        assert 'fallback="gpt-4o"' in plugin and "cost_weight=0.06" in plugin
        bill = block_of("serving.rst", "python", "routing.py")
        Path("routing.py").write_text(plugin.replace('fallback="gpt-4o"', more) + bill)
        config = block_of("csv_to_proxy.rst", "yaml", "config.yaml")
        flaky = [
            deployment("flaky", "azure/gpt-4o-mini", "litellm.InternalServerError"),
            deployment("flaky", "openai/gpt-4o", "I am the large one."),
        ]
        config = config.replace("router_settings:", "\n".join([*flaky, "router_settings:"]))
        callbacks = "litellm_settings: {callbacks: [routing.bill]}"
        assert callbacks in (GUIDE / "serving.rst").read_text()
        Path("config.yaml").write_text(config + callbacks + "\n")
        start = block_of("csv_to_proxy.rst", "bash", index=2)
        assert start.count("4000") == 1 and start.count("\nlitellm ") == 1
        start = start.replace("4000", str(self.port)).replace("\nlitellm ", "\nexec litellm ")
        programs = os.path.dirname(sys.executable)
        self.environment = {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "NO_PROXY": "127.0.0.1",
            "OMP_NUM_THREADS": "1",
        }
        self.output = open("proxy.log", "w")
        self.process = subprocess.Popen(
            ["bash", "-ec", start],
            env=self.environment,
            stdout=self.output,
            stderr=subprocess.STDOUT,
        )
        self.wait()
        (self.key,) = re.findall("sk-[0-9a-f]{64}", Path("key.sh").read_text())


@needs_litellm
def test_the_guide_from_a_csv_to_a_log_that_is_learnt_from(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proxy = GuideProxy(tmp_path)
    try:
        client = block_of("csv_to_proxy.rst", "python", "client.py")
        Path("client.py").write_text(client.replace("4000", str(proxy.port)))
        asked = subprocess.run(
            ["bash", "-ec", ". ./key.sh; exec python client.py"],
            env=proxy.environment,
            capture_output=True,
            text=True,
        )
        model, answer = asked.stdout.splitlines()
        answers = {
            "openai/gpt-4o-mini": "I am the small one.",
            "openai/gpt-4o": "I am the large one.",
        }
        assert answers[model] == answer
        queries = [TEST.queries[i % 60] for i in range(240)]
        with proxy.client() as client:
            for i, query in enumerate(queries):
                ask(client, query, id=f"{i:03}")
            # Until exploration does not go past the LLM that fails.
            for i in range(20):
                answer = ask(client, queries[0], "flaky", id=f"hard{i}", cost_weight=10.0)
                assert answer == "I am the large one."
                if '"tried": ["gpt-4o-mini"]' in Path("decisions.jsonl").read_text():
                    break
        ids = [f"{j:03}" for j in range(240)] + [f"hard{j}" for j in range(i + 1)]
        deadline = time.monotonic() + 30  # callbacks come after the answer
        while len(Path("bill.jsonl").read_text().splitlines()) < len(ids) + 1:
            assert time.monotonic() < deadline, proxy.said()
            time.sleep(0.1)
    finally:
        proxy.stop()

    pd.DataFrame({"id": ids, "rating": 0.5}).to_csv("ratings.csv", index=False)
    skrouter.save(proxy.router, "candidate.skops")
    learnt = {}
    exec(block_of("serving.rst", "python", "learn.py"), learnt)
    records, log = learnt["records"], learnt["log"]
    assert sorted(records["id"]) == sorted(ids)
    small, large = (1.5e-6 + 1.2e-5), (2.5e-5 + 2e-4)  # ten tokens and twenty: LiteLLM's mocks
    wanted = records["llm"].map({"gpt-4o-mini": small, "gpt-4o": large})
    np.testing.assert_allclose(records["dollars"], wanted)
    assert set(records["llm"]) == set(log.llm_names) == {"gpt-4o-mini", "gpt-4o"}
    last = records.set_index("id").loc[ids[-1]]
    assert last["tried"] == ["gpt-4o-mini"] and last["llm"] == "gpt-4o"
    assert np.isnan(last["propensity"]) and len(log.queries) == len(ids) - 1
    assert learnt["value"].performance == pytest.approx(0.5)
    assert 1000 * small <= learnt["value"].cost <= 1000 * large


def test_the_recipe_for_fastapi(router, tmp_path, monkeypatch):
    """The block of the user guide, called as its clients call it."""
    pytest.importorskip("fastapi")
    pytest.importorskip("httpx")
    from fastapi.testclient import TestClient

    page = Path(__file__).parents[1] / "docs" / "user_guide" / "serving.rst"
    (block,) = re.findall(
        r"code-block:: python\n\n((?:    ?.*\n|\n)*?   app = (?:.*\n)*?)\nBefore", page.read_text()
    )
    monkeypatch.chdir(tmp_path)
    skrouter.save(router, "router.skops")
    namespace = {}
    exec(textwrap.dedent(block), namespace)
    with TestClient(namespace["app"]) as client:
        for query in TEST.queries[:3]:
            answer = client.post("/route", json={"query": query, "cost_weight": 0.3})
            assert answer.json() == {"llm": router.predict([query], cost_weight=0.3)[0]}
        assert client.get("/health").json()["llms"] == DATA.llm_names
