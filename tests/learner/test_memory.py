"""A memory of examples: its rows stay together, its size, its chances."""

from collections import Counter

import pytest
import torch

from cl_bench.learner.memory import BUFFERS, Memory
from cl_bench.learner.packing import pack, unpack
from cl_bench.learner.recent_tasks import memory_of


def offer(memory, start, count, *, num_classes=3, head=0):
    """Examples that carry their number in all tensors."""
    numbers = torch.arange(start, start + count)
    memory.offer(
        pixels=numbers.view(-1, 1, 1, 1).to(torch.uint8),
        labels=numbers % num_classes,
        heads=torch.full((count,), head),
        logits=torch.stack([numbers, -numbers], dim=1).float(),
    )


def make(size, *, buffer="reservoir", seed=0):
    return Memory(size, buffer=buffer, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("buffer", ["reservoir", "class_balanced"])
def test_rows_of_an_example_stay_together_and_size_is_never_exceeded(buffer):
    memory = make(10, buffer=buffer)
    seen = 0
    for count in (4, 3, 1, 30, 2, 40):
        offer(memory, seen, count)
        seen += count
        assert len(memory) == min(10, seen)
        numbers = memory.pixels.flatten().long()
        assert len(set(numbers.tolist())) == len(memory)
        assert int(numbers.max()) < seen
        assert memory.pixels.dtype == torch.uint8
        assert memory.labels.equal(numbers % 3)
        assert memory["logits"].equal(torch.stack([numbers, -numbers], dim=1).float())
        state = memory.state()
        assert set(state) == {"keys", "pixels", "labels", "heads", "logits"}
        assert {len(tensor) for tensor in state.values()} == {len(memory)}


def test_nothing_is_there_before_the_first_examples():
    memory = make(5)
    assert len(memory) == 0
    assert memory.state() == {}


def test_a_stream_of_four_in_a_memory_of_two_leaves_each_pair_equally_often():
    pairs = Counter()
    for seed in range(3000):
        memory = make(2, seed=seed)
        for start, count in ((0, 1), (1, 2), (3, 1)):
            offer(memory, start, count)
        pairs[tuple(sorted(memory.pixels.flatten().tolist()))] += 1
    assert len(pairs) == 6
    for count in pairs.values():
        assert abs(count - 500) < 5 * (3000 * 1 / 6 * 5 / 6) ** 0.5


def test_a_balanced_memory_tells_heads_apart():
    memory = make(12, buffer="class_balanced")
    for head in range(3):
        offer(memory, 40 * head, 40, num_classes=2, head=head)
    held = Counter(zip(memory.labels.tolist(), memory.heads.tolist(), strict=True))
    assert held == {(label, head): 2 for label in range(2) for head in range(3)}


def test_a_draw_is_on_one_device_although_heads_are_held_on_the_host():
    """A strategy gives the heads that it drew to its network, with the images."""
    far, memory = torch.device("meta"), Memory(4, buffer="reservoir", generator=torch.Generator())
    memory.offer(
        pixels=torch.ones(3, 1, 2, 2, device=far),
        labels=torch.ones(3, dtype=torch.int64, device=far),
        heads=torch.zeros(3, dtype=torch.int64),
    )
    assert {rows.device for rows in memory.draw(2).values()} == {far}
    assert memory.heads.device.type == "cpu"


@pytest.mark.parametrize("memory_tasks", [None, 2])
@pytest.mark.parametrize("buffer", BUFFERS)
def test_where_it_resumes_each_tensor_lies_where_it_did(buffer, memory_tasks):
    """State comes on the host, and is read nowhere else; what follows is offered as before."""
    far = torch.device("meta")

    def new(device):
        return memory_of(
            6,
            memory_tasks=memory_tasks,
            buffer=buffer,
            generator=torch.Generator(),
            device=device,
            on_host=("ages",),
        )

    def rows(device):
        labels = torch.arange(3)
        pixels, heads = torch.ones(3, 1, 2, 2, device=device), torch.zeros(3, dtype=torch.int64)
        here = {"labels": labels.to(device), "heads": heads, "labels_on_host": labels}
        return here | {"pixels": pixels, "logits": torch.ones(3, 5, device=device), "ages": heads + 1}

    near, memory = new(torch.device("cpu")), new(far)
    near.offer(**rows("cpu"))
    places = {"device": far, "modules": ()}
    assert unpack(pack(near, "memory"), present=memory, **places) is memory
    for _ in range(2):
        assert {name: memory[name].device.type for name in memory.names} == {
            "pixels": "meta", "labels": "meta", "heads": "cpu", "logits": "meta", "ages": "cpu",
        }  # fmt: skip
        memory.offer(**rows(far))
    assert memory["ages"].tolist() == [1] * 6


def test_a_draw_has_different_examples_or_all():
    memory = make(6)
    offer(memory, 0, 6)
    drawn = [tuple(memory.draw(3)["pixels"].flatten().tolist()) for _ in range(40)]
    assert all(len(set(numbers)) == 3 for numbers in drawn)
    assert {number for numbers in drawn for number in numbers} == set(range(6))
    rows = memory.draw(100)
    assert sorted(rows["pixels"].flatten().tolist()) == list(range(6))
    assert rows["labels"].equal(rows["pixels"].flatten().long() % 3)


def test_the_generator_alone_decides():
    before = torch.get_rng_state()
    states = []
    for seed in (0, 0, 1):
        memory = make(5, seed=seed)
        offer(memory, 0, 50)
        memory.draw(2)
        states.append(memory.state()["keys"])
    assert states[0].equal(states[1])
    assert not states[0].equal(states[2])
    assert torch.get_rng_state().equal(before)
