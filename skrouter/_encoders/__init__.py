"""From query text to embeddings: models, truncation, the cache on disk.

May import `_targets` and what stands before it.
"""
