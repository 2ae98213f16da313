"""Fine-tuning: training on each task in turn, and nothing else."""

from cl_bench.learner.base import Learner
from cl_bench.learner.claims import Claims


class Finetune(Learner):
    """Training on each task in turn with nothing against forgetting: the lower reference."""

    stackable = True
    claims = Claims(against_forgetting=False, first_task_is_finetuning=True, by_example=True)
