"""TaskStream -> Avalanche benchmark."""

from collections.abc import Sequence

from torch import Tensor

from cl_bench.deferred import deferred
from cl_bench.streams.tasks import TaskData, TaskStream

with deferred():
    from avalanche.benchmarks import CLScenario, with_classes_timeline, with_task_labels
    from avalanche.benchmarks.scenarios.dataset_scenario import DatasetExperience
    from avalanche.benchmarks.scenarios.generic_scenario import EagerCLStream
    from avalanche.benchmarks.utils.classification_dataset import TaskAwareSupervisedClassificationDataset
    from avalanche.benchmarks.utils.data_attribute import DataAttribute
    from avalanche.benchmarks.utils.flat_data import ConstantSequence


class TaskExperience(DatasetExperience):
    """An Avalanche experience that also gives its examples as tensors, in `task_data`."""

    def __init__(self, task_data: TaskData, *, targets: DataAttribute, current_experience: int) -> None:
        heads = getattr(task_data, "heads", None)
        of_each = ConstantSequence(task_data.head, len(task_data)) if heads is None else heads.tolist()
        labels = DataAttribute(of_each, "targets_task_labels", use_in_getitem=True)
        dataset = TaskAwareSupervisedClassificationDataset([task_data], data_attributes=[targets, labels])
        super().__init__(dataset=dataset, current_experience=current_experience)
        self.task_data = task_data


def to_avalanche(stream: TaskStream) -> CLScenario:
    """Make an Avalanche benchmark with `train_stream` and, where there are any, test and validation streams.

    They are named `test_stream` and `validation_stream`. Task labels are the heads that the scenario reveals:
    always 0 in `domain` and `class`.
    """
    parts = {"train": stream.train, "test": stream.test, "validation": stream.validation}
    streams = [EagerCLStream(name, _experiences(tasks)) for name, tasks in parts.items() if tasks]
    return with_task_labels(with_classes_timeline(CLScenario(streams)))


def _experiences(tasks: Sequence[TaskData]) -> list[TaskExperience]:
    # Avalanche holds labels as a list: one for all tasks that share them
    shared: dict[Tensor, DataAttribute] = {}
    experiences = []
    for number, task in enumerate(tasks):
        if task.labels not in shared:
            shared[task.labels] = DataAttribute(task.labels.tolist(), "targets")
        experiences.append(TaskExperience(task, targets=shared[task.labels], current_experience=number))
    return experiences
