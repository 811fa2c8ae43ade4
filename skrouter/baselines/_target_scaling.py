"""Regressors that see their targets at mean 0 and standard deviation 1."""

from __future__ import annotations

import numpy as np
from sklearn.preprocessing import StandardScaler


class StandardizedTargets:
    """Mixin before a regressor: it is fitted on standardised targets, and its mean is corrected.

    Performance in [0, 1] and costs of some dollars then suit the same settings. The mean of the
    predictions on the training rows is shifted to that of the targets: the absolute loss of a
    support vector machine is smallest at the median, which is 0 or 1 where outcomes are, so that
    LLMs of different quality would get equal predictions.
    """

    def fit(self, X, y, sample_weight=None):
        """Fit on standardised targets; arguments as for the regressor."""
        scaler = StandardScaler().fit(y.reshape(len(y), -1), sample_weight=sample_weight)
        center = scaler.mean_.reshape(y.shape[1:])
        self.target_scale_ = scaler.scale_.reshape(y.shape[1:])
        super().fit(X, (y - center) / self.target_scale_, sample_weight=sample_weight)
        raw = self.target_scale_ * super().predict(X)
        self.target_shift_ = center - np.average(raw, axis=0, weights=sample_weight)
        return self

    def predict(self, X):
        """Predict on the scale of the targets."""
        return self.target_scale_ * super().predict(X) + self.target_shift_
