"""What skrouter answers to input that is wrong: docs/user_guide/bad_inputs.md.

``python tools/bad_inputs.py`` runs every bad input against the library and prints the page; with
``--write`` it writes the file. tests/test_bad_inputs.py holds the page against what this prints.
"""

import argparse
import contextlib
import re
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import skrouter
from skrouter import baselines, datasets, metrics

PAGE = Path(__file__).parents[1] / "docs" / "user_guide" / "bad_inputs.md"

SETUP = """\
rng = np.random.default_rng(0)
X = pd.DataFrame(rng.normal(size=(40, 3)), columns=["u", "v", "w"])
performance = pd.DataFrame({"small": (X["u"] > 0) * 1.0, "large": np.ones(40)})
cost = pd.DataFrame({"small": np.full(40, 0.1), "large": rng.gamma(3.0, size=40)})
texts = [f"What is {number} + {number}?" for number in range(40)]
log = pd.DataFrame({"prompt": ["a", "a", "b"], "model": ["small", "large", "small"]})
log["rating"], log["tokens"] = [1, 5, 3], [10, 20, 30]
columns = {"query": "prompt", "llm": "model", "performance": "rating"}

router = LinearRouter().fit(X, performance, cost=cost)
encoder = make_pipeline(TfidfVectorizer(), TruncatedSVD(2, random_state=0))
text_router = LinearRouter(encoder=encoder).fit(texts, performance)
radial = RadialRouterClassifier(cv=None, max_iter=1).fit(X, performance, cost=cost)
fixed = RadialRouterClassifier(trade_off="fixed", cv=None, max_iter=1)
fixed.fit(X, performance, cost=cost)
"""

HEAD = """\
# When input is wrong

Wrong input is refused with an error, or taken with a warning where it can be right. The tables are
printed by `python tools/bad_inputs.py`, which runs the calls with [these data](#data-of-the-calls).
The routers there are small; others answer alike. Where scikit-learn checks, as it does numbers and
parameters of constructors, the words are its own. A search, for one, refuses NaN in a performance
of two dimensions before a router sees it; there pass
{func}`~skrouter.make_routing_target`, with a cost of 0 for each LLM if nothing is charged.
"""

FOOT = f"""\
## Data of the calls

```python
import numpy as np
import pandas as pd
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skrouter import RadialRouterClassifier
from skrouter.baselines import LinearRouter

{SETUP}```
"""

# Parts of the page; in each, what is wrong and, indented, the call.
CASES = """\
# Queries
fewer queries than outcomes
    LinearRouter().fit(X[:30], performance)
no queries
    LinearRouter().fit(X[:0], performance[:0])
no queries, text
    text_router.predict([])
one text instead of a list
    text_router.predict("What is 2 + 2?")
None among the texts
    text_router.predict(["What is 2 + 2?", None])
a number among the texts
    text_router.predict(["What is 2 + 2?", 7])
a chat without content
    text_router.predict([[{"role": "user"}]])
a frame with a column of text
    text_router.predict(pd.DataFrame({"query": texts, "n": 1}))
NaN in embeddings
    LinearRouter().fit(X.where(X < 2), performance)
infinity in embeddings
    LinearRouter().fit(X.replace(X["u"][0], np.inf), performance)
masked embeddings
    LinearRouter().fit(np.ma.masked_greater(X, 2), performance)
text for a router of embeddings
    router.predict(texts)
embeddings for a router of text
    text_router.predict(X)
another number of features
    router.predict(X.to_numpy()[:, :2])
columns of other names
    router.predict(X.rename(columns={"u": "x"}))
an encoder that gives sparse rows
    LinearRouter(encoder=TfidfVectorizer()).fit(texts, performance)
not fitted yet
    LinearRouter().predict(X)
# Performance
text where numbers belong
    LinearRouter().fit(X, performance.assign(small="good"))
infinity
    LinearRouter().fit(X, performance.replace(0.0, np.inf))
no outcome for a query
    LinearRouter().fit(X, performance.drop(3).reindex(X.index))
no outcome for an LLM
    LinearRouter().fit(X, performance.assign(small=np.nan))
an LLM on two of 40 queries
    LinearRouter().fit(X, performance.assign(new=[1.0] * 2 + [np.nan] * 38))
grades up to 100, with costs
    LinearRouter().fit(X, 100 * performance, cost=cost)
ratings as labels
    LinearRouter().fit(X, pd.Series([1.0, 2.0, 3.0, 4.0] * 10))
rows in another order
    LinearRouter().fit(X, performance[::-1])
names that differ from the columns
    LinearRouter(llm_names=["a", "b"]).fit(X, performance)
too few names
    LinearRouter(llm_names=["a"]).fit(X, performance.to_numpy())
a name twice
    LinearRouter(llm_names=["a", "a"]).fit(X, performance.to_numpy())
a label that is no LLM of the pool
    LinearRouter(llm_names=["a", "b"]).fit(X, ["a", "c"] * 20)
NaN in a search over two columns
    GridSearchCV(LinearRouter(), {"alpha": [1.0, 2.0]}).fit(X, performance.where(X["u"] > 0,
        [0.0, np.nan]))
names given to a meta-estimator that numbers labels
    VotingClassifier([("a", LinearRouter(llm_names=["x", "y"]))]).fit(X, ["x", "y"] * 20)
negative weights
    LinearRouter().fit(X, performance, sample_weight=[-1.0] * 40)
too few weights
    LinearRouter().fit(X, performance, sample_weight=[1.0] * 3)
# Cost and trade-off
text where numbers belong
    LinearRouter().fit(X, performance, cost=cost.assign(small="cheap"))
fewer rows than performance
    LinearRouter().fit(X, performance, cost=cost[:10])
an LLM is missing
    LinearRouter().fit(X, performance, cost=cost[["small"]])
price of an LLM missing
    LinearRouter().fit(X, performance, cost={"small": 0.1})
price of an unknown LLM
    LinearRouter().fit(X, performance, cost={"small": 0.1, "large": 2.0, "huge": 9.0})
too few prices
    LinearRouter().fit(X, performance, cost=[0.1])
NaN as a price
    LinearRouter().fit(X, performance, cost={"small": 0.1, "large": np.nan})
no cost for a query
    LinearRouter().fit(X, performance, cost=cost.drop(3).reindex(X.index))
negative
    LinearRouter().fit(X, performance, cost=-cost)
infinite
    LinearRouter().fit(X, performance, cost=cost.replace(0.1, np.inf))
rows in another order
    LinearRouter().fit(X, performance, cost=cost[::-1])
dollars per query, not per 1,000
    LinearRouter().fit(X, performance, cost=cost / 1000)
so large that performance cannot count
    LinearRouter().fit(X, performance, cost={"small": 100.0, "large": 9000.0})
negative trade-off
    LinearRouter(cost_weight=-0.1).fit(X, performance, cost=cost)
trade-off in words
    LinearRouter(cost_weight="cheap").fit(X, performance, cost=cost)
NaN as trade-off
    router.predict(X, cost_weight=np.nan)
negative trade-off of a call
    router.predict(X, cost_weight=-0.1)
trade-offs for other queries
    router.predict(X, cost_weight=[0.1, 0.2])
a trade-off where no cost was seen
    text_router.predict(texts, cost_weight=0.1)
a trade-off that the router was not trained for
    fixed.predict(X, cost_weight=0.1)
score without costs
    router.score(X, performance)
# LLMs
unknown LLM allowed
    router.predict(X, allowed=["huge"])
no LLM allowed
    router.predict(X, allowed=[])
one name instead of a list
    router.predict(X, allowed="small")
lists for other queries
    router.predict(X, allowed=[["small"], ["large"]])
unknown LLM in a score
    router.score(X, performance.rename(columns={"small": "tiny"}), cost=cost)
new price of an unknown LLM
    radial.update_cost({"huge": 1.0})
negative new price
    radial.update_cost({"small": -1.0})
an LLM removed that is not there
    radial.remove_llm("huge")
an LLM added twice
    radial.add_llm("small", performance["small"], cost["small"], X)
fewer scores than queries of a new LLM
    radial.add_llm("new", [1.0, 0.0], [0.1, 0.1], X)
# Budgets and metrics
budget below the cheapest LLM
    GuaranteedRouter(radial, max_cost=0.01, max_query_cost=20.0).fit(X, performance,
        cost=cost)
neither budget nor target
    GuaranteedRouter(radial).fit(X, performance, cost=cost)
largest cost of a query not given
    GuaranteedRouter(radial, max_cost=50.0, random_state=0).fit(X, performance, cost=cost)
impossible confidence
    GuaranteedRouter(radial, max_cost=5.0, confidence=95).fit(X, performance, cost=cost)
spending less than the least
    spend_budget(router, X, 0.0)
negative budget
    trade_off_for_budget(router, X, budget=-5.0, period_queries=1000)
no queries in the period
    trade_off_for_budget(router, X, budget=5.0, period_queries=0)
unknown LLM among the choices
    routing_score(performance, ["huge"] * 40)
choices for other queries
    routing_score(performance, ["small"] * 3)
propensities in per cent
    off_policy_value(["small"] * 40, ["small"] * 40, performance=performance["small"],
        propensity=50.0, method="ips")
unpaired utilities
    paired_bootstrap([1.0, 0.0], [1.0, 0.0, 1.0])
# Logs and files
a column that is not there
    load_log(log, query="question", llm="model", performance="rating")
ratings without their range
    load_log(log, **columns)
ratings beyond their range
    load_log(log, **columns, performance_range=(1, 4))
tokens without prices
    load_log(log, **columns, performance_range=(1, 5), prompt_tokens="tokens",
        completion_tokens="tokens")
a file that is not there
    load_log("missing.csv", **columns)
a kind of file that is not read
    load_log("log.docx", **columns)
logged LLMs for other queries
    make_logged_target(["small"] * 3, [1.0, 0.0])
costs for other queries
    make_routing_target(performance, cost[:10])
an unfitted router saved
    save(LinearRouter(), "router.skops")
a file that is no router
    Path("router.skops").write_text("x"); load("router.skops")
"""


def make_namespace():
    """What the calls may use: numpy, pandas, the public names and the data of `SETUP`."""
    namespace = {"np": np, "pd": pd, "Path": Path}
    for module in (skrouter, baselines, datasets, metrics):
        namespace |= {name: getattr(module, name) for name in module.__all__}
    for part in (TfidfVectorizer, TruncatedSVD, make_pipeline, GridSearchCV, VotingClassifier):
        namespace[part.__name__] = part
    exec(SETUP, namespace)
    return namespace


def answer(call, namespace):
    """The error or the warnings of a call; silence is a fault, as everything here is wrong."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            exec(call, dict(namespace))
        except Exception as error:
            return type(error).__name__, str(error)
    if not caught:
        raise AssertionError(f"No error and no warning: {call}")
    return caught[0].category.__name__, " ".join(str(item.message) for item in caught)


def make_page():
    """The page: a table for each part, with the answers that the calls get now."""
    namespace = make_namespace()
    lines = [HEAD]
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for part in re.split(r"^# ", CASES, flags=re.MULTILINE)[1:]:
            title, cases = part.split("\n", 1)
            lines += [f"## {title}", "", "```{table}", ":class: wrapped", ""]
            lines += ["| what is wrong | answer |", "| --- | --- |"]
            for what, call in re.findall(r"^(\S.*)\n((?: {4}.*\n)+)", cases, re.MULTILINE):
                call = " ".join(line.strip() for line in call.splitlines())
                kind, message = answer(call, namespace)
                lines.append(f"| {what}: `{call}` | **{kind}**: {escape(message)} |")
            lines += ["```", ""]
    return "\n".join([*lines, FOOT])


def escape(message):
    """A message on one line that Markdown shows as it is; long ones of scikit-learn are cut."""
    message = " ".join(message.split())
    if len(message) > 400:
        message = message[:400].rsplit(" ", 1)[0] + " …"
    return re.sub(r"([\\`*_\[\]<>|{}$~])", r"\\\1", message)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the page instead")
    page = make_page()
    if parser.parse_args().write:
        PAGE.write_text(page, encoding="utf-8")
    else:
        print(page, end="")
