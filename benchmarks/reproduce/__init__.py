"""The parts, tables and figures of ``benchmarks/reproduce_paper.py``."""
