"""ChatFormatter: chats to text, before encoders that take text alone."""

from __future__ import annotations

from typing import Self

from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils import get_tags
from sklearn.utils._param_validation import StrOptions

from skrouter._inputs.chat import TURNS
from skrouter._inputs.queries import check_queries, query_texts
from skrouter._utils.types import QueriesLike


class ChatFormatter(TransformerMixin, BaseEstimator):
    r"""Turn chats into text, for any encoder of text.

    A chat is a list of messages, mappings with "role" and "content", or a mapping that holds such
    a list as "messages". The content is a string, None, or a list of parts, of which those of type
    "text", "input_text" and "output_text" are read; images, tool calls and the like are left out.
    Texts of messages are joined by a blank line and parts of a message by a line break, without
    labels of roles. So a chat of one user message is the same as its text.

    Every router, and :class:`SentenceEncoder`, takes chats as they are. This transformer is for
    pipelines with other encoders, where other turns than the default ones are to count.

    Parameters
    ----------
    turns : {"user", "last_user", "all"}, default="user"
        Which messages are read.

        - "user": all of the role "user". It keeps what a follow-up such as "And in German?"
          refers to, and leaves out the system prompt, which mostly is the same for all queries,
          and the answers, which are long and would drown the questions.
        - "last_user": the last one of the role "user" that has text.
        - "all": every message, the system prompt, tool results and answers included.

        An encoder that cuts long texts off on the left, as :class:`SentenceEncoder` does, reads
        the end of any of these.

    See Also
    --------
    SentenceEncoder : Has the same parameter.

    Notes
    -----
    Strings are passed through, and may be mixed with chats. Nothing is learnt: `transform` works
    without `fit`.

    Examples
    --------
    >>> from skrouter import ChatFormatter
    >>> chat = [
    ...     {"role": "system", "content": "Be brief."},
    ...     {"role": "user", "content": "How do I say 'good morning' in French?"},
    ...     {"role": "assistant", "content": "Bonjour."},
    ...     {"role": "user", "content": "And in German?"},
    ... ]
    >>> ChatFormatter().transform([chat, "What is 2 + 2?"])
    ["How do I say 'good morning' in French?\n\nAnd in German?", 'What is 2 + 2?']
    >>> ChatFormatter(turns="last_user").transform([chat])
    ['And in German?']
    """

    _parameter_constraints = {"turns": [StrOptions(set(TURNS))]}

    def __init__(self, turns: str = "user") -> None:
        self.turns = turns

    def fit(self, X: QueriesLike, y: object = None) -> Self:
        """Check the parameter and the queries; nothing is learnt.

        Parameters
        ----------
        X : 1-D sequence of str or chats
            Queries.
        y : None
            Ignored, present for the scikit-learn interface.

        Returns
        -------
        ChatFormatter
            The transformer itself.

        Raises
        ------
        ValueError
            If `turns` is not as described, `X` is one query instead of a list, not 1-D or empty,
            or a chat lacks a message that counts, a role or a content.
        TypeError
            If a query is neither a ``str`` nor a chat.
        """
        self.transform(X)
        return self

    def transform(self, X: QueriesLike) -> list[str]:
        """Turn queries into text.

        Parameters
        ----------
        X : 1-D sequence of str or chats
            Queries. They are not modified.

        Returns
        -------
        list of str
            One text per query. It is empty where the turns that count hold no text, an image
            alone, say: a router has to answer that, too.

        Raises
        ------
        ValueError
            As `fit`.
        TypeError
            As `fit`.
        """
        self._validate_params()
        return query_texts(check_queries(X), self.turns)

    def __sklearn_is_fitted__(self):
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.string = True
        tags.input_tags.dict = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = []
        return tags


def takes_chats(transformer):
    """Tell whether a transformer takes chats as they are, by its tags.

    Parameters
    ----------
    transformer : transformer
        One that takes chats has the input tags `string` and `dict`. A pipeline is asked for its
        first step, a union for all its parts.

    Returns
    -------
    bool
    """
    if isinstance(transformer, Pipeline):
        steps = [step for _, step in transformer.steps if step not in (None, "passthrough")]
        return bool(steps) and takes_chats(steps[0])
    if isinstance(transformer, FeatureUnion):
        parts = [part for _, part in transformer.transformer_list if part != "drop"]
        return bool(parts) and all(map(takes_chats, parts))
    if not hasattr(transformer, "__sklearn_tags__"):  # it only has fit and transform
        return False
    tags = get_tags(transformer).input_tags
    return tags.string and tags.dict
