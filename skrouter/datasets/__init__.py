"""Data sets: your own logs, RouterBench from files or from the hub, a seeded synthetic problem.

May import `_inputs`, which says what a query is, and `_utils`.
"""

from __future__ import annotations

from skrouter.datasets._fetch import fetch_routerbench, get_data_home
from skrouter.datasets._log import RoutingLog, load_log
from skrouter.datasets._log_summary import LogSummary
from skrouter.datasets._paretobandit import load_paretobandit
from skrouter.datasets._routerbench import load_routerbench
from skrouter.datasets._synthetic import make_routing_problem

__all__ = [
    "LogSummary",
    "RoutingLog",
    "fetch_routerbench",
    "get_data_home",
    "load_log",
    "load_paretobandit",
    "load_routerbench",
    "make_routing_problem",
]
