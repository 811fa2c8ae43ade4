"""RadialRouterClassifier, the main estimator."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils.validation import check_is_fitted

from skrouter._routers.changing_pool import ChangingPoolMethods
from skrouter._routers.explain_methods import ExplainMethods
from skrouter._routers.explanation import choose_examples
from skrouter._routers.fitted_network import FittedNetwork
from skrouter._routers.pool import Pool
from skrouter._routers.radial_parameters import EXPERT_SETTINGS, RadialParameters
from skrouter._targets.utility import PredictedOutcomes, expected_utility
from skrouter._training.outcomes import mean_cost, performance_unit
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.state import as_of_now
from skrouter._utils.types import Floats, NamesLike, QueriesLike, Seed
from skrouter._utils.versions import versions, warn_on_other_versions


@with_shared_parts(expert_settings=EXPERT_SETTINGS)
class RadialRouterClassifier(
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    RadialParameters,
    ChangingPoolMethods,
    ExplainMethods,
):
    r"""Learn from past queries which LLM to call, with RadialRouter.

    A query of embedding :math:`e` becomes the representation
    :math:`h = \mathrm{LN}(W e + b)`. RadialFormer [1]_ puts it in the middle of a star, as the
    relay :math:`r^0 = h`, with one satellite per LLM around it, which begins as the learnt
    embedding of that LLM, :math:`s_j^0 = m_j`. In each layer :math:`t`

    .. math::

        s_j^t &= \mathrm{LN}(\mathrm{ReLU}(
            \mathrm{MHA}(s_j^{t-1}, [s_j^{t-1}; m_j; r^{t-1}]))), \\
        r^t &= \mathrm{LN}(\mathrm{ReLU}(
            \mathrm{MHA}(r^{t-1}, [r^{t-1}; s_1^t; \dots; s_n^t]))).

    One network shared by all LLMs maps each last satellite to the expected performance
    :math:`\hat P_j` and cost :math:`\hat C_j` of that LLM, as deviations from its means. With
    the logits :math:`z_j = (\hat P_j - \alpha \hat C_j) / \tau`, :math:`p = \mathrm{softmax}(z)`,
    the router calls the LLM of the largest. It is trained on

    .. math::

        L = L_\mathrm{KL}(p, q) + \lambda \, L_{qq} + \gamma \, L_\mathrm{out}, \qquad
        q_j = \mathrm{softmax}_j \big( (P_j - \alpha C_j) / \tau \big),

    where :math:`P_j` and :math:`C_j` are the performance and the cost of LLM :math:`j` on the
    query, :math:`\alpha` is a trade-off that is drawn anew for every query in every step,
    :math:`\tau` is `target_temperature`, :math:`\lambda` is `contrastive_weight`, :math:`L_{qq}`
    draws queries of one cluster together, and :math:`L_\mathrm{out}` is the squared error of
    performance and cost, :math:`\gamma` its weight among `expert_settings`. So one fit serves
    every trade-off: ``predict(X, cost_weight=...)``. With ``trade_off="fixed"`` it is the paper's
    router: one output per LLM, trained at one :math:`\alpha` without :math:`L_\mathrm{out}`.
    With `target_smoothing` outcomes are first averaged with those of similar queries.

    What the network expects is averaged with ridge regressions and tables over clusters of queries,
    by what each is worth in cross-validation, and deviations from the means are multiplied by the
    factor that makes them come true on held-out queries: 0 where outcomes do not depend on the
    query, so that the router stays at the best single LLM. This is ours, not the paper's.

    Parameters
    ----------
    encoder : str or transformer, default="all-MiniLM-L6-v2"
        Turns text into embeddings: the name or path of a sentence-transformers model, a
        :class:`SentenceEncoder`, or any scikit-learn transformer of text. The default is fast on
        a CPU and can be installed as a package. Not used on ready embeddings.
    cost_weight : float, default=0.02
        The trade-off :math:`\alpha`: performance given up for one US dollar per 1,000 queries.
        The default is the paper's "balance" scenario; the others are 0 and 0.1. What money is
        worth to you is no matter of tuning. With ``trade_off="any"`` it is what `predict` and
        `score` take where no other is given.
    trade_off : {"any", "fixed"}, default="any"
        "any" learns performance and cost apart, so that one fit serves every trade-off, a pool
        can change, and decisions can be explained. It is the default as it does as well as a fit
        for each (``benchmarks/one_fit.py``). "fixed" is the paper's training, at `cost_weight`
        alone.
    contrastive_weight : float, default=0.3
        The weight :math:`\lambda` of the contrastive loss. 0 leaves it out.
    target_temperature : float, default=0.2
        The temperature :math:`\tau` of the target distribution, as a share of the range of
        performance in training, which is 1 for outcomes of 0 and 1. Utilities of an LLM that is
        right and one that is wrong differ by about that range, so at 1 the targets hardly tell
        them apart.
    target_smoothing : float, default=0.3
        Share of a query's target that comes from its neighbours: the mean over the most similar
        training queries (`expert_settings`: n_neighbors). A single outcome, right or wrong, is
        mostly chance; what similar queries have in common is not. 0 is the paper's target.
    distillation : float, default=0.5
        Share of a query's target that is what was expected of it in cross-validation by learners
        that did not know its outcomes (see `cv`; without it there are none): together they have
        learnt less from chance than one alone (self-distillation; Furlanello et al., "Born-Again
        Neural Networks", ICML 2018). 0 is the paper's. Chosen by ``benchmarks/defaults.py``.
    backbone : {"radial", "star", "transformer", "mlp"}, default="radial"
        The network between the query and the logits. "radial" is RadialFormer. The others are
        there to compare with, as in the paper's ablation: "star" is Star-Transformer, in which
        satellites also see their neighbours on a ring; in a "transformer" all LLMs see each other
        and the query; "mlp" is a perceptron on each pair of query and LLM.
    n_layers : int, default=2
        Layers of the backbone. With two, satellites learn of each other through the relay.
    hidden_dim : int, default=64
        Width of relay, satellites and LLM embeddings.
    dropout : float, default=0.3
        Dropped share of every new state while training, to the nearest 256th, at least one if it
        is not 0. High, as outcomes are noisy, rows few.
    fit_intercept : bool, default=True
        Whether the predictions begin at the mean outcomes of each LLM, which makes the best
        router that ignores the query; training then only learns where a query differs from the
        average. False is the plain network of the paper.
    fine_tune_encoder : bool, default=False
        Whether to train the encoder along with the network, as the paper does. It needs text, a
        sentence-transformers `encoder`, and for speed a GPU. The tuned weights then belong to
        the fitted router.
    learning_rate : float, default=4e-3
        Largest learning rate of the network, in AdamW: up over the first tenth of the steps, then
        down a cosine that reaches zero after `max_iter` epochs, also where early stopping takes
        fewer.
    batch_size : int, "auto" or None, default="auto"
        Queries per step. "auto" takes from 16, with less than a thousand queries, to 256, with more
        than three thousand: few queries need more steps per epoch, and large batches take less
        time. With more than 64 LLMs it takes fewer. None takes all at once.
    max_iter : int, default=10
        Number of epochs, at most. Few: on noisy outcomes longer training only learns the noise.
    cv : int, splitter, iterable of splits or None, default=2
        Number of folds of cross-validation, drawn at random, or the folds themselves. By the mean
        utility of what is called on queries that were held out in turn, over several trade-offs
        with ``trade_off="any"``, it is found how many epochs help and what each learner is worth
        (`expert_settings`: learners). The network then trains on all queries for the most epochs
        whose gain over the best single LLM is within one standard error of the largest. If nothing
        learnt comes true on held-out queries, the router stays at the best single LLM: better none
        than one that does harm (without `fit_intercept` it cannot).
        It multiplies the time of `fit` by about `cv`; with four folds scores on the development
        sets were hardly better. At most the number of queries. Folds of your own must hold out
        every query once. None trains the network alone for `max_iter` epochs.
    %(expert_settings)s
    %(llm_names)s
    device : str, default="auto"
        "auto" takes CUDA if there is one, else MPS, else the CPU. Otherwise a device name: "cpu",
        "cuda", "cuda:1", "mps". An encoder given by name gets the same; a
        :class:`SentenceEncoder` has its own.
    random_state : int, RandomState instance or None, default=None
        Seed of clusters, weights, dropout, the order of queries and the folds. The global
        random states are not touched. On a CPU the same seed gives the same router whatever the
        number of threads, unless the encoder is trained along.
    verbose : bool, default=False
        Whether to print the loss after every epoch, and in cross-validation the gain.

    Attributes
    ----------
    %(classes_)s
    %(n_features_in_)s
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if fitted on a DataFrame of embeddings.
    %(encoder_)s
    n_iter_ : int
        Number of epochs on all queries; 0 if the network has no part in the router.
    loss_curve_ : list of float
        Mean loss of each of these epochs.
    validation_gains_ : list of float
        After each epoch of cross-validation, the gain over the best single LLM on held-out queries
        if the network alone chose. Empty without `cv`.
    validation_ : Validation or None
        What cross-validation says of the router, to be printed: the share of each learner, the
        factors, the gain over the best single LLM at several trade-offs, and when the router
        stays at one LLM, why, and what may help. None without `cv` or `fit_intercept`.
    llm_embeddings_ : ndarray of shape (n_llms, hidden_dim)
        The learnt embeddings :math:`m_j` of the LLMs of the training data.
    mean_cost_ : ndarray of shape (n_llms,) or None
        Mean cost of each LLM in US dollars per 1,000 queries, as predicted costs are scaled to
        it. None without costs or with ``trade_off="fixed"``.
    %(uses_cost_)s
    takes_text_ : bool
        Whether the router was fitted on text, and not on ready embeddings.

    See Also
    --------
    skrouter.baselines : Routers to compare with. The best LLM per task shows whether anything is
        gained per query.
    skrouter.metrics.make_routing_scorer : Scorer at a fixed trade-off, for model selection.

    Notes
    -----
    Outcomes that were not observed are NaN in `y`. They are left out of the target distribution
    and of :math:`p` alike, not taken as failures.

    Choices that differ from the paper, or that it leaves open: see the page "The method".

    References
    ----------
    .. [1] R. Jin et al., "RadialRouter: Structured Representation for Efficient and Robust Large
       Language Models Routing", Findings of EMNLP 2025, pp. 14587-14600, arXiv:2506.03880.

    Examples
    --------
    On ready embeddings; on text it is the same, with a list of strings as `X`.

    >>> import numpy as np
    >>> from skrouter import RadialRouterClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 4))
    >>> hard = X[:, 0] > 0
    >>> performance = np.column_stack([~hard, np.ones(200)])  # "small" fails on hard queries
    >>> router = RadialRouterClassifier(
    ...     llm_names=["small", "large"], device="cpu", random_state=0
    ... )
    >>> router = router.fit(X, performance, cost=[0.1, 10.0])
    >>> router.predict([[-2.0, 0.0, 0.0, 0.0], [2.0, 0.0, 0.0, 0.0]])
    array(['small', 'large'], dtype='<U5')
    >>> router.llm_embeddings_.shape
    (2, 64)
    """

    def __init__(
        self,
        encoder: str | BaseEstimator = "all-MiniLM-L6-v2",
        *,
        cost_weight: float = 0.02,
        trade_off: str = "any",
        contrastive_weight: float = 0.3,
        target_temperature: float = 0.2,
        target_smoothing: float = 0.3,
        distillation: float = 0.5,
        backbone: str = "radial",
        n_layers: int = 2,
        hidden_dim: int = 64,
        dropout: float = 0.3,
        fit_intercept: bool = True,
        fine_tune_encoder: bool = False,
        learning_rate: float = 4e-3,
        batch_size: int | str | None = "auto",
        max_iter: int = 10,
        cv: int | object = 2,
        expert_settings: Mapping[str, object] | None = None,
        llm_names: NamesLike | None = None,
        device: str = "auto",
        random_state: Seed = None,
        verbose: bool = False,
    ) -> None:
        self.encoder = encoder
        self.cost_weight = cost_weight
        self.trade_off = trade_off
        self.contrastive_weight = contrastive_weight
        self.target_temperature = target_temperature
        self.target_smoothing = target_smoothing
        self.distillation = distillation
        self.backbone = backbone
        self.n_layers = n_layers
        self.hidden_dim = hidden_dim
        self.dropout = dropout
        self.fit_intercept = fit_intercept
        self.fine_tune_encoder = fine_tune_encoder
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.cv = cv
        self.expert_settings = expert_settings
        self.llm_names = llm_names
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def transform(self, X: QueriesLike) -> Floats:
        """Query representations ``h_q``, on which the contrastive loss acts.

        Parameters
        ----------
        %(X)s

        Returns
        -------
        states : ndarray of shape (n_queries, hidden_dim)
            The relay's first state.
        """
        check_is_fitted(self)
        now = as_of_now(self)
        return now._represent(now._read_queries(X))

    @property
    def mean_cost_(self) -> Floats | None:
        """Mean cost of each LLM, US dollars per 1,000 queries; None without costs."""
        return self._pool.present_mean_cost

    @property
    def llm_embeddings_(self) -> Floats:
        """The learnt embeddings of the LLMs of the training data."""
        return self._network.llm_embeddings

    @property
    def _n_features_out(self):
        return self.llm_embeddings_.shape[1]

    @property
    def _any_trade_off(self):
        return getattr(self, "_trained_for", self.trade_off) == "any"

    @with_callbacks
    def _learn(self, data):
        self._init_callback_context(max_subtasks=self.max_iter)
        super()._learn(data)

    def _fit(self, data):
        from skrouter._training.radial import train

        self._versions = versions()
        # What predictions depend on is that of training, whatever is set later.
        self._trained_for = self.trade_off
        # In the unit of performance, so that another unit changes nothing.
        self._temperature = self.target_temperature * performance_unit(data)
        encoder = self.encoder_ if self.fine_tune_encoder else None
        on_train_begin = partial(self._on_train_begin, data)
        trained = train(self._training_settings(), data, encoder, on_train_begin)
        self._set_network(trained.network, trained.architecture, trained.average, data)
        self.loss_curve_, self.validation_gains_ = trained.loss_curve, trained.validation_gains
        self.n_iter_, self.validation_ = len(trained.loss_curve), trained.validation
        if self.verbose and self.validation_ is not None:
            print(self.validation_)
        if trained.encoder_weights is not None:
            self.encoder_._set_weights(trained.encoder_weights)
        self._examples = choose_examples(
            data,
            lambda rows: self._embeddings_now(data, rows),
            self._expert.max_examples,
            self.random_state,
        )

    def _set_network(self, network, architecture, average, data):
        """All that predictions need, built here once."""
        self._network = FittedNetwork(network, architecture, average)
        self._network.prepare(self.device)
        charged = self.uses_cost_ and self._any_trade_off
        self._pool = Pool.of_training(
            self.classes_,
            mean_cost(data.target.cost, data.sample_weight) if charged else None,
            data.target.performance[data.sample_weight > 0],
        )

    def _embeddings_now(self, data, rows):
        """Embeddings of training queries, by an encoder that may have changed since."""
        if self.fine_tune_encoder and len(rows):
            return self._read_queries([data.queries[row] for row in rows])
        return data.embeddings[rows]

    def _on_train_begin(self, data, n_epochs):
        """Begin the fit task of the callbacks; returns what is called after every epoch."""
        context = self._callback_fit_ctx
        task = {"estimator": self, "X": data.queries or data.embeddings, "y": data.utility}
        context.call_on_fit_task_begin(**task)

        def on_epoch(network_so_far, losses):
            if self.verbose:
                print(f"epoch {len(losses)}/{n_epochs}: loss {losses[-1]:.4f}")
            step = context.subcontext(task_name="epoch").call_on_fit_task_begin(**task)
            return step.call_on_fit_task_end(
                **task,
                reconstruction_attributes=lambda: self._at_this_epoch(network_so_far, data),
            )

        return on_epoch

    def _at_this_epoch(self, network_so_far, data):
        """What a copy of this router needs to predict in the middle of training."""
        draft = as_of_now(self)
        draft._set_network(*network_so_far(), data)
        return {"_network": draft._network, "_pool": draft._pool}

    def _represent(self, embeddings):
        return self._network.represent(embeddings, self.device)

    def _predict_trained(self, embeddings):
        """Predicted outcomes of the LLMs that were there in training."""
        outcomes = self._network.outcomes(embeddings, self.device)
        return PredictedOutcomes(outcomes[..., 0], outcomes[..., 1] if self.uses_cost_ else None)

    def _predict_outcomes(self, embeddings):
        states = self._represent(embeddings) if self._pool.added else None
        return self._pool.outcomes(self._predict_trained(embeddings), states)

    def _utilities(self, embeddings, cost_weight):
        if self._any_trade_off:
            return expected_utility(self._predict_outcomes(embeddings), cost_weight)
        return self._network.outcomes(embeddings, self.device)[..., 0][:, self._pool.outputs]

    def __setstate__(self, state):
        if "_versions" in state:
            warn_on_other_versions(type(self).__name__, state["_versions"])
        super().__setstate__(state)
        if "_network" in state and self.device in ("auto", "cpu"):
            # One that this machine may lack is asked for by the first prediction.
            self._network.prepare(self.device)
