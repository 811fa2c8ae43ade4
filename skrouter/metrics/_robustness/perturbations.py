"""Edits of a query that leave its meaning as it is, or nearly so.

Every edit is a function ``edit(text, rng)`` that returns the new text, or the old one where it
knows of nothing to change; `rng` is a :class:`numpy.random.Generator`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from numpy.random import Generator

Edit: TypeAlias = Callable[[str, Generator], str]

_TYPO_SHARE = 0.1  # of the words that can have one; one at least

# A word of an alphabet: four letters or more, so that the first and the last stay. Parts of names
# with digits or underscores are code. Chinese, Japanese and Korean have no such words: one
# character more or fewer makes another word.
_WORD = re.compile(r"(?<!\w)[^\W\d_]{4,}(?!\w)")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")

_BETWEEN_WORDS = re.compile(r"(?<=\S) (?=\S)")
# Of several scripts; the first two escapes are the full-width question and exclamation marks.
_FINAL_MARK = re.compile(r"([.?!\uff1f\uff01。؟।])(\s*)$")

_POLITE_PHRASES = (
    "Hi! {}",
    "Please help me with this: {}",
    "Could you tell me: {}",
    "I have a question. {}",
    "{} Thanks.",
    "{} Thank you in advance!",
)

# One way only: "it's" may be "it has".
_CONTRACTIONS = {
    "are not": "aren't",
    "can not": "can't",
    "cannot": "can't",
    "could not": "couldn't",
    "did not": "didn't",
    "do not": "don't",
    "does not": "doesn't",
    "how is": "how's",
    "i am": "I'm",
    "i will": "I'll",
    "is not": "isn't",
    "it is": "it's",
    "should not": "shouldn't",
    "that is": "that's",
    "there is": "there's",
    "they are": "they're",
    "was not": "wasn't",
    "we are": "we're",
    "were not": "weren't",
    "what is": "what's",
    "where is": "where's",
    "who is": "who's",
    "will not": "won't",
    "would not": "wouldn't",
    "you are": "you're",
}
# Both ways. Few, as few words can be exchanged wherever they stand.
_SYNONYMS = (
    ("a lot of", "lots of"),
    ("although", "though"),
    ("children", "kids"),
    ("color", "colour"),
    ("email", "e-mail"),
    ("for example", "for instance"),
    ("in order to", "so as to"),
    ("maybe", "perhaps"),
    ("nearly", "almost"),
    ("okay", "OK"),
    ("percent", "per cent"),
    ("step by step", "step-by-step"),
    ("television", "TV"),
    ("therefore", "thus"),
    ("until", "till"),
)
_REPLACEMENTS: Mapping[str, str] = (
    _CONTRACTIONS
    | {here.lower(): there for here, there in _SYNONYMS}
    | {there.lower(): here for here, there in _SYNONYMS}
)


def _any_of(phrases: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(phrases, key=len, reverse=True)))


# "that is," and "what it is." are not contracted: a word has to follow.
_REPLACEABLE = re.compile(
    rf"(?<![\w'-])(?:(?:{_any_of(_CONTRACTIONS)})(?= \w)"
    rf"|(?:{_any_of(_REPLACEMENTS.keys() - _CONTRACTIONS.keys())}))(?![\w'-])",
    re.IGNORECASE,
)


def typos(text: str, rng: Generator) -> str:
    """Swap, drop or double a letter within some words."""
    words = [m for m in _WORD.finditer(text) if not _CJK.search(m[0])]
    if not words:
        return text
    n_typos = max(1, round(_TYPO_SHARE * len(words)))
    for i in sorted(rng.choice(len(words), n_typos, replace=False), reverse=True):
        start, word = words[i].start(), words[i][0]
        text = text[:start] + _misspell(word, rng) + text[start + len(word) :]
    return text


def _misspell(word: str, rng: Generator) -> str:
    at = rng.integers(1, len(word) - 1)  # neither the first letter nor the last
    change = rng.integers(3)
    # Not the last one, and not a double letter, which would stay as it is.
    if change == 0 and at + 1 < len(word) - 1 and word[at] != word[at + 1]:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if change == 1:
        return word[:at] + word[at + 1 :]
    return word[:at] + word[at] + word[at:]


def case(text: str, rng: Generator) -> str:
    """All in lower case, or all in upper case."""
    variants = [text.lower(), text.upper()]
    others = [variant for variant in variants if variant != text]
    return others[rng.integers(len(others))] if others else text


def spacing(text: str, rng: Generator) -> str:
    """Double some spaces between words, and end with a blank or a line break."""
    text = _BETWEEN_WORDS.sub(lambda match: " " * (1 + (rng.random() < 0.2)), text)
    return text + (" ", "\n", "  ", "\n\n")[rng.integers(4)]


def punctuation(text: str, rng: Generator) -> str:
    """Drop or double the mark at the end, or add a full stop where there is none."""
    match = _FINAL_MARK.search(text)
    if match is None:
        last = text.rstrip()
        if not last or not last[-1].isalnum():
            return text
        stop = "。" if _CJK.match(last[-1]) else "."
        return last + stop + text[len(last) :]
    mark, blank = match.groups()
    return text[: match.start()] + (mark * 2 if rng.random() < 0.5 else "") + blank


def politeness(text: str, rng: Generator) -> str:
    """Put a polite English phrase around the text, if half of its letters or more are Latin."""
    letters = [character for character in text if character.isalpha()]
    # The Latin letters with their accents end at U+024F.
    if not letters or 2 * sum(letter <= "\u024f" for letter in letters) < len(letters):
        return text
    return _POLITE_PHRASES[rng.integers(len(_POLITE_PHRASES))].format(text)


def wording(text: str, rng: Generator) -> str:
    """Contract or exchange English words by a small table."""
    matches = list(_REPLACEABLE.finditer(text))
    if not matches:
        return text
    chosen = rng.random(len(matches)) < 0.5
    chosen[rng.integers(len(matches))] = True
    for match, change in reversed(list(zip(matches, chosen, strict=True))):
        if change:
            new = _REPLACEMENTS[match[0].lower()]
            if match[0][0].isupper() and not match[0].isupper():
                new = new[0].upper() + new[1:]
            text = text[: match.start()] + new + text[match.end() :]
    return text


EDITS: dict[str, Edit] = {
    "typos": typos,
    "case": case,
    "spacing": spacing,
    "punctuation": punctuation,
    "politeness": politeness,
    "wording": wording,
}
