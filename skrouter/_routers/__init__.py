"""What every router shares, and RadialRouterClassifier.

May import `_training` and what stands before it; torch inside functions only.
"""
