"""The diagonal Fisher information of a classifier, exact: a squared gradient an example, never of a batch
mean.

    F_i = 1/N sum_n E_{y ~ p(y | x_n)} [(d log p(y | x_n) / d theta_i)^2]

Source: Kirkpatrick et al., PNAS 2017; on the estimators: Kunstner, Hennig, Balles, NeurIPS 2019.
`exact` takes the expectation over all classes, `sampled` draws one label from the prediction, `empirical`
takes the label of the data set. `predicted` takes the most probable label: no Fisher information (where the
network is sure it is far smaller, (1 - p)^2 in place of p (1 - p)), but what published results were made
with, those of van de Ven, Tolias, arXiv 1904.07734, among them. `batched` is none of these: see
`of_batch_means`.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from cl_bench.models.parameters import trainable
from cl_bench.posteriors import per_example

ESTIMATORS = ("exact", "sampled", "empirical", "predicted")
BATCHED = "batched"


def label_weights(logits: Tensor, labels: Tensor, estimator: str, generator: torch.Generator) -> Tensor:
    """The weight of each class in the expectation over y, [B, K]: p(y | x), or one-hot of a label."""
    if estimator not in ESTIMATORS:
        raise ValueError(f"Fisher estimator must be one of {', '.join(ESTIMATORS)}, got {estimator=}")
    probabilities = logits.softmax(dim=-1)
    if estimator == "exact":
        return probabilities
    if estimator == "sampled":
        labels = torch.multinomial(probabilities, 1, generator=generator).squeeze(-1)
    if estimator == "predicted":
        labels = logits.argmax(dim=-1)
    return nn.functional.one_hot(labels, logits.shape[-1]).to(logits)


def diagonal(
    model: nn.Module,
    batches: Iterable[Sequence],
    *,
    estimator: str,
    generator: torch.Generator,
) -> Tensor:
    """The diagonal Fisher information at the present weights, [P] in the order of `trainable(model)`.

    Args:
        model: called as model(images, task), in eval mode, so that examples do not see each other.
        batches: (images, labels, task) with an int task; their size changes nothing but the memory used.
        generator: draws the labels of `sampled`.

    Raises:
        ValueError: for an unknown estimator or an empty data set.
    """

    def weigh(logits: Tensor, labels: Tensor) -> Tensor:
        return label_weights(logits, labels, estimator, generator)

    return per_example.mean(model, batches, scalars=log_probabilities, weigh=weigh, magnitude=torch.square)


def of_batch_means(model: nn.Module, batches: Iterable[Sequence]) -> Tensor:
    """1/N sum_b |b| (1/|b| sum_{n in b} d log p(y_n | x_n) / d theta_i)^2, [P].

    What widely used libraries take for the Fisher information (Avalanche's EWC: batches of the training
    size). Single examples' gradients nearly cancel in a batch's mean near a minimum: it is smaller by about
    the batch size, so that the strength of a penalty means something else at each. For comparisons only.

    Raises:
        ValueError: for an empty data set.
    """
    parameters = list(trainable(model).values())
    total, num_examples = torch.zeros(()), 0
    for images, labels, task in batches:
        loss = nn.functional.cross_entropy(model(images, task), labels)
        gradients = torch.autograd.grad(loss, parameters, materialize_grads=True)
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        total = total.to(flat) + len(images) * flat.square()
        num_examples += len(images)
    if num_examples == 0:
        raise ValueError("the Fisher information needs at least one example, got an empty data set")
    return total / num_examples


def log_probabilities(logits: Tensor) -> Tensor:
    """log p(y | x) of every class, [B, K]."""
    return logits.log_softmax(dim=-1)
