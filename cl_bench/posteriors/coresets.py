"""Which examples of a task to keep.

Source: Nguyen et al., "Variational Continual Learning", ICLR 2018, section 4. It has two ways: `random`, and
the greedy `k_center` of Gonzalez (1985). `k_center` takes in turn the example farthest from all that were
taken.
"""

import torch
from torch import Tensor


def random(features: Tensor, num_examples: int, *, generator: torch.Generator) -> Tensor:
    """Positions of different examples, drawn at random.

    Source: Nguyen et al. 2018, section 4.

    Args:
        features: one row an example, [N, D].

    Returns:
        int64 [min(num_examples, N)].

    >>> positions = coresets.random(
    ...     torch.zeros(5, 2), 5, generator=torch.Generator()
    ... )
    >>> positions.sort().values  # each once
    tensor([0, 1, 2, 3, 4])
    """
    return torch.randperm(len(features), generator=generator, device=generator.device)[:num_examples]


def k_center(features: Tensor, num_examples: int, *, generator: torch.Generator) -> Tensor:
    """Positions of examples that cover the data: each next one is the farthest from all that were taken.

        n_k = argmax_n min_{i < k} |x_n - x_{n_i}|^2,   n_1 drawn at random

    Source: Gonzalez 1985, as in Nguyen et al. 2018, section 4.

    Args:
        features: one row an example, [N, D].

    Returns:
        int64 [num_examples].

    >>> # three examples alike and one far away
    >>> features = torch.tensor([[0.0], [0.1], [0.2], [9.0]])
    >>> positions = coresets.k_center(features, 2, generator=torch.Generator())
    >>> 3 in positions.tolist()
    True
    """
    first = torch.randint(len(features), (1,), generator=generator, device=generator.device)
    distance = torch.full((len(features),), torch.inf, device=features.device)
    positions = [first.to(features.device)]
    for _ in range(num_examples - 1):
        to_chosen = (features - features[positions[-1]]).square().sum(dim=1)
        distance = torch.minimum(distance, to_chosen)
        distance[positions[-1]] = -torch.inf  # so that of examples alike each is taken once
        positions.append(distance.argmax(keepdim=True))
    return torch.cat(positions)
