"""What is kept of the last tasks alone: memories with a part for each, and coresets."""

from collections import Counter
from copy import deepcopy

import pytest
import torch
from omegaconf import open_dict

from cl_bench.config.compose import compose, config_hash
from cl_bench.evaluation.states import stored_bits
from cl_bench.learner.memory import Memory
from cl_bench.learner.recent_tasks import RecentMemory, keep_recent, memory_of
from cl_bench.strategies import Replay


def make(size, memory_tasks, *, buffer="reservoir", seed=0):
    return memory_of(
        size, memory_tasks=memory_tasks, buffer=buffer, generator=torch.Generator().manual_seed(seed)
    )


def offer(memory, task, *, count=30, num_classes=2):
    numbers = torch.arange(count) + 100 * task
    memory.offer(
        pixels=numbers.view(-1, 1, 1, 1),
        labels=numbers % num_classes,
        heads=torch.full((count,), task),
        logits=numbers.float(),
    )


def test_without_a_number_of_tasks_it_is_a_memory_of_all():
    assert type(make(4, None)) is Memory
    assert type(make(4, 1)) is RecentMemory


@pytest.mark.parametrize(("size", "memory_tasks", "part"), [(6, 2, 3), (7, 2, 3), (6, 1, 6), (6, 6, 1)])
def test_each_of_the_last_tasks_has_an_equal_part_and_older_ones_none(size, memory_tasks, part):
    memory = make(size, memory_tasks)
    assert len(memory) == 0
    for task in range(8):
        offer(memory, task)
        found = Counter((memory.pixels.flatten() // 100).tolist())
        assert found == dict.fromkeys(range(max(0, task + 1 - memory_tasks), task + 1), part)
        assert len(memory) == sum(found.values())
        assert memory.labels.equal(memory.pixels.flatten() % 2)
        assert memory.heads.equal(memory.pixels.flatten() // 100)
        assert memory["logits"].equal(memory.pixels.flatten().float())


def test_within_a_task_every_example_is_held_equally_often():
    held = Counter()
    for seed in range(2000):
        memory = make(2, 1, seed=seed)
        offer(memory, 0, count=4)
        offer(memory, 1, count=4)
        held.update(memory.pixels.flatten().tolist())
    assert set(held) == {100, 101, 102, 103}
    for count in held.values():
        assert abs(count - 1000) < 5 * (2000 / 4) ** 0.5


def test_a_balanced_part_has_equally_many_of_each_class():
    memory = make(12, 2, buffer="class_balanced")
    for task in range(3):
        offer(memory, task, num_classes=3)
    assert Counter(zip(memory.labels.tolist(), memory.heads.tolist(), strict=True)) == {
        (label, head): 2 for label in range(3) for head in (1, 2)
    }


def test_its_state_is_all_it_holds():
    memory, other = make(6, 2), make(6, 2, seed=1)
    assert memory.state() == {}
    for task in range(3):
        offer(memory, task)
        other.restore({name: rows.clone() for name, rows in memory.state().items()})
        assert {name: rows.tolist() for name, rows in other.state().items()} == {
            name: rows.tolist() for name, rows in memory.state().items()
        }
        assert other.pixels.equal(memory.pixels)
    other.restore({})
    assert len(other) == 0


def test_a_draw_is_over_all_parts():
    memory = make(4, 2)
    for task in range(3):
        offer(memory, task)
    rows = memory.draw(10)
    assert sorted(rows["pixels"].flatten().tolist()) == sorted(memory.pixels.flatten().tolist())
    assert {int(number) // 100 for number in rows["pixels"].flatten()} == {1, 2}


def test_fewer_places_than_tasks_are_refused():
    with pytest.raises(ValueError, match=r"memory_size must be at least .* memory_tasks=5 .*memory_size=4"):
        make(4, 5)


@pytest.mark.parametrize("memory_tasks", [0, 1.5, -1])
@pytest.mark.parametrize("strategy", ["vcl", "replay", "td_vcl"])
def test_a_number_of_tasks_out_of_range_is_named(lab, strategy, memory_tasks):
    with pytest.raises(ValueError, match=rf"memory_tasks must be .* got memory_tasks={memory_tasks}"):
        lab.from_conf(f"strategy={strategy}", f"strategy.memory_tasks={memory_tasks}")


def test_keeping_the_last_parts():
    parts = [1, 2, 3]
    keep_recent(parts, None)
    assert parts == [1, 2, 3]
    keep_recent(parts, 2)
    assert parts == [2, 3]
    keep_recent(parts, 5)
    assert parts == [2, 3]


@pytest.mark.parametrize("strategy", ["vcl", "gvcl", "replay"])
def test_runs_from_before_there_was_the_setting_keep_their_names(strategy):
    config = compose([f"strategy={strategy}"])
    before = deepcopy(config)
    with open_dict(before):
        del before.strategy.memory_tasks
        del before.strategy._later_.memory_tasks
    assert config_hash(config) == config_hash(before)
    assert config_hash(compose([f"strategy={strategy}", "strategy.memory_tasks=2"])) != config_hash(config)


def test_replay_holds_and_counts_examples_of_the_last_tasks_alone(lab):
    settings = {"memory_size": 6, "buffer": "reservoir", "replay_share": 0.5}
    strategy = Replay(model=lab.small_network(weights="real"), **settings, memory_tasks=2, **lab.settings())
    tasks, bits = lab.tasks(4), []
    images = [{tuple(row.flatten().tolist()) for row in task.pixels(torch.device("cpu"))} for task in tasks]
    for number, experience in enumerate(lab.benchmark(tasks).train_stream):
        strategy.train(experience, eval_streams=[])
        held = [tuple(row.flatten().tolist()) for row in strategy.memories[0].pixels]
        kept = images[max(0, number - 1) : number + 1]
        assert [sum(row in each for row in held) for each in kept] == [3] * len(kept)
        assert len(held) == 3 * len(kept)
        bits.append(stored_bits(strategy))
    example = 4 * 8 + 2 * 64 + 64  # pixels; label and head; key
    assert bits[1] - bits[0] == 3 * example
    assert bits[1] == bits[2] == bits[3]
    assert not strategy.claims.keeps_of_every_task


def test_coresets_of_the_last_tasks_alone_are_kept_counted_and_recalled(lab, make_vcl):
    def strategy():
        return make_vcl(method={"coreset": "random", "memory_tasks": 2})

    first, tasks = strategy(), lab.tasks(4)
    experiences, bits = list(lab.benchmark(tasks).train_stream), []
    for number, experience in enumerate(experiences):
        first.train(experience, eval_streams=[])
        assert len(first.coresets) == len(first.coreset_positions) == min(2, number + 1)
        for kept, task in zip(first.coresets, tasks[max(0, number - 1) : number + 1], strict=True):
            held = {tuple(row.flatten().tolist()) for row in kept.pixels}
            assert held <= {tuple(row.flatten().tolist()) for row in task.pixels(torch.device("cpu"))}
        bits.append(stored_bits(first))
        again = strategy()
        again.restore(first.state(), experiences[: number + 1])
        assert lab.same(again.state_tensors(), first.state_tensors())
    assert bits[0] < bits[1] == bits[2] == bits[3]
