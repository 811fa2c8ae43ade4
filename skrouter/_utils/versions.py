"""Versions that a saved router was made with, and a warning where it is loaded by others."""

from __future__ import annotations

import warnings

import sklearn
from sklearn.exceptions import InconsistentVersionWarning

import skrouter


def versions():
    """Versions that a saved router was made with."""
    return {"skrouter": skrouter.__version__, "scikit-learn": sklearn.__version__}


def warn_on_other_versions(name, saved):
    """Warn if an estimator was saved by other versions than those at hand."""
    if saved["scikit-learn"] != sklearn.__version__:
        warnings.warn(
            InconsistentVersionWarning(
                estimator_name=name,
                current_sklearn_version=sklearn.__version__,
                original_sklearn_version=saved["scikit-learn"],
            ),
            stacklevel=3,
        )
    if saved["skrouter"] != skrouter.__version__:
        warnings.warn(
            f"This {name} was saved by skrouter {saved['skrouter']} and is loaded by "
            f"{skrouter.__version__}. It may not work, or give other results; fit it again to be "
            "sure.",
            UserWarning,
            stacklevel=3,
        )
