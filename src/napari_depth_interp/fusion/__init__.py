"""Several thick stacks of one specimen: brought onto each other, and fused into one volume that explains them all.

Nothing here knows commands or windows; one stack alone is the business of ``run``.
"""
