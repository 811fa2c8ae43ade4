"""A router around another one: what it hands through."""

from __future__ import annotations

from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skrouter._routers.base import BaseRouter
from skrouter._routers.routing import RoutingMethods
from skrouter._targets.utility import PredictedOutcomes
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.types import Names, QueriesLike


def _router_has(method):
    def check(self):
        # Raises the router's own AttributeError if there is no such method.
        getattr(getattr(self, "router_", self.router), method)
        return True

    return check


@with_shared_parts
class AroundRouter(RoutingMethods, MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Base of routers that fit the parameter `router` as `router_`, and have its pool."""

    router: BaseEstimator
    router_: BaseRouter

    @available_if(_router_has("predict_outcomes"))
    def predict_outcomes(self, X: QueriesLike) -> PredictedOutcomes:
        """Predict the performance and the cost of every LLM, as the router does.

        Parameters
        ----------
        %(X)s

        Returns
        -------
        outcomes : PredictedOutcomes
            Those of the router, whichever LLM is called.
        """
        check_is_fitted(self)
        return self.router_.predict_outcomes(X)

    @property
    def classes_(self) -> Names:
        """Names of the LLMs of the router, whose pool may change after `fit`."""
        return self.router_.classes_

    @property
    def _own_cost_weight(self):
        return self.router_.cost_weight

    def _take_over(self, router):
        """Set the attributes that a fitted router gives."""
        self.router_ = router
        for name in ("n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)
            if hasattr(router, name):
                setattr(self, name, getattr(router, name))

    def _read_scored_target(self, y, cost):
        return self.router_._read_scored_target(y, cost)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        of_router = get_tags(self.router)
        tags.input_tags = of_router.input_tags
        tags.classifier_tags = of_router.classifier_tags
        tags.non_deterministic = of_router.non_deterministic
        return tags
