"""HybridLLM: a small LLM where it is good enough, else a large one."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skrouter._routers.base import BaseRouter
from skrouter._utils.stats import observed_mean
from skrouter._utils.types import Floats, LLMName, NamesLike, QueriesLike, Seed

_NEVER = np.nextafter(1.0, 2.0)  # no probability reaches it


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
      tell queries apart also where the small LLM is seldom as good.

    Parameters
    ----------
    small, large : str, int or None, default=None
        Names of the two LLMs. None takes for `large` the LLM of best mean performance, and for
        `small` that of best mean utility among those that cost less on average; without costs,
        that of the next best performance. If none costs less, the large one is always called.
    labels : {"det", "prob", "trans"}, default="det"
        What the classifier learns. On outcomes of 0 and 1 all three are the same; "prob" and
        "trans" are for graded outcomes, such as means over sampled answers.
    threshold : float or None, default=None
        Least probability at which the small LLM is called, in [0, 1]: the trade-off of the paper.
        None takes the one at which the mean utility on the training queries is best, with each
        query's probability from a classifier that has not seen it.
    C : float, default=1.0
        Inverse strength of the L2 penalty of the logistic regression. scikit-learn's default,
        which suits embeddings of unit length.
    n_folds : int, default=5
        Number of folds for the choice of the threshold; at most the number of queries.
    encoder : str or transformer, default="all-MiniLM-L6-v2"
        Turns text into embeddings: the name or path of a sentence-transformers model, a
        :class:`~skrouter.SentenceEncoder`, or any scikit-learn transformer of text. Not used on
        ready embeddings.
    cost_weight : float, default=0.02
        Performance given up for one US dollar per 1,000 queries. It decides on the small LLM and
        on the threshold, where these are not given. The default is the RadialRouter paper's
        "balance" scenario.
    llm_names : sequence of str, default=None
        Names of the LLMs, for a `y` that carries none.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds.

    Attributes
    ----------
    classes_ : ndarray of shape (n_llms,)
        Names of all LLMs in the pool.
    small_, large_ : str or int
        The two that are called.
    threshold_ : float
        The threshold; just above 1 if the small LLM is better never called.
    shift_ : float
        The shift :math:`t^*` of "trans", else 0.
    classifier_ : LogisticRegression or None
        None if all labels are the same.
    n_features_in_ : int
        Length of an embedding.
    encoder_ : transformer
        The fitted encoder, if fitted on text.

    Notes
    -----
    Differences from the paper: it fine-tunes DeBERTa on the text, this is a logistic regression
    on sentence embeddings. It samples ten answers of each LLM, of which "prob" takes the share
    that are good enough and "trans" shifts that share; here each query has one outcome per LLM,
    and "trans" shifts its comparison. The paper leaves the threshold to the user, or sets it by
    a limit on the loss of quality.

    Queries on which either of the two LLMs was not observed (NaN) are left out. `sample_weight`
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
        labels: str = "det",
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
        X : sequence of str, or array-like of shape (n_queries, n_features)
            Queries as text or ready embeddings, whichever they were at `fit`.

        Returns
        -------
        probability : ndarray of shape (n_queries,)
            The small LLM is called where it is at least `threshold_`.
        """
        check_is_fitted(self)
        return self._predict_small(self._read_queries(X))

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
            # Minus infinity stands for a cost that was never observed.
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
        """The classifier, or None, and the mean label, which stands in for it."""
        constant = float(np.average(labels, weights=weight))
        if constant in (0.0, 1.0):
            return None, constant
        # A soft label is a share of both classes.
        n = len(labels)
        shares = np.concatenate([weight * labels, weight * (1 - labels)])
        used = shares > 0
        classifier = LogisticRegression(C=self.C, max_iter=1000, tol=1e-8)
        y = np.repeat([1, 0], n)[used]
        return classifier.fit(np.vstack([X, X])[used], y, sample_weight=shares[used]), constant

    def _best_threshold(self, X, labels, utility, weight):
        """The threshold of best mean utility, by probabilities of queries that were held out."""
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
        # The small LLM for the first k queries, for k between two different probabilities.
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
            # At the threshold the small one is called, wherever its column stands.
            least = np.where(probability >= self.threshold_, np.finfo(float).tiny, -np.inf)
            values[:, self._small] = np.maximum(probability - self.threshold_, least)
        return values

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True  # of any pool, it calls two LLMs
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
        The smallest of those that are equally good.
    """
    shifts = np.unique(np.maximum(gap, 0.0))
    share = np.array([np.average(gap <= shift, weights=weight) for shift in shifts])
    # Two labels drawn at random differ with probability 2 p (1 - p).
    return float(shifts[(share * (1 - share)).round(12).argmax()]) if len(shifts) else 0.0


def _of_both(target, weight, small, large):
    """Performance of the two LLMs, and on which queries both were observed and count."""
    performance = target.performance[:, [small, large]]
    return performance, ~np.isnan(performance).any(axis=1) & (weight > 0)


def _probability(classifier, constant, X):
    if classifier is None:
        return np.full(len(X), constant)
    return classifier.predict_proba(X)[:, 1]
