"""HybridLLM: a small LLM where it is good enough, else a large one."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Literal

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skrouter._routers.base import BaseRouter
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.state import as_of_now
from skrouter._utils.stats import observed_mean
from skrouter._utils.types import Floats, LLMName, NamesLike, QueriesLike, Seed

_NEVER = np.nextafter(1.0, 2.0)  # no probability reaches it


@with_shared_parts
class HybridLLMRouter(BaseRouter):
    r"""Choose between two LLMs: the small one where it is likely to be good enough.

    HybridLLM [1]_ predicts the probability that the small LLM's answer is good enough, and calls
    it where that is at least a threshold, else the large LLM. With performances :math:`q_S` and
    :math:`q_L`, "good enough" is

    - "det": :math:`y = 1[q_S \ge q_L]`;
    - "prob": :math:`y = P(q_S \ge q_L)`, with performance read as the probability of a right
      answer and the two answers as independent: :math:`y = 1 - (1 - q_S) \, q_L`;
    - "trans": :math:`y = 1[q_S \ge q_L - t^*]`, where :math:`t^* \ge 0` maximises the mean
      difference of two labels, :math:`\frac{1}{n^2} \sum_{i, i'} |y_i - y_{i'}|`, so that labels
      distinguish queries also where the small LLM is seldom as good.

    Parameters
    ----------
    small, large : str, int or None, default=None
        Names of the two LLMs. None takes for `large` the LLM of best mean performance, and for
        `small` that of best mean utility among those that cost less on average; without costs,
        that of the second best performance. If none costs less, `large` is always called.
    labels : {"det", "prob", "trans"}, default="det"
        What the classifier learns. On outcomes of 0 and 1 all three are the same; "prob" and
        "trans" are for graded outcomes, such as means over sampled answers.
    threshold : float or None, default=None
        Least probability at which the small LLM is called, in [0, 1]: the trade-off of the paper.
        None takes the one of best mean utility on the training queries, by out-of-fold
        probabilities.
    C : float, default=1.0
        Inverse strength of the L2 penalty of the logistic regression. scikit-learn's default,
        which suits embeddings of unit length.
    n_folds : int, default=5
        Number of folds for the choice of the threshold; at most the number of queries.
    %(encoder)s
    cost_weight : float, default=0.02
        The trade-off: performance given up for one US dollar per 1,000 queries. It determines the
        small LLM and the threshold where these are not given. The default is the RadialRouter
        paper's "balance" scenario.
    %(llm_names)s
    %(seed_of_folds)s

    Attributes
    ----------
    %(classes_)s
    small_, large_ : str or int
        Names of the two LLMs.
    threshold_ : float
        The threshold; just above 1, so that the small LLM is never called, if that is best.
    shift_ : float
        The shift :math:`t^*` of "trans", else 0.
    classifier_ : LogisticRegression or None
        None if all labels are the same.
    %(n_features_in_)s
    %(encoder_)s
    %(uses_cost_)s

    Notes
    -----
    Differences from the paper: the paper fine-tunes DeBERTa on the text, this is a logistic
    regression on sentence embeddings. The paper samples ten answers of each LLM; "prob" is the
    share of them that are good enough, and "trans" shifts that share. Here each query has one
    outcome per LLM, and "trans" shifts the comparison of the two. The paper leaves the threshold
    to the user, or sets it by a limit on the loss of quality.

    Queries on which one of the two LLMs was not observed (NaN) are left out. `sample_weight`
    weighs the classifier, the shift and the threshold.

    References
    ----------
    .. [1] D. Ding et al., "Hybrid LLM: Cost-Efficient and Quality-Aware Query Routing", ICLR
       2024, arXiv:2404.14618.

    Examples
    --------
    >>> from skrouter.baselines import HybridLLMRouter
    >>> X = [[-1.0], [-0.9], [0.9], [1.0]] * 5
    >>> performance = [[1, 1], [1, 1], [0, 1], [0, 1]] * 5
    >>> router = HybridLLMRouter(llm_names=["small", "large"], random_state=0)
    >>> router.fit(X, performance, cost=[0.1, 5.0]).predict([[-1.0], [1.0]])
    array(['small', 'large'], dtype='<U5')
    >>> router.predict_small([[-1.0], [1.0]]).round(1)
    array([0.9, 0.1])
    """

    _parameter_constraints = {
        **BaseRouter._parameter_constraints,
        "small": [str, Integral, None],
        "large": [str, Integral, None],
        "labels": [StrOptions({"det", "prob", "trans"})],
        "threshold": [Interval(Real, 0, 1, closed="both"), None],
        "C": [Interval(Real, 0, None, closed="neither")],
        "n_folds": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        small: LLMName | None = None,
        large: LLMName | None = None,
        *,
        labels: Literal["det", "prob", "trans"] = "det",
        threshold: float | None = None,
        C: float = 1.0,
        n_folds: int = 5,
        encoder: str | BaseEstimator = "all-MiniLM-L6-v2",
        cost_weight: float = 0.02,
        llm_names: NamesLike | None = None,
        random_state: Seed = None,
    ) -> None:
        self.small = small
        self.large = large
        self.labels = labels
        self.threshold = threshold
        self.C = C
        self.n_folds = n_folds
        self.encoder = encoder
        self.cost_weight = cost_weight
        self.llm_names = llm_names
        self.random_state = random_state

    def predict_small(self, X: QueriesLike) -> Floats:
        """Probability that the small LLM is good enough.

        Parameters
        ----------
        %(X)s

        Returns
        -------
        probability : ndarray of shape (n_queries,)
            The small LLM is called where it is at least `threshold_`.
        """
        check_is_fitted(self)
        now = as_of_now(self)
        return now._predict_small(now._read_queries(X))

    def _check_parameters(self, X, text):
        names = self.classes_.tolist()
        for parameter in ("small", "large"):
            name = getattr(self, parameter)
            if name is not None and name not in names:
                raise ValueError(f"{parameter}={name!r} is not in the pool {names}.")
        if self.small is not None and self.small == self.large:
            raise ValueError(f"small and large are both {self.small!r}; name two LLMs.")

    def _check_outcomes(self, target, utility, sample_weight):
        small, large = self._choose_two(target, utility, sample_weight)
        names = self.classes_.tolist()
        performance, known = _of_both(target, sample_weight, small, large)
        if not known.any():
            raise ValueError(
                f"y has no query on which both {names[small]!r} and {names[large]!r} were "
                "observed; name two LLMs that were, as small and large."
            )
        outside = known[:, None] & ((performance < 0) | (performance > 1))
        if self.labels == "prob" and outside.any():
            raise ValueError(
                "labels='prob' reads performance as a probability in [0, 1], but y holds "
                f"{performance[outside][0]}; scale it, or use 'det' or 'trans'."
            )

    def _fit(self, data):
        small, large = self._choose_two(data.target, data.utility, data.sample_weight)
        self.small_, self.large_ = self.classes_[[small, large]].tolist()
        utility = data.utility[:, [small, large]]
        performance, known = _of_both(data.target, data.sample_weight, small, large)
        X, utility, weight = data.embeddings[known], utility[known], data.sample_weight[known]
        labels = self._make_labels(performance[known], weight)
        self._small, self._large = small, large
        self.classifier_, self._constant = self._fit_classifier(X, labels, weight)
        self.threshold_ = self.threshold
        if self.threshold is None:
            self.threshold_ = self._best_threshold(X, labels, utility, weight)

    def _choose_two(self, target, utility, weight):
        """Columns of the small and of the large LLM."""
        names = self.classes_.tolist()
        performance = observed_mean(target.performance, weight)
        utility = observed_mean(utility, weight)
        if self.large is not None:
            large = names.index(self.large)
        else:
            others = np.array([name != self.small or len(names) == 1 for name in names])
            large = int(np.where(others, performance, -np.inf).argmax())
        if self.small is not None:
            return names.index(self.small), large
        if target.cost is None:
            cheaper = np.arange(len(names)) != large
        else:
            cost = observed_mean(target.cost, weight)
            # The mean of a cost that was never observed is minus infinity.
            cheaper = np.isfinite(cost) & (cost < cost[large])
        if not cheaper.any():
            return large, large
        return int(np.where(cheaper, utility, -np.inf).argmax()), large

    def _make_labels(self, performance, weight):
        small, large = performance.T
        self.shift_ = 0.0
        if self.labels == "prob":
            return 1 - (1 - small) * large
        if self.labels == "trans":
            self.shift_ = best_shift(large - small, weight)
        return (large - small <= self.shift_).astype(float)

    def _fit_classifier(self, X, labels, weight):
        """The classifier, or None if all labels are the same, and the mean label."""
        constant = float(np.average(labels, weights=weight))
        if constant in (0.0, 1.0):
            return None, constant
        # A label between 0 and 1 is an example of both classes, with shares of the weight.
        n = len(labels)
        shares = np.concatenate([weight * labels, weight * (1 - labels)])
        used = shares > 0
        classifier = LogisticRegression(C=self.C, max_iter=1000, tol=1e-8)
        y = np.repeat([1, 0], n)[used]
        return classifier.fit(np.vstack([X, X])[used], y, sample_weight=shares[used]), constant

    def _best_threshold(self, X, labels, utility, weight):
        """The threshold of best mean utility, by out-of-fold probabilities."""
        n_folds = min(self.n_folds, len(X))
        if n_folds < 2:
            return 0.5
        probability = np.empty(len(X))
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        for train, test in KFold(n_folds, shuffle=True, random_state=seed).split(X):
            fitted = self._fit_classifier(X[train], labels[train], weight[train])
            probability[test] = _probability(*fitted, X[test])
        gain = weight * np.nan_to_num(utility[:, 0] - utility[:, 1])
        order = np.argsort(-probability, kind="stable")
        total, p = np.concatenate([[0.0], gain[order].cumsum()]), probability[order]
        # The small LLM for the first k queries, where k separates two different probabilities.
        between = np.concatenate([[True], p[:-1] > p[1:], [True]])
        k = int(np.where(between, total, -np.inf).argmax())
        if k == 0:
            return float(_NEVER)
        return 0.0 if k == len(p) else float((p[k - 1] + p[k]) / 2)

    def _predict_small(self, embeddings):
        return _probability(self.classifier_, self._constant, embeddings)

    def _utilities(self, embeddings, cost_weight):
        probability = self._predict_small(embeddings)
        values = np.full((len(embeddings), len(self.classes_)), -np.inf)
        values[:, self._large] = 0.0
        if self._small != self._large:
            # At the threshold the small one is called, whichever column comes first.
            least = np.where(probability >= self.threshold_, np.finfo(float).tiny, -np.inf)
            values[:, self._small] = np.maximum(probability - self.threshold_, least)
        return values

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True  # it calls two LLMs of a pool
        return tags


def best_shift(gap, weight):
    """The shift t >= 0 that makes the labels ``gap <= t`` differ most.

    Parameters
    ----------
    gap : ndarray of shape (n_queries,)
        Performance of the large LLM less that of the small one.
    weight : ndarray of shape (n_queries,)

    Returns
    -------
    shift : float
        The smallest of equally good ones.
    """
    shifts = np.unique(np.maximum(gap, 0.0))
    share = np.array([np.average(gap <= shift, weights=weight) for shift in shifts])
    # Two labels drawn at random differ with probability 2 p (1 - p).
    return float(shifts[(share * (1 - share)).round(12).argmax()]) if len(shifts) else 0.0


def _of_both(target, weight, small, large):
    """Performance of the two LLMs; where both were observed and the weight is positive."""
    performance = target.performance[:, [small, large]]
    return performance, ~np.isnan(performance).any(axis=1) & (weight > 0)


def _probability(classifier, constant, X):
    if classifier is None:
        return np.full(len(X), constant)
    return classifier.predict_proba(X)[:, 1]
