"""The diagonal Fisher information of a classifier, exact: a squared gradient an example, never of a batch
mean.

    F_i = 1/N sum_n E_{y ~ p(y | x_n)} [(d log p(y | x_n) / d theta_i)^2]

Source: Kirkpatrick et al., PNAS 2017. Kunstner, Hennig, Balles, NeurIPS 2019, discuss the estimators.

`exact` takes the expectation over all classes, `sampled` draws one label from the prediction, `empirical`
takes the label of the data set. `predicted` takes the most probable label, which gives no Fisher information.
Where the network is sure it is far smaller, (1 - p)^2 in place of p (1 - p). Published results were made with
it, those of van de Ven, Tolias, arXiv 1904.07734, among them. `batched` is none of these: see
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
    """The weight of each class in the expectation over labels that makes a Fisher information.

        exact       p(y | x)
        sampled     one-hot of a draw from p(y | x)
        empirical   one-hot of the data's label
        predicted   one-hot of the most probable class

    Source: Kunstner, Hennig, Balles 2019, on which of these is the Fisher information.

    Args:
        logits: [B, K].
        labels: int64 [B], those of the data.
        estimator: one of `ESTIMATORS`.
        generator: draws the labels of `sampled`.

    Returns:
        [B, K], rows of sum 1.

    Raises:
        ValueError: for an unknown estimator.

    >>> logits, labels = torch.tensor([[0.25, 0.75]]).log(), torch.tensor([0])
    >>> for estimator in ("exact", "empirical", "predicted"):
    ...     fisher.label_weights(logits, labels, estimator, torch.Generator())
    tensor([[0.2500, 0.7500]])
    tensor([[1., 0.]])
    tensor([[0., 1.]])
    """
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


def num_gradients(num_outputs: int, *, estimator: str) -> int:
    """How many gradients an estimator takes of each example: one for each label that has a weight.

        exact       K
        others      1

    Args:
        num_outputs: K.
        estimator: one of `ESTIMATORS`, or `BATCHED`.

    >>> fisher.num_gradients(10, estimator="exact")
    10
    >>> fisher.num_gradients(10, estimator="sampled")
    1
    """
    return num_outputs if estimator == "exact" else 1


def diagonal(
    model: nn.Module,
    batches: Iterable[Sequence],
    *,
    estimator: str,
    generator: torch.Generator,
) -> Tensor:
    """The diagonal Fisher information of a classifier at its present weights.

        F_i = 1/N sum_n E_{y ~ p(y | x_n)} [(d log p(y | x_n) / d theta_i)^2]

    Source: Kirkpatrick et al. 2017; for the estimators of the expectation Kunstner, Hennig, Balles 2019.

    Args:
        model: called as model(images, task), in eval mode, so that examples do not see each other.
        batches: (images, labels, task) with an int task; their size changes nothing but the memory used.
        estimator: one of `ESTIMATORS`.
        generator: draws the labels of `sampled`.

    Returns:
        F [P], in the order of `trainable(model)`.

    Raises:
        ValueError: for an unknown estimator or an empty data set.

    >>> from cl_bench.models import Heads
    >>> network = Heads(in_features=1, num_classes=2, num_heads=1, bias=False)
    >>> # so that p = 1/2 for both classes
    >>> _ = torch.nn.init.zeros_(network.linear.weight)
    >>> images, labels = torch.tensor([[1.0], [3.0]]), torch.tensor([0, 1])
    >>> fisher.diagonal(
    ...     network,
    ...     [(images, labels, 0)],
    ...     estimator="exact",
    ...     generator=torch.Generator(),
    ... )
    tensor([1.2500, 1.2500])
    """

    def weigh(logits: Tensor, labels: Tensor) -> Tensor:
        return label_weights(logits, labels, estimator, generator)

    return per_example.mean(model, batches, scalars=log_probabilities, weigh=weigh, magnitude=torch.square)


def of_batch_means(model: nn.Module, batches: Iterable[Sequence]) -> Tensor:
    """The squared gradients of batch means, which widely used libraries take for the Fisher information.

        1/N sum_b |b| (1/|b| sum_{n in b} d log p(y_n | x_n) / d theta_i)^2

    Avalanche's EWC does so, with batches of the training size. Near a minimum, the gradients of single
    examples nearly cancel in a batch's mean, which makes it smaller by about the batch size. So the strength
    of a penalty means something else at each. For comparisons only.

    Args:
        model, batches: as in `diagonal`.

    Returns:
        [P], in the order of `trainable(model)`.

    Raises:
        ValueError: for an empty data set.

    >>> from cl_bench.models import Heads
    >>> network = Heads(in_features=1, num_classes=2, num_heads=1, bias=False)
    >>> # so that p = 1/2 for both classes
    >>> _ = torch.nn.init.zeros_(network.linear.weight)
    >>> images, labels = torch.tensor([[1.0], [3.0]]), torch.tensor([0, 1])
    >>> fisher.of_batch_means(
    ...     network, [(images[:1], labels[:1], 0), (images[1:], labels[1:], 0)]
    ... )
    tensor([1.2500, 1.2500])
    >>> # one batch: the gradients cancel
    >>> fisher.of_batch_means(network, [(images, labels, 0)])
    tensor([0.2500, 0.2500])
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
    """The log probability of every class, in nats.

        log p(y | x) = z_y - log sum_k exp(z_k)

    Args:
        logits: z [B, K].

    Returns:
        [B, K].

    >>> fisher.log_probabilities(torch.zeros(1, 2))  # -log 2
    tensor([[-0.6931, -0.6931]])
    """
    return logits.log_softmax(dim=-1)
