"""Networks for continual learning: a body that makes features, and equal-width heads fixed from the start."""

from cl_bench.models.adoption import adopted
from cl_bench.models.convolutional import cnn
from cl_bench.models.dropout import Dropout
from cl_bench.models.from_torchvision import torchvision
from cl_bench.models.frozen import freeze
from cl_bench.models.heads import Heads, Task
from cl_bench.models.network import Network
from cl_bench.models.perceptron import mlp
from cl_bench.models.residual import resnet18

__all__ = [
    "Dropout",
    "Heads",
    "Network",
    "Task",
    "adopted",
    "cnn",
    "freeze",
    "mlp",
    "resnet18",
    "torchvision",
]
