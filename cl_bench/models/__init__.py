"""Networks for continual learning: a body that makes features, and equal-width heads fixed from the start."""

from cl_bench.models.convolutional import cnn
from cl_bench.models.heads import Heads, Task
from cl_bench.models.network import Network
from cl_bench.models.perceptron import mlp
from cl_bench.models.residual import resnet18

__all__ = ["Heads", "Network", "Task", "cnn", "mlp", "resnet18"]
