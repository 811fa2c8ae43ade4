"""Plots, one Display class a module; matplotlib is imported when one is drawn.

May import the other modules of `metrics`.
"""
