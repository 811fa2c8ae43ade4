"""Small helpers with no knowledge of routing: statistics, paths, versions, torch state.

Imports nothing of skrouter but its version.
"""
