"""Which end of a long text a sentence-transformers model reads, and how much of it."""

from __future__ import annotations

import re
from contextlib import contextmanager

from skrouter._encoders.pretrained import LOCK

# A tokenizer splits all of a text, however few of its tokens are read: megabytes take seconds.
# Prose has about 4 characters in a token; texts with more in one are looked at again, up to the
# most that is read of any text.
_CHARS_PER_TOKEN = 8
_MOST_CHARS_PER_TOKEN = 64
# Tokens next to a cut that do not count: a word of 100 characters may become as many.
_MARGIN = 128
# Characters per token that are searched for blanks to leave out.
_CHARS_WITH_BLANKS = 1024
_BLANKS = re.compile(r"[ \t\n\r]{2,}")


@contextmanager
def truncation(module, side, max_length, prompt):
    """Set which end of long texts a module keeps, and how much, for the time of a ``with`` block.

    The settings live in the tokenizer, which threads share: other users wait until the block ends.

    Parameters
    ----------
    module : SentenceTransformer
    side : {"left", "right"}
        The end that is cut off.
    max_length : int or None
        Most tokens that are kept, special tokens included; None for the module's own.
    prompt : str or None
        Text that will be prepended.

    Yields
    ------
    callable
        ``fit(texts)`` returns the texts, cut so that the prompt is kept before what is left of
        them. sentence-transformers joins prompt and text before it truncates: on the left, a long
        text would push the prompt out.

    Raises
    ------
    ValueError
        If the module's tokenizer cannot do this.
    """
    from tokenizers import Tokenizer

    tokenizer = getattr(module, "tokenizer", None)
    with LOCK:
        if isinstance(tokenizer, Tokenizer):  # StaticEmbedding holds the bare tokenizer
            own = tokenizer.truncation or {}
            limit = max_length or own.get("max_length")

            def switch(active):
                tokenizer.no_truncation()
                if active and limit is not None:
                    tokenizer.enable_truncation(limit, direction=side)
                elif not active and own:
                    tokenizer.enable_truncation(**own)

            backend = tokenizer
        elif hasattr(tokenizer, "truncation_side"):
            own = tokenizer.truncation_side, module.max_seq_length
            limit = max_length or own[1]
            _check_positions(module, max_length)

            def switch(active):
                now = (side, limit) if active else own
                tokenizer.truncation_side, module.max_seq_length = now

            backend = getattr(tokenizer, "backend_tokenizer", None)
        else:
            raise ValueError(
                f"The tokenizer of this encoder ({type(tokenizer).__name__}) has no settings for "
                "truncation; only encoders with a Hugging Face tokenizer are supported."
            )

        def fit(texts):
            if limit is not None and any(
                len(text) > _CHARS_PER_TOKEN * (limit + _MARGIN) for text in texts
            ):
                if backend is not None:
                    backend.no_truncation()
                texts = [_shorten(backend, text, side, limit) for text in texts]
                switch(True)
            if not prompt or side == "right" or limit is None:
                return texts
            if backend is None:
                raise ValueError(
                    "A prompt together with truncation_side='left' needs a fast tokenizer, which "
                    "this encoder lacks; pass truncation_side='right'."
                )
            backend.no_truncation()
            # StaticEmbedding, unlike the others, adds no special tokens.
            n_prompt = len(backend.encode(prompt, add_special_tokens=backend is not tokenizer).ids)
            room = limit - n_prompt
            if room < 1:
                raise ValueError(
                    f"The prompt takes {n_prompt} tokens, special tokens included, which leaves no "
                    f"room for a text within {limit} tokens."
                )
            fitted = [_last_tokens(backend, text, room) for text in texts]
            switch(True)
            return fitted

        switch(True)
        try:
            yield fit
        finally:
            switch(False)


def _shorten(backend, text, side, limit):
    """Drop the characters of a long text that are far beyond the tokens which are read.

    What becomes of a character depends on those near it, so the tokens stay the same. The time
    for it is bounded: of a text with hardly a token in many characters, tokens may be lost.
    """

    def keep(text, n_per_token):
        n_chars = n_per_token * (limit + _MARGIN)
        return text[-n_chars:] if side == "left" else text[:n_chars]

    part = keep(text, _CHARS_PER_TOKEN)
    if len(part) == len(text):
        return text
    if backend is not None:
        if len(backend.encode(part, add_special_tokens=False).ids) >= limit + _MARGIN:
            return part
        if _ignores_blanks(backend):
            text = _BLANKS.sub(" ", keep(text, _CHARS_WITH_BLANKS))
    return keep(text, _MOST_CHARS_PER_TOKEN)


def _ignores_blanks(backend):
    few, many = (
        backend.encode(text, add_special_tokens=False).ids for text in (" a b ", "\n a \t\r\n  b  ")
    )
    return few == many


def _check_positions(module, max_length):
    config = getattr(module.transformers_model, "config", None)
    positions = getattr(config, "max_position_embeddings", None)
    # DeBERTa may have relative positions only, which do not end anywhere
    absolute = getattr(config, "position_biased_input", True)
    if absolute and max_length is not None and positions is not None and max_length > positions:
        raise ValueError(
            f"max_length={max_length}, but this encoder has positions for {positions} tokens only."
        )


def _last_tokens(backend, text, room):
    """Cut a text to its last `room` tokens, or fewer, at the start of a word if it has several."""
    encoding = backend.encode(text, add_special_tokens=False)
    first = len(encoding.ids) - room
    if first <= 0:
        return text
    # Within a word the rest would be split into other, possibly more, tokens.
    words = encoding.word_ids
    whole = first
    while whole < len(words) and words[whole] == words[first - 1]:
        whole += 1
    if whole < len(words):
        return text[encoding.offsets[whole][0] :]
    # One long word, as is a whole sentence of a script without spaces. What is left of it may be
    # split into more tokens, and would then push the prompt out.
    for start in dict.fromkeys(offset for offset, _ in encoding.offsets[first:]):
        if len(backend.encode(text[start:], add_special_tokens=False).ids) <= room:
            return text[start:]
    return text[encoding.offsets[first][0] :]
