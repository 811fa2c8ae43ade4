"""Chats: what counts as one, what is wrong with one, and the text that stands for it.

A chat is a list of messages, mappings with "role" and "content", as the APIs of LLMs take them;
or the mapping that holds such a list as "messages", the body of a request.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

TURNS = ("user", "last_user", "all")

# A chat of one user message gives exactly its text, so that a router fitted on plain queries reads
# both alike. Hence no labels of roles; encoders of sentences know none anyway.
_BETWEEN_TURNS = "\n\n"
_BETWEEN_PARTS = "\n"

_TEXT_PARTS = ("text", "input_text", "output_text")
# Their absence of content is no mistake: what the assistant did is in these keys.
_INSTEAD_OF_CONTENT = ("tool_calls", "function_call")

_WANTED = "a message is a mapping with 'role' and 'content'"


def is_message(value):
    """Tell whether `value` looks like one message of a chat."""
    return (
        isinstance(value, Mapping)
        and "messages" not in value
        and ("role" in value or "content" in value)
    )


def is_chat(value):
    """Tell whether `value` looks like a chat; one look at its first element decides."""
    if isinstance(value, Mapping):
        return "messages" in value
    return _is_sequence(value) and len(value) > 0 and isinstance(value[0], Mapping)


def check_chat(chat, where):
    """Check what every chat must have, whichever of its turns count.

    Parameters
    ----------
    chat : object
        For which :func:`is_chat` is True.
    where : str
        What to call it in error messages, "element 3 of X".

    Raises
    ------
    ValueError
        If there is no message, or a message lacks its role or its content.
    TypeError
        If a message, a role or a content is of a wrong type.
    """
    if isinstance(chat, Mapping) and not _is_sequence(chat["messages"]):
        raise TypeError(
            f"'messages' of {where} is of type {type(chat['messages']).__name__}; a list is wanted."
        )
    messages = _messages(chat)
    if not messages:
        raise ValueError(f"{where} is a chat without messages.")
    for label, message in messages:
        _check_message(message, f"{label} of {where}")


def chat_text(chat, turns, where):
    """Text of those turns of a checked chat that count.

    Parameters
    ----------
    chat : list, tuple, ndarray or mapping
        Passed by :func:`check_chat`.
    turns : {"user", "last_user", "all"}
        As in :class:`~skrouter.ChatFormatter`.
    where : str
        What to call it in error messages.

    Returns
    -------
    str
        Empty if the turns that count hold no text, an image alone, say.

    Raises
    ------
    ValueError
        If no message counts.
    """
    messages = [message for _, message in _messages(chat)]
    counted = [m for m in messages if turns == "all" or m["role"] == "user"]
    if not counted:
        roles = ", ".join(dict.fromkeys(repr(message["role"]) for message in messages))
        raise ValueError(
            f"{where} is a chat without a message of the role 'user' (its roles: {roles}), but "
            f"turns={turns!r} reads these alone; add one, or read turns='all'."
        )
    texts = [text for message in counted if (text := _message_text(message))]
    return _BETWEEN_TURNS.join(texts[-1:] if turns == "last_user" else texts)


def edit_last_user(chat, edit):
    """Copy a checked chat with the text of the user's last message that has text edited.

    Parameters
    ----------
    chat : list, tuple, ndarray or mapping
    edit : callable
        ``edit(text)`` returns the new text.

    Returns
    -------
    list or dict
        Of the same form as `chat`. Parts that are not text are kept, those that are become one.
        Where no message of the user has text, `chat` itself.
    """
    body = isinstance(chat, Mapping)
    messages = list(chat["messages"] if body else chat)
    for position in reversed(range(len(messages))):
        message = messages[position]
        if message["role"] == "user" and (text := _message_text(message)):
            content, new = message["content"], edit(text)
            if not isinstance(content, str):
                others = [part for part in content if part["type"] not in _TEXT_PARTS]
                new = [{"type": "text", "text": new}, *others]
            messages[position] = {**message, "content": new}
            return {**chat, "messages": messages} if body else messages
    return chat


def _is_sequence(value):
    # Files in columns, such as Parquet, give lists back as arrays.
    return isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim == 1)


def _messages(chat):
    """Messages with what to call them."""
    if not isinstance(chat, Mapping):
        return [(f"message {i}", message) for i, message in enumerate(chat)]
    messages = [(f"message {i}", message) for i, message in enumerate(chat["messages"])]
    if chat.get("system") is not None:  # some APIs have the system prompt beside the messages
        messages.insert(0, ("'system'", {"role": "system", "content": chat["system"]}))
    return messages


def _check_message(message, where):
    if not isinstance(message, Mapping):
        raise TypeError(f"{where} is of type {type(message).__name__}; {_WANTED}.")
    if "role" not in message:
        raise ValueError(f"{where} has no 'role'; {_WANTED}, it has {sorted(map(str, message))}.")
    if not isinstance(message["role"], str):
        raise TypeError(
            f"The role of {where} is of type {type(message['role']).__name__}; a str is wanted."
        )
    if "content" not in message:
        if any(message.get(key) is not None for key in _INSTEAD_OF_CONTENT):
            return
        raise ValueError(
            f"{where} has no 'content'; {_WANTED}, it has {sorted(map(str, message))}."
        )
    content = message["content"]
    if content is None or isinstance(content, str):
        return
    if not _is_sequence(content):
        raise TypeError(
            f"The content of {where} is of type {type(content).__name__}; a str, None or a list of "
            "parts is wanted."
        )
    for position, part in enumerate(content):
        _check_part(part, f"part {position} of the content of {where}")


def _check_part(part, where):
    if not isinstance(part, Mapping) or not isinstance(part.get("type"), str):
        raise TypeError(
            f"{where} is {type(part).__name__} without a 'type'; a part is a mapping such as "
            "{'type': 'text', 'text': '...'}."
        )
    if part["type"] in _TEXT_PARTS and not isinstance(part.get("text"), str):
        raise TypeError(
            f"{where} is of type {part['type']!r}, but its 'text' is of type "
            f"{type(part.get('text')).__name__}; a str is wanted."
        )


def _message_text(message):
    content = message.get("content")
    if content is None or isinstance(content, str):
        return content or ""
    return _BETWEEN_PARTS.join(part["text"] for part in content if part["type"] in _TEXT_PARTS)
