"""Parameters of RadialRouterClassifier: their checks, the expert ones, and those of the paper."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Self

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import (
    Interval,
    StrOptions,
    validate_parameter_constraints,
)

from skrouter._encoders.sentence_encoder import SentenceEncoder
from skrouter._routers.base import BaseRouter
from skrouter._training.settings import (
    EXPERT_CONSTRAINTS,
    LEARNERS,
    ExpertSettings,
    TrainingSettings,
)
from skrouter._utils.torch_state import resolve_device

_EXPERT = "expert_settings__"

# Their entry in the docstring of the router.
EXPERT_SETTINGS = r"""expert_settings : dict, default=None
    Settings that hardly anybody needs to change, by name; those left out have their defaults.
    ``set_params`` and searches reach each one, as ``expert_settings__weight_decay``.

    - outcome_weight : float, default 0.3. The weight :math:`\gamma` of the squared error of
      the predicted outcomes, performance over `target_temperature`, cost over its standard
      deviation. It makes them absolute: the divergence leaves a constant per query open, and
      learns nothing from a query with one observed LLM. Not used with ``trade_off="fixed"``.
    - kl_direction : {"reverse", "forward"}, default "reverse". "reverse" is
      :math:`\mathrm{KL}(p \| q)`, "forward" :math:`\mathrm{KL}(q \| p)`. Minimising the
      reverse one maximises, but for constants, the expected utility of what the router calls
      plus an entropy bonus: what one wants of a router. The paper does not say which it takes.
    - n_neighbors : int, default 20. Number of neighbours of `target_smoothing`, by cosine
      similarity of the embeddings, the query itself included. At most the number of queries.
      It counts rows; `sample_weight` weighs their outcomes.
    - n_clusters : int, default 8. Number of k-means clusters of the queries' embeddings;
      queries of the same cluster are positives of the contrastive loss, others negatives. At
      most the number of queries.
    - n_heads : int, default 4. Attention heads; must divide `hidden_dim`. Not used by "mlp".
    - weight_decay : float, default 0.01. Weight decay of AdamW.
    - encoder_learning_rate : float, default 5e-5. Largest learning rate of an encoder that is
      trained along; lower, for it begins from good weights.
    - learners : tuple, default ("network", "linear", "clusters"). Who is averaged, by what each is
      worth in cross-validation: the network, ridge regressions on the embedding, and tables over
      clusters of queries. One alone is for comparison. With `fine_tune_encoder`, and without `cv`
      or `fit_intercept`, it is the network alone, as in the paper.
    - max_examples : int, default 5000. At most so many training queries, drawn at random, are
      kept as embeddings with their outcomes, for `explain` to show the most similar ones;
      texts are not kept. A saved router is about 1.6 kB larger for each with the default
      encoder. 0 keeps none."""


class RadialParameters(BaseRouter):
    """Mixin of the router that reads and checks the parameters."""

    expert_settings: Mapping[str, object] | None

    _parameter_constraints = {
        **BaseRouter._parameter_constraints,
        "trade_off": [StrOptions({"any", "fixed"})],
        "contrastive_weight": [Interval(Real, 0, None, closed="left")],
        "target_temperature": [Interval(Real, 0, None, closed="neither")],
        "target_smoothing": [Interval(Real, 0, 1, closed="both")],
        "distillation": [Interval(Real, 0, 1, closed="both")],
        "backbone": [StrOptions({"radial", "star", "transformer", "mlp"})],
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "hidden_dim": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "fit_intercept": ["boolean"],
        "fine_tune_encoder": ["boolean"],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"}), None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "cv": ["cv_object"],
        "expert_settings": [Mapping, None],
        "device": [str],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # Of the cosine similarities in the contrastive loss, and the precision of training.
    _contrastive_temperature = 1.0
    _dtype = "float32"

    @classmethod
    def paper_settings(
        cls,
        *,
        encoder: str | BaseEstimator = "microsoft/mdeberta-v3-base",
        fine_tune_encoder: bool = True,
        kl_direction: str = "forward",
    ) -> dict[str, object]:
        """Parameters of the published method, to be passed on: ``RadialRouterClassifier(**...)``.

        One trade-off per fit, and none of what is ours: no intercept, no smoothing, no
        distillation, no outcome loss, no early stopping. Set `cost_weight` to the scenario: 0,
        0.02 or 0.1.

        Parameters
        ----------
        encoder : str or transformer, default="microsoft/mdeberta-v3-base"
            As for the router. The paper names a language model of the DeBERTa family.
        fine_tune_encoder : bool, default=True
            Whether the encoder is trained along, as in the paper. It needs text, and for speed a
            GPU.
        kl_direction : {"forward", "reverse"}, default="forward"
            The paper does not say which; "forward", KL(q || p), is the usual one.

        Returns
        -------
        parameters : dict

        Notes
        -----
        From the paper [1]_ are the network, the form of the loss and that all is trained together.
        It does not state the number of layers (6), the width (768) and the heads (4), the
        temperature of the target (1), the learning rates (5e-5), the batch size (64) and the
        number of epochs (30): these are those of public scripts. The contrastive weight is
        unknown; it keeps the default here.

        References
        ----------
        .. [1] R. Jin et al., "RadialRouter: Structured Representation for Efficient and Robust
           Large Language Models Routing", Findings of EMNLP 2025, pp. 14587-14600,
           arXiv:2506.03880, section 3.

        Examples
        --------
        >>> from skrouter import RadialRouterClassifier
        >>> router = RadialRouterClassifier(**RadialRouterClassifier.paper_settings())
        >>> router.trade_off, router.fit_intercept, router.fine_tune_encoder
        ('fixed', False, True)
        """
        return {
            "encoder": encoder,
            "fine_tune_encoder": fine_tune_encoder,
            "trade_off": "fixed",
            "fit_intercept": False,
            "target_smoothing": 0.0,
            "distillation": 0.0,
            "cv": None,
            "target_temperature": 1.0,
            "backbone": "radial",
            "n_layers": 6,
            "hidden_dim": 768,
            "learning_rate": 5e-5,
            "batch_size": 64,
            "max_iter": 30,
            "expert_settings": {
                "kl_direction": kl_direction,
                "n_heads": 4,
                "encoder_learning_rate": 5e-5,
                "learners": ("network",),
            },
        }

    def get_params(self, deep: bool = True) -> dict[str, object]:
        """Parameters of the router.

        Parameters
        ----------
        deep : bool, default=True
            Whether to add those of an encoder that is an estimator, and each expert setting as
            ``expert_settings__<name>``.

        Returns
        -------
        parameters : dict
            By name.
        """
        parameters = super().get_params(deep=deep)
        if deep:
            given = self.expert_settings if isinstance(self.expert_settings, Mapping) else {}
            settings = {**ExpertSettings()._asdict(), **given}
            parameters.update({_EXPERT + name: value for name, value in settings.items()})
        return parameters

    def set_params(self, **params: object) -> Self:
        """Set parameters of the router.

        Parameters
        ----------
        **params : dict
            Parameters by name; ``expert_settings__<name>`` sets one of the expert settings and
            leaves the others.

        Returns
        -------
        self : object
            The router.
        """
        expert = {name: value for name, value in params.items() if name.startswith(_EXPERT)}
        super().set_params(**{name: params[name] for name in params if name not in expert})
        if expert:
            expert = {name.removeprefix(_EXPERT): value for name, value in expert.items()}
            _check_expert_names(expert)
            self.expert_settings = {**(self.expert_settings or {}), **expert}
        return self

    @property
    def _expert(self):
        return ExpertSettings(**(self.expert_settings or {}))

    def _check_parameters(self, X, text):
        expert = self.expert_settings or {}
        _check_expert_names(expert)
        validate_parameter_constraints(EXPERT_CONSTRAINTS, expert, "expert_settings")
        unknown = [name for name in self._expert.learners if name not in LEARNERS]
        if unknown or not self._expert.learners:
            raise ValueError(
                f"learners in expert_settings must be some of {list(LEARNERS)}, got "
                f"{self._expert.learners!r}."
            )
        n_heads = self._expert.n_heads
        if self.backbone != "mlp" and self.hidden_dim % n_heads:
            raise ValueError(
                f"hidden_dim must be a multiple of n_heads, got hidden_dim={self.hidden_dim} and "
                f"n_heads={n_heads}."
            )
        resolve_device(self.device)
        if self.fine_tune_encoder and not text:
            raise ValueError("fine_tune_encoder=True needs text, but X holds ready embeddings.")
        if self.fine_tune_encoder and not isinstance(self.encoder, str | SentenceEncoder):
            raise ValueError(
                "fine_tune_encoder=True needs a sentence-transformers model: encoder must be its "
                f"name or a SentenceEncoder, got {self.encoder!r}."
            )
        if self.fine_tune_encoder and getattr(self.encoder, "backend", "torch") != "torch":
            raise ValueError(
                "fine_tune_encoder=True needs an encoder of backend='torch'; that of encoder is "
                f"{self.encoder.backend!r}, whose weights cannot be trained."
            )

    def _training_settings(self):
        names = set(TrainingSettings._fields) & set(self.get_params(deep=False))
        return TrainingSettings(
            any_trade_off=self._any_trade_off,
            contrastive_temperature=self._contrastive_temperature,
            dtype=self._dtype,
            expert=self._expert,
            **{name: getattr(self, name) for name in names},
        )


def _check_expert_names(names):
    unknown = [name for name in names if name not in ExpertSettings._fields]
    if unknown:
        raise ValueError(
            f"expert_settings has no {unknown}; its settings are {list(ExpertSettings._fields)}."
        )
