"""Routers in files that run no code when they are loaded, with metadata that anyone can read.

May import `_encoders` and what stands before it. The types that a file may hold are listed by name.
"""
