"""Which examples of a task to keep.

Source: Nguyen et al., "Variational Continual Learning", ICLR 2018, section 4: `random`, and the greedy
`k_center` of Gonzalez (1985), which takes in turn the example farthest from all that were taken.
"""

import torch
from torch import Tensor


def random(features: Tensor, num_examples: int, *, generator: torch.Generator) -> Tensor:
    """`num_examples` different positions out of the rows of `features`, int64 [num_examples]."""
    return torch.randperm(len(features), generator=generator, device=generator.device)[:num_examples]


def k_center(features: Tensor, num_examples: int, *, generator: torch.Generator) -> Tensor:
    """Greedy k-centre on rows of `features` [N, D] (Euclidean), random first row; int64 [num_examples]."""
    first = torch.randint(len(features), (1,), generator=generator, device=generator.device)
    distance = torch.full((len(features),), torch.inf, device=features.device)
    positions = [first.to(features.device)]
    for _ in range(num_examples - 1):
        to_chosen = (features - features[positions[-1]]).square().sum(dim=1)
        distance = torch.minimum(distance, to_chosen)
        positions.append(distance.argmax(keepdim=True))
    return torch.cat(positions)
