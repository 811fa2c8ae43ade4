"""Training of RadialRouterClassifier: from checked data to a network."""

import itertools
from contextlib import nullcontext
from copy import deepcopy
from typing import NamedTuple

import numpy as np
import torch
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from skrouter._training.early_stopping import cross_validate_epochs
from skrouter._training.loop import Learner, Objective, Schedule, TrainingTensors, epochs
from skrouter._training.neighbors import cluster_queries, smooth_over_neighbors
from skrouter._utils.stats import observed_mean
from skrouter._utils.torch_state import one_thread, resolve_device, seeded, to_arrays
from skrouter.nn.network import RoutingNetwork


class Trained(NamedTuple):
    """What training leaves behind.

    Attributes
    ----------
    network : RoutingNetwork
        In evaluation mode, to be called on embeddings as they come.
    architecture : dict
        Arguments of the network.
    encoder_weights : dict of str to ndarray, or None
        None for an encoder that was not trained.
    loss_curve : list of float
    validation_gains : list of float
    """

    network: RoutingNetwork
    architecture: dict
    encoder_weights: dict | None
    loss_curve: list
    validation_gains: list


def train(router, data, on_train_begin):
    """Train the network of a router on its data.

    Parameters
    ----------
    router : RadialRouterClassifier
        Its parameters are read, and its fitted encoder.
    data : TrainingData
    on_train_begin : callable
        Called with the number of epochs to come; returns what is called
        after every epoch, and stops training by returning true. It is called with this
        training, whose `ready_network` is the network so far, and the losses so far.

    Returns
    -------
    trained : Trained
    """
    return _Training(router, data).run(on_train_begin)


def stack_outcomes(data, any_trade_off):
    """The outcomes to learn, shape (n_queries, n_llms, n_outcomes).

    For any trade-off performance and, if there are any, costs; else the utility at one.
    """
    if not any_trade_off:
        return data.utility[..., None]
    parts = (data.target.performance, data.target.cost)
    return np.stack([part for part in parts if part is not None], axis=-1)


def mean_and_scale(outcomes, weight, temperature):
    """Means and units of outcomes, each of shape (n_llms, n_outcomes).

    The unit of the performance, or utility, is the temperature, that of the costs their standard
    deviation; it is 0 for a cost that does not vary. An LLM that was never observed has a mean
    performance of minus infinity, one whose cost was never observed a mean cost of NaN.
    """
    means = np.stack([observed_mean(part, weight) for part in np.moveaxis(outcomes, -1, 0)], -1)
    units = np.full(means.shape, float(temperature))
    if means.shape[1] == 2:
        costs, center = outcomes[..., 1], means[:, 1]
        center[np.isneginf(center)] = np.nan
        spread = np.sqrt(observed_mean((costs - center) ** 2, weight).clip(min=0.0))
        # List prices do not vary. Their spread may come out above zero by rounding.
        units[:, 1] = np.where(spread > 1e-6 * np.abs(center), spread, 0.0)
    return means, units


def typical_cost_weight(outcomes, weight):
    """The trade-off at which costs vary as much as performance does: where it matters most."""
    if outcomes.shape[-1] == 1:
        return None
    spreads = []
    for part in np.moveaxis(outcomes, -1, 0):
        known = ~np.isnan(part)
        weights = np.broadcast_to(weight[:, None], part.shape)[known]
        values = part[known]
        if not len(values):
            return 1.0  # no cost was observed: they count for nothing
        center = np.average(values, weights=weights)
        spreads.append(np.sqrt(np.average((values - center) ** 2, weights=weights)))
    performance, cost = spreads
    # Where either does not vary no trade-off is more typical than another.
    return float(performance / cost) if performance > 0 and cost > 0 else 1.0


class _Training:
    def __init__(self, router, data):
        used = np.flatnonzero(data.sample_weight)
        self.router = router
        self.data = data._replace(
            queries=data.queries and [data.queries[i] for i in used],
            embeddings=data.embeddings[used],
            # Relative weights are all that counts; so they fit into any precision.
            sample_weight=data.sample_weight[used] / data.sample_weight[used].mean(),
        )
        self.outcomes = stack_outcomes(data, router._any_trade_off)[used]
        self.device = resolve_device(router.device)
        self.dtype = getattr(torch, router.dtype)

    def run(self, on_train_begin):
        router, weight = self.router, self.data.sample_weight
        random_state = check_random_state(router.random_state)
        clusters = None
        if router.contrastive_weight > 0:
            clusters = self.tensor(
                cluster_queries(self.data.embeddings, weight, router.n_clusters, random_state),
                torch.long,
            )
        folds = self.folds(random_state)
        seed = random_state.randint(np.iinfo(np.int32).max)
        mean, unit = mean_and_scale(self.outcomes, weight, router.target_temperature)
        self.unit = self.tensor(unit)
        self.queries = TrainingTensors(
            self.tensor(self.outcomes), self.tensor(weight), clusters, self.tensor(mean)
        )
        if not router.fine_tune_encoder:
            self.standardize()
        objective, schedule = self.objective(), self.schedule()
        gains, n_epochs, out_of_fold_predictions, curve = [], router.max_iter, None, []
        # An encoder needs all threads there are; for the network alone see one_thread.
        threads = nullcontext() if router.fine_tune_encoder else one_thread()
        with threads, seeded(seed, self.device):
            if folds:
                learners = [self.learner(rows) for rows, _ in folds]
                held_out = [self.tensor(rows, torch.long) for _, rows in folds]
                n_epochs, gains, out_of_fold_predictions = cross_validate_epochs(
                    learners, self.queries, held_out, objective, schedule, self.report_validation
                )
                if not router.fit_intercept:
                    # An untrained network is then no constant choice to stay at.
                    n_epochs = n_epochs or router.max_iter
            self.final = self.learner(np.arange(len(weight)))
            if out_of_fold_predictions is not None:
                self.final = self.final.distilled(out_of_fold_predictions, router.distillation)
            on_epoch = on_train_begin(n_epochs)
            for loss in itertools.islice(
                epochs(self.final, self.queries, objective, schedule), n_epochs
            ):
                curve.append(loss)
                if on_epoch(self, curve):
                    break
        self.final.modules.eval()
        tuned = None if self.final.encoder is None else to_arrays(self.final.encoder)
        return Trained(self.ready_network(), self.architecture(), tuned, curve, gains)

    def ready_network(self):
        """The network of all queries as it is now, to be called on embeddings as they come."""
        network = deepcopy(self.final.network)
        if self.final.encoder is None:
            # It is trained on standardised embeddings.
            network.standardize(
                torch.from_numpy(self.scaler.mean_), torch.from_numpy(self.scaler.scale_)
            )
        return network

    def tensor(self, array, dtype=None):
        return torch.tensor(array, dtype=dtype or self.dtype, device=self.device)

    def objective(self):
        router = self.router
        return Objective(
            router.target_temperature,
            router.kl_direction,
            router.contrastive_weight,
            router.contrastive_temperature,
            typical_cost_weight(self.outcomes, self.data.sample_weight),
            router.outcome_weight if router._any_trade_off else 0.0,
        )

    def schedule(self):
        router = self.router
        return Schedule(
            router.learning_rate,
            router.encoder_learning_rate,
            router.weight_decay,
            router.batch_size or len(self.outcomes),
            router.max_iter,
            router.n_iter_no_change,
        )

    def folds(self, random_state):
        """Rows to train on and rows to hold out, in turn; none without early stopping."""
        n_queries = len(self.outcomes)
        n_folds = round(min(1 / self.router.validation_fraction, n_queries))
        if not self.router.early_stopping or n_folds < 2:
            return []
        seed = random_state.randint(np.iinfo(np.int32).max)
        folds = KFold(n_folds, shuffle=True, random_state=seed)
        return list(folds.split(np.empty(n_queries)))

    def standardize(self):
        """The standardisation, and the standardised embeddings: the same for all networks."""
        data = self.data
        self.scaler = StandardScaler().fit(data.embeddings, sample_weight=data.sample_weight)
        # In float64: what is left of a small difference between large numbers is worth keeping.
        self.ready = self.tensor(self.scaler.transform(data.embeddings.astype(np.float64)))

    def architecture(self):
        router = self.router
        _, n_llms, n_outcomes = self.outcomes.shape
        return {
            "n_features": self.data.embeddings.shape[1],
            "n_llms": n_llms,
            "dim": router.hidden_dim,
            "n_layers": router.n_layers,
            "n_heads": router.n_heads,
            "dropout": router.dropout,
            "backbone": router.backbone,
            "n_outcomes": n_outcomes,
        }

    def learner(self, rows):
        """A new network, with its own copy of the encoder if that is to be trained."""
        router, data = self.router, self.data
        network = RoutingNetwork(**self.architecture()).to(self.device, self.dtype)
        network.unit.copy_(self.unit)
        if router.fit_intercept:
            network.start_at_mean(self.queries.mean, self.unit)
        target = smooth_over_neighbors(
            self.outcomes[rows],
            data.embeddings[rows],
            data.sample_weight[rows],
            router.target_smoothing,
            router.n_neighbors,
        )
        examples = self.tensor(rows, torch.long), self.tensor(target)
        if not router.fine_tune_encoder:
            return Learner(network.eval(), None, lambda rows: self.ready[rows], *examples)
        encoder = router.encoder_._load(fresh=True).to(self.device)

        def embed(rows):
            batch = [data.queries[i] for i in rows.tolist()]
            return router.encoder_._embed(encoder, batch).to(self.dtype)

        return Learner(network.eval(), encoder, embed, *examples)

    def report_validation(self, epoch, loss, gain):
        if self.router.verbose:
            print(
                f"validation, epoch {epoch}/{self.router.max_iter}: loss {loss:.4f}, gain over "
                f"the best single LLM {gain:+.4f}"
            )
