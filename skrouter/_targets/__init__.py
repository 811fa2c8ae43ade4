"""What is learnt from and asked for: performance, cost, names, trade-offs, utility.

May import `_inputs` and what stands before it.
"""
