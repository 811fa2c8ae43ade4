"""Edits of queries that keep their meaning, and how often they flip a decision.

May import the other modules of `metrics`.
"""
