"""Reports: whether a fitted router pays, and which of several routers to take.

May import every other room.
"""

from skrouter.report._compare_routers import RouterComparison, compare_routers
from skrouter.report._result import RoutingReport
from skrouter.report._routing_report import routing_report

__all__ = ["RouterComparison", "RoutingReport", "compare_routers", "routing_report"]
