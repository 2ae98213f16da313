"""ER-ACE's loss on batches whose parts are known."""

from functools import partial
from typing import Any

import pytest
import torch
from avalanche.core import SupervisedPlugin

from cl_bench.models import mlp
from cl_bench.strategies import ERACE, Replay

CPU = torch.device("cpu")


@pytest.fixture
def make(lab):
    def make(
        cls: Any, *, num_heads: int = 1, num_classes: int = 6, method: Any = None, **changes: Any
    ) -> Any:
        build = partial(mlp, hidden=[6], normalisation="none", num_heads=num_heads)
        model = lab.seeded_model(build, input_shape=(1, 2, 2), num_classes=num_classes, weights="real")
        given = {"memory_size": 100, "buffer": "reservoir", "replay_share": 0.4} | (method or {})
        if cls is ERACE:
            given = {"current_classes": "batch"} | given
        return cls(model=model, **given, **lab.settings(batch_size=5, **changes))

    return make


def tasks_of(lab: Any, *, heads: bool) -> list[Any]:
    """Two tasks of three classes each: other ones with one head, the same ones with one head per task."""
    first, second = lab.tasks(2, heads=heads)
    if heads:
        return [first, second]
    return [first, lab.task(second.pixels(CPU), second.labels + 3)]


class Losses(SupervisedPlugin):
    """The loss of each step, and what it should be by a loop over examples."""

    def __init__(self, strategy: Any, *, current_classes: str) -> None:
        super().__init__()
        self.current_classes = current_classes
        self.old_images: set[tuple] = set()
        self.seen: dict[int, set[int]] = {}  # by head
        self.pairs: list[tuple[float, float]] = []
        self.num_old: list[int] = []
        strategy.plugins.insert(0, self)

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        labels = strategy.mb_y.tolist()
        heads = torch.as_tensor(strategy.head).expand(len(labels)).tolist()
        is_old = [tuple(image.flatten().tolist()) in self.old_images for image in strategy.mb_x]
        present: dict[int, set[int]] = {head: set() for head in heads}
        for label, head, old in zip(labels, heads, is_old, strict=True):
            self.seen.setdefault(head, set()).add(label)
            if not old:
                present[head].add(label)
        terms: dict[bool, list[float]] = {False: [], True: []}
        for logits, label, head, old in zip(strategy.mb_output.detach(), labels, heads, is_old, strict=True):
            if self.current_classes == "all" and not old:
                classes = list(range(len(logits)))
            else:
                classes = sorted(self.seen[head] if old else present[head])
            terms[old].append(-float(logits[classes].log_softmax(0)[classes.index(label)]))
        expected = sum(sum(each) / len(each) for each in terms.values() if each)
        self.pairs.append((float(strategy.loss.detach()), expected))
        self.num_old.append(len(terms[True]))


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("current_classes", ["batch", "all"])
@pytest.mark.parametrize("heads", [False, True])
def test_the_loss_of_each_step_is_that_of_a_loop(lab, make, heads, current_classes):
    tasks = tasks_of(lab, heads=heads)
    sizes = {"num_heads": 2, "num_classes": 3} if heads else {}
    strategy = make(ERACE, method={"current_classes": current_classes}, **sizes)
    watch = Losses(strategy, current_classes=current_classes)
    for task, experience in zip(tasks, lab.benchmark(tasks).train_stream, strict=True):
        strategy.train(experience, eval_streams=[])
        watch.old_images |= {tuple(image.flatten().tolist()) for image in task.images(CPU)}
    assert watch.num_old == [0] * 6 + [2, 2, 1] * 2
    for found, expected in watch.pairs:
        assert found == pytest.approx(expected, rel=1e-6)
    seen = {head: set(row.nonzero().flatten().tolist()) for head, row in enumerate(strategy.seen)}
    assert seen == watch.seen


def test_new_classes_leave_the_outputs_of_old_ones_alone(lab, make):
    """Old rows have the memory's gradient alone in the second task, and none without a memory."""
    first, second = tasks_of(lab, heads=False)
    strategy = make(ERACE, method={"replay_share": 0.0})
    strategy.train(lab.benchmark([first]).train_stream, eval_streams=[])
    lab.batch(strategy, second.images(CPU), second.labels)
    gradient = strategy.network.heads.linear.weight.grad
    assert (gradient[:3] == 0).all()
    assert (gradient[3:] != 0).any()


def test_batches_are_replay_s(lab, make):
    """The same seed shows and remembers the same examples."""
    seen = []
    for cls in (ERACE, Replay):
        strategy = make(cls)
        batches: list[torch.Tensor] = []
        strategy.after_step = lambda strategy=strategy, batches=batches: batches.append(strategy.mb_x)
        strategy.train(lab.benchmark(tasks_of(lab, heads=False)).train_stream, eval_streams=[])
        seen.append((batches, strategy.memories[0].pixels))
    assert all(torch.equal(*pair) for pair in zip(seen[0][0], seen[1][0], strict=True))
    assert torch.equal(seen[0][1], seen[1][1])
