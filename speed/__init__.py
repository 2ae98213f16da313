"""How fast the suite is: our works beside a bare PyTorch loop, stock Avalanche and the matrix products alone.

`python -m speed` measures; speed.csv, speed.json and the figure speed.{png,svg} are what it leaves.
"""
