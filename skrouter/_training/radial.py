"""Training of RadialRouterClassifier: from checked data to a network."""

from __future__ import annotations

import itertools
import math
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from numbers import Integral
from typing import NamedTuple

import numpy as np
import torch
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from skrouter._training.averaging import Expected, FittedAverage, average_learners
from skrouter._training.closed_form import ClusterLearners, LinearLearners
from skrouter._training.early_stopping import cross_validate_epochs
from skrouter._training.judge import Judge
from skrouter._training.loop import Learner, Objective, Schedule, TrainingTensors, epochs
from skrouter._training.neighbors import cluster_queries, smooth_over_neighbors
from skrouter._training.outcomes import (
    mean_and_scale,
    performance_unit,
    stack_outcomes,
    typical_cost_weight,
)
from skrouter._training.validation import Validation
from skrouter._utils.folds import used_folds
from skrouter._utils.threads import in_thread
from skrouter._utils.torch_state import one_thread, resolve_device, seeded, to_arrays
from skrouter.nn.dropout import draws_from_torch
from skrouter.nn.network import RoutingNetwork

# Batches of "auto": 128 of as many queries as RouterBench has for training, and with half as many
# queries a quarter, so that few queries have more steps in an epoch. Chosen on synthetic problems:
# of 800 queries 50 steps per epoch do better than 25, of 2,225 no more than 17 are needed.
_TYPICAL_QUERIES, _TYPICAL_BATCH = 2225, 128
_LEAST_BATCH, _LARGEST_BATCH = 16, 256
_MANY_LLMS = 64  # with more a batch is smaller, which bounds the memory

# Rows that a network is trained on while it is found out what the network is worth: enough to say,
# and a fixed price whatever the number of queries.
_MAX_ROWS_OF_FOLD = 8_000


_CLOSED_FORM = {"linear": LinearLearners, "clusters": ClusterLearners}


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
    average : FittedAverage or None
        Of this network and other learners. None for the network as it comes.
    validation : Validation or None
        None without folds, and without an intercept.
    loss_curve : list of float
    validation_gains : list of float
        Of the network alone.
    """

    network: RoutingNetwork
    architecture: dict
    encoder_weights: dict | None
    average: FittedAverage | None
    validation: Validation | None
    loss_curve: list
    validation_gains: list


def train(settings, data, encoder, on_train_begin):
    """Train the network of a router on its data.

    Parameters
    ----------
    settings : TrainingSettings
    data : TrainingData
    encoder : SentenceEncoder or None
        The fitted encoder, if it is to be trained along.
    on_train_begin : callable
        Called with the number of epochs to come; returns what is called after every epoch, and
        stops training by returning true. It is called with a function that returns the network so
        far, its architecture and the average that it is part of, and with the losses so far.

    Returns
    -------
    trained : Trained
    """
    return _Training(settings, data, encoder).run(on_train_begin)


class _Training:
    """One training: the data as tensors, the networks of the folds, and the last network."""

    def __init__(self, settings, data, encoder):
        self.used = data.sample_weight > 0
        used = np.flatnonzero(self.used)
        self.settings, self.encoder = settings, encoder
        self.data = data._replace(
            queries=data.queries and [data.queries[i] for i in used],
            embeddings=data.embeddings[used],
            # Relative weights are all that counts; so they fit into any precision.
            sample_weight=data.sample_weight[used] / data.sample_weight[used].mean(),
        )
        self.unit = performance_unit(data)
        self.outcomes = stack_outcomes(data, settings.any_trade_off, self.unit)[used]
        self.device = resolve_device(settings.device)
        self.dtype = getattr(torch, settings.dtype)

    def run(self, on_train_begin):
        settings, weight = self.settings, self.data.sample_weight
        random_state = check_random_state(settings.random_state)
        clusters = None
        if settings.contrastive_weight > 0:
            n_clusters = settings.expert.n_clusters
            clusters = self.tensor(
                cluster_queries(self.data.embeddings, weight, n_clusters, random_state), torch.long
            )
        folds = self.folds(random_state)
        self.mean, scale = mean_and_scale(self.outcomes, weight, settings.target_temperature)
        self.scale = self.tensor(scale)
        # List prices do not vary, but for rounding.
        self.varies = self.scale.cpu().numpy() > 0
        self.queries = TrainingTensors(
            self.tensor(self.outcomes), self.tensor(weight), clusters, self.tensor(self.mean)
        )
        if self.encoder is None:
            self.standardize()
        seeds = random_state.randint(np.iinfo(np.int32).max, size=3).tolist()
        n_epochs, gains, curve = settings.max_iter, [], []
        average, validation, expected = None, None, None
        with self.torch_state(seeds[0]) as n_threads:
            fold_learners = self.fold_learners(folds, random_state)
            job = self.closed_form, folds, seeds[2]
            with in_thread(*job, beside=n_threads > 1) as closed_form:
                if fold_learners:
                    n_epochs, gains, expected = self.cross_validate(folds, fold_learners, n_threads)
            learners = closed_form.result()
        if folds and settings.fit_intercept:
            average, validation, expected = self.average(folds, expected, learners)
            if not average.network_factor.any():
                n_epochs = 0
        rows = np.arange(len(weight))
        target = self.smooth(rows) if n_epochs else self.outcomes
        with self.torch_state(seeds[1]):
            self.final = self.learner(rows, target)
            if expected is not None:
                self.final = self.final.distilled(self.tensor(expected), settings.distillation)
            on_epoch = on_train_begin(n_epochs)
            run = epochs(self.final, self.queries, self.objective(), self.schedule())
            for loss in itertools.islice(run, n_epochs):
                curve.append(loss)
                if on_epoch(lambda: (self.ready_network(), self.architecture(), average), curve):
                    break
        self.final.modules.eval()
        return Trained(
            self.ready_network(),
            self.architecture(),
            None if self.final.encoder is None else to_arrays(self.final.encoder),
            average,
            validation,
            curve,
            [self.unit * gain for gain in gains],
        )

    @property
    def learners(self):
        """Names of those to average. The others need the intercept, folds and fixed embeddings."""
        if self.encoder is not None or not self.settings.fit_intercept or self.settings.cv is None:
            return ("network",)
        return tuple(self.settings.expert.learners)

    @contextmanager
    def torch_state(self, seed):
        """A generator for the block, and one thread; yields how many threads may be used."""
        # An encoder needs all threads there are; for the network alone see one_thread.
        threads = one_thread() if self.encoder is None else nullcontext(1)
        with threads as n_threads, seeded(seed, self.device):
            yield n_threads

    def fold_learners(self, folds, random_state):
        """A network for each fold, to be trained without it."""
        if "network" not in self.learners:
            return []
        rows = [self.some_of(train, random_state) for train, _ in folds]
        return list(map(self.learner, rows, map(self.smooth, rows)))

    def cross_validate(self, folds, learners, n_threads):
        """The number of epochs, the gains after each, and what was expected out of fold."""
        n_epochs, gains, expected = cross_validate_epochs(
            learners,
            self.queries,
            [self.tensor(held_out, torch.long) for _, held_out in folds],
            self.objective(),
            self.schedule(),
            n_threads if self.device == "cpu" else 1,
            self.report_validation,
        )
        return n_epochs, gains, expected.cpu().numpy()

    def closed_form(self, folds, seed):
        """The learners that are not trained step by step, by name."""
        folds, random_state = [rows for _, rows in folds], np.random.RandomState(seed)
        return {
            name: _CLOSED_FORM[name](
                self.data.embeddings,
                self.deviations(),
                self.data.sample_weight,
                folds,
                random_state,
            )
            for name in self.learners
            if folds and name != "network"
        }

    def deviations(self):
        """Of the outcomes from their means; zero where they are the same for all queries."""
        return np.where(self.varies, self.outcomes - self.mean, 0.0).reshape(len(self.outcomes), -1)

    def average(self, folds, out_of_fold_predictions, learners):
        """The average of the learners by what they are worth out of fold, see there."""
        settings, data = self.settings, self.data
        if out_of_fold_predictions is not None:
            expected = out_of_fold_predictions.astype(np.float64) - self.mean
            # The mean of an LLM that was never observed is infinite.
            expected = np.where(self.varies & np.isfinite(expected), expected, 0.0)
            learners = {"network": Expected(expected.reshape(len(expected), -1)), **learners}
        judge = Judge(
            self.outcomes,
            self.mean,
            data.sample_weight,
            [rows for _, rows in folds],
            typical_cost_weight(self.outcomes, data.sample_weight),
            settings.target_temperature,
        )
        average, validation, predictions = average_learners(learners, judge, self.mean)
        validation = validation.scaled(self.unit)
        if not settings.any_trade_off:
            validation = validation.of_utility(settings.cost_weight)
        return average.scaled(self.unit), validation, predictions

    def ready_network(self):
        """The network of all queries as it is now, to be called on embeddings as they come."""
        network = deepcopy(self.final.network)
        if self.final.encoder is None:
            # It is trained on standardised embeddings.
            network.standardize(
                torch.from_numpy(self.scaler.mean_), torch.from_numpy(self.scaler.scale_)
            )
        # From the unit of training back to that of the data.
        network.outcome_mean[:, 0] *= self.unit
        network.outcome_scale[:, 0] *= self.unit
        return network

    def tensor(self, array, dtype=None):
        return torch.tensor(array, dtype=dtype or self.dtype, device=self.device)

    def objective(self):
        settings = self.settings
        return Objective(
            settings.target_temperature,
            settings.expert.kl_direction,
            settings.contrastive_weight,
            settings.contrastive_temperature,
            typical_cost_weight(self.outcomes, self.data.sample_weight),
            settings.expert.outcome_weight if settings.any_trade_off else 0.0,
        )

    def schedule(self):
        settings = self.settings
        return Schedule(
            settings.learning_rate,
            settings.expert.encoder_learning_rate,
            settings.expert.weight_decay,
            self.batch_size(),
            settings.max_iter,
        )

    def batch_size(self):
        """A number of queries, whatever was asked for."""
        n_queries, n_llms, _ = self.outcomes.shape
        wanted = self.settings.batch_size
        if wanted == "auto":
            wanted = _TYPICAL_BATCH * (n_queries / _TYPICAL_QUERIES) ** 2
            wanted = 2 ** int(math.log2(min(max(wanted, _LEAST_BATCH), _LARGEST_BATCH)))
            wanted = max(1, min(wanted, _LARGEST_BATCH * _MANY_LLMS // n_llms))
        return min(wanted or n_queries, n_queries)

    def folds(self, random_state):
        """Rows to train on and rows to hold out, in turn; none without early stopping."""
        n_queries, cv = len(self.outcomes), self.settings.cv
        if cv is None:
            return []
        if not isinstance(cv, Integral):
            return used_folds(cv, self.used)
        if min(cv, n_queries) < 2:
            return []
        seed = random_state.randint(np.iinfo(np.int32).max)
        folds = KFold(min(cv, n_queries), shuffle=True, random_state=seed)
        return list(folds.split(np.empty(n_queries)))

    def standardize(self):
        """The standardisation, and the standardised embeddings: the same for all networks."""
        data = self.data
        self.scaler = StandardScaler().set_output(transform="default")
        self.scaler.fit(data.embeddings, sample_weight=data.sample_weight)
        # In float64: what is left of a small difference between large numbers is worth keeping.
        self.ready = self.tensor(self.scaler.transform(data.embeddings.astype(np.float64)))

    def architecture(self):
        settings = self.settings
        _, n_llms, n_outcomes = self.outcomes.shape
        return {
            "n_features": self.data.embeddings.shape[1],
            "n_llms": n_llms,
            "dim": settings.hidden_dim,
            "n_layers": settings.n_layers,
            "n_heads": settings.expert.n_heads,
            "dropout": settings.dropout,
            "backbone": settings.backbone,
            "n_outcomes": n_outcomes,
        }

    def smooth(self, rows):
        """What to train towards on these rows."""
        return smooth_over_neighbors(
            self.outcomes[rows],
            self.data.embeddings[rows],
            self.data.sample_weight[rows],
            self.settings.target_smoothing,
            self.settings.expert.n_neighbors,
        )

    def learner(self, rows, target):
        """A new network, with its own copy of the encoder if that is to be trained."""
        settings, data = self.settings, self.data
        network = RoutingNetwork(**self.architecture()).to(self.device, self.dtype)
        network.outcome_scale.copy_(self.scale)
        if settings.fit_intercept:
            network.start_at_mean(self.queries.mean)
        examples = self.tensor(rows, torch.long), self.tensor(target)
        if self.encoder is None:
            generator = None if draws_from_torch(network) else self.generator()
            return Learner(
                network.eval(), None, lambda rows: self.ready[rows], *examples, generator
            )
        module = self.encoder._load(fresh=True).to(self.device)

        def embed(rows):
            batch = [data.queries[i] for i in rows.tolist()]
            return self.encoder._embed(module, batch).to(self.dtype)

        return Learner(network.eval(), module, embed, *examples, None)

    def some_of(self, rows, random_state):
        """As many of the rows of a fold as are trained on there."""
        if len(rows) <= _MAX_ROWS_OF_FOLD:
            return rows
        return np.sort(random_state.choice(rows, _MAX_ROWS_OF_FOLD, replace=False))

    def generator(self):
        """One that begins where the seed of the process's own says."""
        seed = torch.randint(2**62, ()).item()
        return torch.Generator(self.device).manual_seed(seed)

    def report_validation(self, epoch, loss, gain):
        if self.settings.verbose:
            print(
                f"validation, epoch {epoch}/{self.settings.max_iter}: loss {loss:.4f}, gain over "
                f"the best single LLM {self.unit * gain:+.4f}"
            )
