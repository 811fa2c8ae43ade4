"""From a sentence-transformers model to the ONNX graph of its transformer.

sentence-transformers has such an export, too, but takes it from optimum-onnx, which works with no
version of transformers that sentence-transformers takes by now.
"""

from __future__ import annotations

import copy
import logging
import tempfile
import warnings
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import numpy as np

from skrouter._encoders.pretrained import LOCK, PROBE

# A graph in one file holds less than this.
_MOST_BYTES = 2**31
# A graph may differ from its model by this share of the largest number. Rounding is some 1e-6.
_TOLERANCE = 1e-4


def import_extra(name):
    """Import a package of the extra "onnx", or say how to install it."""
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(f"backend='onnx' needs {name}: pip install \"skrouter[onnx]\"") from error


def open_session(graph):
    """Make a graph runnable.

    Parameters
    ----------
    graph : bytes or path-like

    Returns
    -------
    onnxruntime.InferenceSession
    """
    onnxruntime = import_extra("onnxruntime")
    options = onnxruntime.SessionOptions()
    # Threads of a pool would not live on in a forked process.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        graph,
        options,
        providers=["CPUExecutionProvider"],
        # The joint kernel is slower than its parts.
        disabled_optimizers=["SkipLayerNormFusion"],
    )


def export(module, precision):
    """Make the graph of a module's transformer, and hold it against the module.

    Parameters
    ----------
    module : SentenceTransformer
        On the CPU. It is not changed.
    precision : {"float32", "int8"}
        With "int8" the weights are whole numbers of 8 bits, one scale per column, and what is
        multiplied by them is rounded to 8 bits as it comes.

    Returns
    -------
    bytes
        The graph: "input_ids" of one text, without padding, to the embeddings of its tokens.

    Raises
    ------
    ImportError
        If onnx, onnxscript or onnxruntime is not installed.
    ValueError
        If the module does not begin with a transformer, is too large, or its graph gives other
        embeddings than itself.
    """
    import torch

    transformer = _check_exportable(module)
    for name in ("onnx", "onnxscript"):
        import_extra(name)
    # Attention written out: the joint operation guards against rows without any token, which
    # takes longer than the attention itself, and which a text without padding does not have.
    transformer = copy.deepcopy(transformer)
    transformer.set_attn_implementation("eager")

    class Tokens(torch.nn.Module):
        """Token ids to the embeddings of tokens, alone."""

        def __init__(self):
            super().__init__()
            self.transformer = transformer

        def forward(self, input_ids):
            return self.transformer(input_ids=input_ids)[0]

    with tempfile.TemporaryDirectory() as folder, _quiet(), torch.inference_mode(False):
        program = torch.onnx.export(
            Tokens().eval(),
            (_features(module, PROBE)["input_ids"],),
            dynamo=True,
            input_names=["input_ids"],
            output_names=["token_embeddings"],
            dynamic_shapes=({1: torch.export.Dim.DYNAMIC},),
            verbose=False,
        )
        file = Path(folder) / "graph.onnx"
        program.save(file, external_data=False)
        _check_graph(module, file)
        if precision == "int8":
            tool = import_extra("onnxruntime.quantization")
            weight_type = tool.QuantType.QInt8
            tool.quantize_dynamic(file, file, per_channel=True, weight_type=weight_type)
        return file.read_bytes()


def _check_exportable(module):
    first = next(iter(module))
    transformer = module.transformers_model
    if transformer is None or not any(part is transformer for part in first.modules()):
        raise ValueError(
            f"backend='onnx' is for models that begin with a transformer; this one begins with "
            f"{type(first).__name__}, which backend='torch' runs as fast."
        )
    n_bytes = 4 * sum(parameter.numel() for parameter in transformer.parameters())
    if n_bytes >= _MOST_BYTES:
        raise ValueError(
            f"backend='onnx' is for models below 2 GiB; the weights of this one have "
            f"{n_bytes / 2**30:.1f} GiB."
        )
    return transformer


def _features(module, text):
    with LOCK:  # other threads may have set the tokenizer otherwise, for as long as they hold it
        return module.preprocess([text])


def _check_graph(module, file):
    """Refuse a graph that is of no use: texts of three lengths tell."""
    import torch

    session = open_session(file)
    for text in ("a", PROBE, 20 * PROBE):
        features = _features(module, text)
        with torch.inference_mode():
            wanted = next(iter(module))(dict(features))["token_embeddings"][0].numpy()
        (found,) = session.run(None, {"input_ids": features["input_ids"].numpy()})
        error = np.abs(found[0] - wanted).max() / np.abs(wanted).max()
        if not error < _TOLERANCE:
            raise ValueError(
                "backend='onnx' cannot be used for this model: its graph differs from it by "
                f"{error:.1g} of the largest number. Use backend='torch'."
            )


@contextmanager
def _quiet():
    """Let the exporter work without its warnings, which tell of nothing that a user can mend."""
    exporter, root = logging.getLogger("torch.onnx"), logging.getLogger()
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    root.addFilter(_is_no_advice)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        exporter.setLevel(level)
        root.removeFilter(_is_no_advice)


def _is_no_advice(record):
    return "pre-processing before quantization" not in record.getMessage()
