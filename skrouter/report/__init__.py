"""Reports: whether a fitted router pays, which of several to take, whether the world has moved.

May import every other room.
"""

from __future__ import annotations

from skrouter.report._compare_routers import RouterComparison, compare_routers
from skrouter.report._drift_report import DriftReport, drift_report
from skrouter.report._result import RoutingReport
from skrouter.report._routing_report import routing_report

__all__ = [
    "DriftReport",
    "RouterComparison",
    "RoutingReport",
    "compare_routers",
    "drift_report",
    "routing_report",
]
