"""Data sets: RouterBench from files or from the hub, and a seeded synthetic routing problem.

May import `_utils` alone.
"""

from skrouter.datasets._fetch import fetch_routerbench, get_data_home
from skrouter.datasets._routerbench import load_routerbench
from skrouter.datasets._synthetic import make_routing_problem

__all__ = ["fetch_routerbench", "get_data_home", "load_routerbench", "make_routing_problem"]
