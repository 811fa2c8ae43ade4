"""A report on a fitted router: whether it pays, against what, and with what confidence.

May import every other room.
"""

from skrouter.report._result import RoutingReport
from skrouter.report._routing_report import routing_report

__all__ = ["RoutingReport", "routing_report"]
