"""The names of a stream's order: the same for the same permutations or classes, others for others."""

import numpy as np
import torch

from cl_bench.streams.order import name_of_class_order, name_of_permutation, relabelled_classes


def test_streams_of_one_seed_have_one_order_and_of_two_seeds_two(build):
    for kind, changes in (("permuted", {}), ("split", {"class_order": "seeded"})):
        first, again, other = (build(kind, seed=seed, **changes).order for seed in (1, 1, 2))
        assert first == again
        assert not first & other


def test_validation_images_change_no_order(build):
    assert build("permuted", validation_share=0.5).order == build("permuted").order


def test_every_permutation_has_a_name_of_its_own():
    one, other = torch.arange(5), torch.tensor([0, 1, 2, 4, 3])
    assert name_of_permutation(one) == name_of_permutation(one.clone())
    assert name_of_permutation(one) != name_of_permutation(other)


def test_a_class_order_is_that_of_the_tasks():
    assert (
        name_of_class_order([[3, 1], [0, 2]])
        == "class order 1 3 | 0 2"
        == name_of_class_order([[1, 3], [2, 0]])
    )
    assert name_of_class_order([[0, 2], [1, 3]]) != name_of_class_order([[1, 3], [0, 2]])


def test_a_fixed_class_order_has_a_name_too(build):
    assert build("split").order == {"class order 0 1 2 3 | 4 5 6 | 7 8 9"}


def test_relabelled_classes_are_in_the_order_of_their_new_labels():
    """After numpy.random.seed(1) it draws 2 9 6 4 0 3 1 7 8 5: digit 4 becomes 0, digit 6 becomes 1."""
    assert relabelled_classes(1, 10) == [4, 6, 0, 5, 3, 9, 2, 7, 8, 1]


def test_relabelled_classes_leave_the_global_generator_alone():
    before = np.random.get_state()[1].copy()
    relabelled_classes(1, 10)
    assert (np.random.get_state()[1] == before).all()
