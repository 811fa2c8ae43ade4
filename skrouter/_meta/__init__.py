"""Estimators and plans around a router: fallback, risk control, budgets.

May import `baselines` and what stands before it.
"""
