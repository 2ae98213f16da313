"""The mathematics of the methods: pure functions on flat vectors, one file a method, no Avalanche.

Every vector is flat, shape [P], with P the number of weights. State is immutable: functions return a new one.
Examples begin after `import torch` and `from cl_bench.posteriors import <the module>`.
"""
