"""RadialRouterClassifier, the main estimator."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skrouter._encoders.sentence_encoder import SentenceEncoder
from skrouter._routers.base import BaseRouter
from skrouter._routers.explanation import choose_examples, explain
from skrouter._routers.outcomes import OutcomesMixin
from skrouter._routers.pool import ChangingPool
from skrouter._targets.predict_options import restrict
from skrouter._targets.utility import PredictedOutcomes, expected_utility
from skrouter._utils.torch_state import from_arrays, resolve_device, to_arrays
from skrouter._utils.versions import versions, warn_on_other_versions

_ROWS_AT_ONCE = 1024  # bounds the memory of a forward pass without slowing it


class RadialRouterClassifier(
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    ChangingPool,
    OutcomesMixin,
    BaseRouter,
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
    performance and cost, with :math:`\gamma` = `outcome_weight`. So one fit serves every
    trade-off: ``predict(X, cost_weight=...)``. With ``trade_off="fixed"`` it is the paper's
    router: one output per LLM, trained at one :math:`\alpha` without :math:`L_\mathrm{out}`.
    With `target_smoothing` outcomes are first averaged with those of similar queries.

    Parameters
    ----------
    encoder : str or transformer, default="all-MiniLM-L6-v2"
        Turns text into embeddings: the name or path of a sentence-transformers model, a
        :class:`SentenceEncoder`, or any scikit-learn transformer of text. The default is fast on
        a CPU and can be installed as a package. Not used on ready embeddings.
    cost_weight : float, default=0.02
        The trade-off :math:`\alpha`: performance given up for one US dollar per 1,000 queries.
        The default is the paper's "balance" scenario; the others are 0 and 0.1. It is a matter
        of what money is worth to you, not of tuning. With ``trade_off="any"`` it is only what
        `predict` and `score` take where no other is given.
    trade_off : {"any", "fixed"}, default="any"
        "any" learns performance and cost apart, so that one fit serves every trade-off, a pool
        can change, and decisions can be explained. It is the default as it does as well as a fit
        for each (``benchmarks/one_fit.py``). "fixed" is the paper's training, at `cost_weight`
        alone.
    contrastive_weight : float, default=0.3
        The weight :math:`\lambda` of the contrastive loss. 0 leaves it out.
    outcome_weight : float, default=0.3
        The weight :math:`\gamma` of the squared error of the predicted outcomes, performance in
        units of `target_temperature`, cost in those of its standard deviation. It makes them
        absolute: the divergence leaves a constant per query open, and learns nothing from a query
        with one observed LLM. Not used with ``trade_off="fixed"``.
    target_temperature : float, default=0.2
        The temperature :math:`\tau` of the target distribution. Utilities of an LLM that is right
        and one that is wrong differ by about 1, so at :math:`\tau = 1` the targets hardly tell
        them apart.
    kl_direction : {"reverse", "forward"}, default="reverse"
        "reverse" is :math:`\mathrm{KL}(p \| q)`, "forward" :math:`\mathrm{KL}(q \| p)`.
        Minimising the reverse one maximises, but for constants, the expected utility of what the
        router calls plus an entropy bonus: what one wants of a router. The paper does not say
        which it takes.
    target_smoothing : float, default=0.3
        Share of a query's target that comes from its neighbours: its outcomes are averaged with
        the mean over the `n_neighbors` most similar training queries. A single
        outcome, right or wrong, is mostly chance; what similar queries have in common is not. 0
        is the paper's target.
    n_neighbors : int, default=20
        Number of these neighbours by cosine similarity of the embeddings, the query itself
        included. At most the number of queries. It counts rows; `sample_weight` weighs their
        outcomes.
    distillation : float, default=0.5
        Share of a query's target that is what the networks of early stopping expected of it
        that were not trained on it; without `early_stopping` there are none. Each of
        them has learnt something else from chance, and a network that learns from all of them
        has less of it (self-distillation; Furlanello et al., "Born-Again Neural Networks",
        ICML 2018). 0 is the paper's training. Chosen on train rows: ``benchmarks/defaults.py``.
    contrastive_temperature : float, default=1.0
        Temperature of the cosine similarities in the contrastive loss.
    n_clusters : int, default=8
        Number of k-means clusters of the queries' embeddings; queries of the same cluster are
        positives of the contrastive loss, others negatives. At most the number of queries.
    backbone : {"radial", "star", "transformer", "mlp"}, default="radial"
        The network between the query and the logits. "radial" is RadialFormer. The others are
        there to compare with, as in the paper's ablation: "star" is Star-Transformer, in which
        satellites also see their neighbours on a ring; "transformer" a standard one, in which
        all LLMs see each other and the query; "mlp" a perceptron on each pair of query and LLM.
    n_layers : int, default=2
        Layers of the backbone. With two, the satellites of RadialFormer learn of each other
        through the relay.
    n_heads : int, default=4
        Attention heads; must divide `hidden_dim`. Not used by "mlp".
    hidden_dim : int, default=64
        Width of relay, satellites and LLM embeddings.
    dropout : float, default=0.3
        Dropped share of every new state while training. It is high because outcomes are noisy
        and the rows few.
    fit_intercept : bool, default=True
        Whether the predictions begin at the mean outcomes of each LLM, which makes the best
        router that ignores the query. Training
        then only learns where a query differs from the average, and where there is nothing to
        learn, the router stays at the best single LLM. False is the plain network of the paper.
    fine_tune_encoder : bool, default=False
        Whether to train the encoder along with the network, as the paper does. It needs text, a
        sentence-transformers `encoder`, and for speed a GPU. The tuned weights then belong to
        the fitted router.
    learning_rate : float, default=4e-3
        Largest learning rate of the network, in AdamW: up over the first tenth of the steps, then
        down a cosine that reaches zero after `max_iter` epochs, also where early stopping takes
        fewer.
    encoder_learning_rate : float, default=5e-5
        The same for an encoder that is trained; lower, for it begins from good weights.
    weight_decay : float, default=0.01
        Weight decay of AdamW.
    batch_size : int or None, default=64
        Queries per step. None takes all at once.
    max_iter : int, default=10
        Number of epochs, at most. Few: on noisy outcomes longer training only learns the noise.
    early_stopping : bool, default=True
        Whether to choose the number of epochs by cross-validation: the mean utility of what the
        router calls on queries that were held out in turn, over several trade-offs with
        ``trade_off="any"``. It then trains on all queries for
        the most epochs whose gain is within one standard error of the largest. If no gain over
        the best single LLM is above zero with 95 % confidence, it stays at the best
        single LLM, untrained: better no router than one that does harm (without
        `fit_intercept` it cannot, and trains for `max_iter` epochs).
        It multiplies the time of `fit` by about ``1 / validation_fraction``; False trains for
        `max_iter` epochs.
    validation_fraction : float, default=0.25
        Share of the queries held out at a time, at most 0.5. The default makes four folds; every
        query is judged once.
    n_iter_no_change : int, default=10
        Epochs without a larger gain that is above zero with 95 % confidence, after which
        cross-validation ends. Of effect only below `max_iter`.
    max_examples : int, default=5000
        At most so many training queries, drawn by lot, are kept as embeddings with their
        outcomes, for `explain` to show the most similar ones; texts are not kept. A saved router
        is about 1.6 kB larger for each with the default encoder. 0 keeps none.
    llm_names : sequence of str, default=None
        Names of the LLMs, for a `y` that carries none. None: the columns of a DataFrame, else 0,
        1, ...
    dtype : {"float32", "float64"}, default="float32"
        Precision of training. Predictions are made in float64 (on MPS, which has none, in
        float32).
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
    classes_ : ndarray of shape (n_llms,)
        Names of the LLMs.
    n_features_in_ : int
        Length of an embedding.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if fitted on a DataFrame of embeddings.
    encoder_ : transformer
        The fitted encoder, if fitted on text.
    n_iter_ : int
        Number of epochs on all queries; 0 if early stopping found no evidence of a gain.
    loss_curve_ : list of float
        Mean loss of each of these epochs.
    validation_gains_ : list of float
        After each epoch of cross-validation, the mean utility on the held-out queries less that
        of the best single LLM. Empty without early stopping.
    llm_embeddings_ : ndarray of shape (n_llms, hidden_dim)
        The learnt embeddings :math:`m_j` of the LLMs of the training data.
    mean_cost_ : ndarray of shape (n_llms,) or None
        Mean cost of each LLM in US dollars per 1,000 queries, as predicted costs are scaled to
        it. None without costs or with ``trade_off="fixed"``.
    uses_cost_ : bool
        Whether costs were given at `fit`.
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

    A new LLM needs a new fit. The choices that the paper leaves open, and those that differ from
    it, are listed with their reasons on the page "The method".

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
    ...     llm_names=["small", "large"],
    ...     learning_rate=1e-2,
    ...     max_iter=5,
    ...     device="cpu",
    ...     random_state=0,
    ... )
    >>> router = router.fit(X, performance, cost=[0.1, 10.0])
    >>> router.predict([[-2.0, 0.0, 0.0, 0.0], [2.0, 0.0, 0.0, 0.0]])
    array(['small', 'large'], dtype='<U5')
    >>> router.llm_embeddings_.shape
    (2, 64)
    """

    _parameter_constraints = {
        **BaseRouter._parameter_constraints,
        "trade_off": [StrOptions({"any", "fixed"})],
        "contrastive_weight": [Interval(Real, 0, None, closed="left")],
        "outcome_weight": [Interval(Real, 0, None, closed="left")],
        "target_temperature": [Interval(Real, 0, None, closed="neither")],
        "kl_direction": [StrOptions({"forward", "reverse"})],
        "target_smoothing": [Interval(Real, 0, 1, closed="both")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "distillation": [Interval(Real, 0, 1, closed="both")],
        "contrastive_temperature": [Interval(Real, 0, None, closed="neither")],
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "backbone": [StrOptions({"radial", "star", "transformer", "mlp"})],
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "n_heads": [Interval(Integral, 1, None, closed="left")],
        "hidden_dim": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "fit_intercept": ["boolean"],
        "fine_tune_encoder": ["boolean"],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "encoder_learning_rate": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 0.5, closed="right")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "max_examples": [Interval(Integral, 0, None, closed="left")],
        "dtype": [StrOptions({"float32", "float64"})],
        "device": [str],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        encoder="all-MiniLM-L6-v2",
        *,
        cost_weight=0.02,
        trade_off="any",
        contrastive_weight=0.3,
        outcome_weight=0.3,
        target_temperature=0.2,
        kl_direction="reverse",
        target_smoothing=0.3,
        n_neighbors=20,
        distillation=0.5,
        contrastive_temperature=1.0,
        n_clusters=8,
        backbone="radial",
        n_layers=2,
        n_heads=4,
        hidden_dim=64,
        dropout=0.3,
        fit_intercept=True,
        fine_tune_encoder=False,
        learning_rate=4e-3,
        encoder_learning_rate=5e-5,
        weight_decay=0.01,
        batch_size=64,
        max_iter=10,
        early_stopping=True,
        validation_fraction=0.25,
        n_iter_no_change=10,
        max_examples=5000,
        llm_names=None,
        dtype="float32",
        device="auto",
        random_state=None,
        verbose=False,
    ):
        self.encoder = encoder
        self.cost_weight = cost_weight
        self.trade_off = trade_off
        self.contrastive_weight = contrastive_weight
        self.outcome_weight = outcome_weight
        self.target_temperature = target_temperature
        self.kl_direction = kl_direction
        self.target_smoothing = target_smoothing
        self.n_neighbors = n_neighbors
        self.distillation = distillation
        self.contrastive_temperature = contrastive_temperature
        self.n_clusters = n_clusters
        self.backbone = backbone
        self.n_layers = n_layers
        self.n_heads = n_heads
        self.hidden_dim = hidden_dim
        self.dropout = dropout
        self.fit_intercept = fit_intercept
        self.fine_tune_encoder = fine_tune_encoder
        self.learning_rate = learning_rate
        self.encoder_learning_rate = encoder_learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.max_examples = max_examples
        self.llm_names = llm_names
        self.dtype = dtype
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    def fit(self, X, y, cost=None, sample_weight=None):
        """Learn from past queries which LLM to call.

        Parameters
        ----------
        X : sequence of str, or array-like of shape (n_queries, n_features)
            Queries as text, which `encoder` turns into embeddings, or ready embeddings.
        y : array-like
            The performance of each LLM on each query, shape (n_queries, n_llms), higher is
            better; or the result of :func:`make_routing_target`, shape
            (n_queries, n_llms, 2); or the best LLM of each query, shape (n_queries,). NaN
            means that an outcome was not observed.
        cost : array-like of shape (n_queries, n_llms) or (n_llms,), default=None
            US dollars per 1,000 queries, as measured or as list prices.
        sample_weight : array-like of shape (n_queries,), default=None
            Weights of the queries.

        Returns
        -------
        self : RadialRouterClassifier
            The fitted router.

        Raises
        ------
        ValueError
            If the input or a parameter is not as described. It is raised before any work is
            done, and a router that was fitted before stays as it was.
        TypeError
            If a query among texts is not a string.
        """
        # Before anything that may be rolled back, so that callbacks are always torn down.
        self._init_callback_context(max_subtasks=self.max_iter)
        return super().fit(X, y, cost=cost, sample_weight=sample_weight)

    def transform(self, X):
        """Query representations ``h_q``, on which the contrastive loss acts.

        Parameters
        ----------
        X : sequence of str, or array-like of shape (n_queries, n_features)
            Queries as text or ready embeddings, whichever they were at `fit`.

        Returns
        -------
        states : ndarray of shape (n_queries, hidden_dim)
            The relay's first state.
        """
        check_is_fitted(self)
        return self._run("represent", self._read_queries(X))

    def explain(self, X, *, cost_weight=None, allowed=None, n_neighbors=5):
        """Say for each query what the choice rests on.

        Parameters
        ----------
        X : sequence of str, or array-like of shape (n_queries, n_features)
            Queries as text or ready embeddings, whichever they were at `fit`.
        cost_weight : float or array-like of shape (n_queries,), default=None
            The trade-off, as for `predict`.
        allowed : sequence of names, one per query of these, or bool array, default=None
            The LLMs that may be called, as for `predict`.
        n_neighbors : int, default=5
            How many of the most similar training queries to show, of those that were kept: see
            `max_examples`.

        Returns
        -------
        decisions : list of Decision
            One named tuple per query: the LLM and the runner-up, the margin, the predicted
            performance and cost of every LLM, the trade-offs at which the choice flips, and the
            nearest training queries with their outcomes. ``print`` shows it as a table.

        Raises
        ------
        ValueError
            As `predict`, and for a router trained with ``trade_off="fixed"``, which predicts no
            outcomes.
        """
        check_is_fitted(self)
        if not isinstance(n_neighbors, Integral) or n_neighbors < 0:
            raise ValueError(f"n_neighbors must be an integer >= 0, got {n_neighbors!r}.")
        cost_weight, mask = self._read_request(X, cost_weight, allowed)
        embeddings = self._read_queries(X)
        outcomes = self._predict_outcomes(embeddings)
        utility = restrict(expected_utility(outcomes, cost_weight), mask)
        return explain(
            self.classes_.tolist(),
            outcomes,
            utility,
            self._shares(utility),
            np.broadcast_to(np.ravel(cost_weight), len(embeddings)),
            self._examples,
            self._examples.nearest(embeddings, n_neighbors),
        )

    @property
    def _n_features_out(self):
        return self.llm_embeddings_.shape[1]

    def _check_parameters(self, X, text):
        if self.backbone != "mlp" and self.hidden_dim % self.n_heads:
            raise ValueError(
                f"hidden_dim must be a multiple of n_heads, got hidden_dim={self.hidden_dim} and "
                f"n_heads={self.n_heads}."
            )
        resolve_device(self.device)
        if self.fine_tune_encoder and not text:
            raise ValueError("fine_tune_encoder=True needs text, but X holds ready embeddings.")
        if self.fine_tune_encoder and not isinstance(self.encoder, str | SentenceEncoder):
            raise ValueError(
                "fine_tune_encoder=True needs a sentence-transformers model: encoder must be its "
                f"name or a SentenceEncoder, got {self.encoder!r}."
            )

    def _fit(self, data):
        from skrouter._training.radial import train

        self._versions = versions()
        # What predictions depend on is that of training, whatever is set later.
        self._trained_for, self._temperature = self.trade_off, self.target_temperature
        self._start_pool(data)
        trained = train(self, data, lambda n_epochs: self._on_train_begin(data, n_epochs))
        self._network, self._architecture = trained.network, trained.architecture
        self.loss_curve_, self.validation_gains_ = trained.loss_curve, trained.validation_gains
        self.n_iter_ = len(self.loss_curve_)
        self.llm_embeddings_ = to_arrays(trained.network.backbone)["llm_embeddings"]
        if trained.encoder_weights is not None:
            self.encoder_._set_weights(trained.encoder_weights)
        self._examples = choose_examples(self, data)

    def _on_train_begin(self, data, n_epochs):
        """Begin the fit task of the callbacks; returns what is called after every epoch."""
        context = self._callback_fit_ctx
        task = {"estimator": self, "X": data.queries or data.embeddings, "y": data.utility}
        context.call_on_fit_task_begin(**task)

        def on_epoch(training, losses):
            if self.verbose:
                print(f"epoch {len(losses)}/{n_epochs}: loss {losses[-1]:.4f}")
            step = context.subcontext(task_name="epoch").call_on_fit_task_begin(**task)
            return step.call_on_fit_task_end(
                **task, reconstruction_attributes=lambda: self._at_this_epoch(training)
            )

        return on_epoch

    def _at_this_epoch(self, training):
        """What a copy of this router needs to predict in the middle of training."""
        return {"_network": training.ready_network(), "_architecture": training.architecture()}

    @property
    def _any_trade_off(self):
        return getattr(self, "_trained_for", self.trade_off) == "any"

    def _check_predicts_outcomes(self):
        if not self._any_trade_off:
            raise ValueError(
                "This router was trained with trade_off='fixed' and knows utilities at its own "
                "cost_weight only, not performance and cost; fit it with trade_off='any'."
            )

    def _predict_trained(self, embeddings):
        """Predicted outcomes of the LLMs that were there in training."""
        self._check_predicts_outcomes()
        outcomes = self._run("outcomes", embeddings)
        return PredictedOutcomes(outcomes[..., 0], outcomes[..., 1] if self.uses_cost_ else None)

    def _utilities(self, embeddings, cost_weight):
        if self._any_trade_off:
            return expected_utility(self._predict_outcomes(embeddings), cost_weight)
        return self._run("outcomes", embeddings)[..., 0][:, self._columns]

    def _run(self, what, embeddings):
        """Outputs of the network in evaluation mode, as float64.

        In double precision a query's result does not depend, to seven digits and more, on
        which others are in the batch.
        """
        import torch

        network = self._network
        device = resolve_device(self.device)
        dtype = torch.float32 if device == "mps" else torch.float64  # MPS has no float64
        if network.mean.device != torch.device(device) or network.mean.dtype != dtype:
            network.to(device, dtype)
        with torch.inference_mode():
            outputs = [
                getattr(network, what)(torch.tensor(part, dtype=dtype, device=device))
                # Torch takes no arrays that run backwards.
                for part in np.array_split(
                    np.ascontiguousarray(embeddings),
                    range(_ROWS_AT_ONCE, len(embeddings), _ROWS_AT_ONCE),
                )
            ]
        return torch.cat(outputs).cpu().numpy().astype(np.float64, copy=False)

    def __getstate__(self):
        # Copied: it may be the live __dict__.
        state = dict(super().__getstate__())
        if "_network" in state:
            state["_network"] = to_arrays(state["_network"])
        return state

    def __setstate__(self, state):
        if "_network" in state:
            from skrouter._utils.torch_state import seeded
            from skrouter.nn.network import RoutingNetwork

            warn_on_other_versions(type(self).__name__, state["_versions"])
            # Its first weights are drawn, and then replaced.
            with seeded(0, "cpu"):
                network = RoutingNetwork(**state["_architecture"])
            state = {**state, "_network": from_arrays(network, state["_network"]).eval()}
        super().__setstate__(state)
