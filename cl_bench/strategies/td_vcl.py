"""Temporal-difference variational continual learning (TD-VCL)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cl_bench.learner.batches import ResidentBatches, stacked
from cl_bench.learner.mixed_batches import RehearsalBatches, num_rehearsed
from cl_bench.learner.rehearsal import Remembering
from cl_bench.posteriors import temporal_difference
from cl_bench.strategies.vcl import VCL
from cl_bench.validation import check_count, check_positive, check_share, is_number


class TDVCL(Remembering, VCL):
    """VCL with the divergences from several past posteriors, and the likelihoods of the tasks since.

        (sum_i l_i E_q[-log p(D_{t-i} | w)] + kl_weight sum_i k_i KL(q || q_{t-1-i})) / N_t,   i < min(n, t)

    Weights k fall by the factor `decay` a posterior, and l_i is the sum of the k_j from j = i on. So an error
    of one posterior is not the next one's whole prior. From the second task on a share of each batch comes
    from a memory, which estimates past likelihoods. The mean loss of its examples of D_{t-i} has the weight
    l_i N_{t-i} / N_t. A task of which the memory holds nothing is left out. An epoch has fine-tuning's steps.
    In the scenario `task` heads of remembered tasks are trained, too.

    Source: Melo et al. 2025; see posteriors/temporal_difference.py. The authors' code (github.com/luckeciano/
    TD-VCL, as stored in 2025) was read. Here all is as the paper has it, from which the code departs. Its
    first prior is where the network starts. It has no divergence of output layers. It shifts n places of past
    posteriors at each task, and never fills the place before the last: all but the newest posterior stay
    random Gaussians of the start. In the first tasks its l_i is that of n posteriors, and the first prior
    takes no part. Each task has an equal share of its batches, and beta KL / batch size is added to the mean
    loss. With m tasks in a batch kl_weight is beta m N_t / batch size.

    Args:
        num_posteriors: n, at least 1; 1 is VCL, without a memory.
        decay: lambda in [0, 1]; 1 is the n-step objective, 0 is VCL.
        replay_share: of each batch, above 0 and below 1.
        memory_size: examples in all, at least 1.
        memory_tasks: the last so many tasks have an equal part of the memory each, and older ones none. None:
            all tasks share it, also those from before the oldest posterior, which count nothing.
        buffer: `reservoir` or `class_balanced`; see learner/memory.py.
        kl_weight: beta in units of Bayes' rule, which is 1.
        prior_variance, initial_log_variance, initial_mean_deviation, num_samples, num_test_samples,
            conv_sampling, first_kl_weight: of VCL.
    """

    stackable = True
    claims = VCL.claims._replace(
        off={"kl_weight": 0.0, "num_posteriors": 1},
        carries_posterior=False,
        rehearses=True,
        conjugate={**VCL.claims.conjugate, "strategy.memory_size": 2000},
    )
    kept = ("past", "task_sizes")
    row_weights: Tensor | None = None  # of the rows that batches come from, [R * (N + M)]; None: no memory

    def __init__(
        self,
        *,
        num_posteriors: int,
        decay: float,
        replay_share: float,
        memory_size: int,
        memory_tasks: int | None,
        buffer: str,
        **vcl: Any,
    ) -> None:
        check_count(num_posteriors=num_posteriors)
        if not is_number(decay) or not 0 <= decay <= 1:
            raise ValueError(f"decay must be between 0 and 1, got {decay=}")
        check_positive(replay_share=replay_share)
        check_share(replay_share=replay_share)
        super().__init__(
            restart=False,
            carried_precision="learned",
            coreset="none",
            coreset_size=1,
            coreset_epochs=1,
            **vcl,
        )
        self.choices = self.draws("memory", "cpu")
        self.remember(
            memory_size=memory_size,
            buffer=buffer,
            memory_tasks=memory_tasks,
            choices=self.choices,
            numbers=("tasks",),
        )
        self.num_posteriors, self.decay = num_posteriors if decay else 1, decay
        self.replay_share, self.rehearses = replay_share, self.num_posteriors > 1
        self.past = [self.prior] if self.rehearses else []  # the newest first
        self.task_sizes: list[int] = []  # examples of each task so far
        self.claims = self.claims._replace(
            rehearses=self.rehearses,
            carries_posterior=not self.rehearses,
            keeps_of_every_task=memory_tasks is None,
            grows=self.num_posteriors > 3,  # in the third task, too
        )

    def train_batches(self, tasks: Sequence[Sequence[Any]]) -> ResidentBatches:
        self.row_weights = None
        if not self.rehearses or not len(self.memories[0]):
            return super().train_batches(tasks)
        parts = [
            RehearsalBatches(task, memory, share=self.replay_share, generator=memory.generator)
            for task, memory in zip(self.batches_by_seed(tasks), self.memories, strict=True)
        ]
        task_weights = self.task_weights(parts[0].num_examples)
        weights = []
        for memory in self.memories:
            ages = len(self.task_sizes) - memory["tasks"]
            remembered = temporal_difference.example_weights(ages, task_weights)
            weights += [torch.zeros(parts[0].num_examples), remembered.float()]
        self.row_weights = torch.cat(weights).to(self.device)
        return stacked(parts)

    def task_weights(self, num_examples: int) -> Tensor:
        """The weight of the mean loss of each task, the present one first: l_i N_{t-i} / N_t, [min(n, t)]."""
        weights = temporal_difference.likelihood_weights(len(self.past), decay=self.decay)
        sizes = torch.tensor([*self.task_sizes, num_examples], dtype=torch.float64).flip(0)
        return weights * sizes[: len(weights)] / num_examples

    def criterion(self) -> Tensor:
        loss = super().criterion()
        if not self.is_training or self.row_weights is None:
            return loss
        shape = (self.num_seeds, -1)
        losses = self._criterion.by_example(self.mb_output, self.mb_y).view(shape)
        num_old = num_rehearsed(losses.shape[1], self.replay_share)
        if not num_old:  # of a small last batch
            return loss
        weights = self.row_weights[self.dataloader.newest].view(shape)[:, -num_old:]
        current, old = losses.split([losses.shape[1] - num_old, num_old], dim=1)
        return current.mean(dim=1).sum() + (weights * old).mean(dim=1).sum()

    def _after_training_exp(self, **kwargs: Any) -> None:
        if not self.rehearses:
            super()._after_training_exp(**kwargs)
            return
        self.prior = self.past[0]  # heads that were not used keep their newest posterior
        super()._after_training_exp(**kwargs)
        self.past = [self.prior, *self.past][: self.num_posteriors]
        weights = temporal_difference.kl_weights(len(self.past), decay=self.decay)
        self.prior = temporal_difference.pooled(self.past, weights)
        self.offer_task(tasks=len(self.task_sizes))
        self.task_sizes.append(self.num_examples)
