"""Queries as users hold them, text and chats, read once into plain lists.

May import `_utils`.
"""
