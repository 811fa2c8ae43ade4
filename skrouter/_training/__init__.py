"""The optimisation of RadialRouter: data to tensors, loop, early stopping.

May import `metrics` and what stands before it, and torch.
"""
