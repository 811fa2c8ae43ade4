"""A fitted network as plain arrays, so that a saved router needs no torch objects or device."""

import warnings

import numpy as np
import sklearn
from sklearn.exceptions import InconsistentVersionWarning

import skrouter


def to_arrays(module):
    """Weights and buffers of a torch module as a dict of NumPy arrays, copied."""
    return {
        name: tensor.detach().cpu().numpy().copy() for name, tensor in module.state_dict().items()
    }


def from_arrays(module, arrays):
    """Load arrays from :func:`to_arrays` into a module of the same shape, copied."""
    import torch

    # np.array: arrays that joblib memory-maps are read-only, which torch does not support.
    # assign: the module takes the precision of the arrays.
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    module.load_state_dict(tensors, assign=True)
    return module


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
