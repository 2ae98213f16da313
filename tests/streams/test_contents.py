"""No task is empty, no class goes missing without a word, and a split has the sizes that are asked for."""

import pytest
import torch

from cl_bench.data import DataError
from cl_bench.streams import TaskStream
from cl_bench.streams.contents import check_stream, single_class_heads
from cl_bench.streams.stacked import stack_streams
from cl_bench.streams.transforms import padded


def without(data, *classes, part="both"):
    """The data without the images of these classes in `train`, `test` or both."""
    fields = {}
    for each in ("train", "test"):
        labels = getattr(data, f"{each}_labels")
        kept = torch.tensor([part in (other(each)) or int(label) not in classes for label in labels])
        fields[f"{each}_images"] = getattr(data, f"{each}_images")[kept]
        fields[f"{each}_labels"] = labels[kept]
    return data._replace(**fields)


def other(part):
    return ("test",) if part == "train" else ("train",)


def sizes_of(tasks, labels):
    return [len(labels[task.indices].unique()) for task in tasks]


@pytest.mark.parametrize("sizes", [[4, 3, 3], [5, 1, 1, 1, 1, 1], [10], [1, 9], (2, 8)])
@pytest.mark.parametrize("class_order", ["fixed", "seeded", [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]])
def test_classes_per_task_are_those_that_are_asked_for(build, data, scenario, sizes, class_order):
    stream = build(
        "split", classes_per_task=sizes, num_tasks=len(sizes), scenario=scenario, class_order=class_order
    )
    for tasks, labels in ((stream.train, data.train_labels), (stream.test, data.test_labels)):
        assert sizes_of(tasks, labels) == list(sizes)
        assert sorted(int(each) for task in tasks for each in labels[task.indices].unique()) == list(
            range(10)
        )
    assert stream.num_classes == (10 if scenario == "class" else max(sizes))
    assert stream.num_heads == (len(sizes) if scenario == "task" else 1)
    before = 0
    for task, size in zip(stream.train, sizes, strict=True):
        first = before if scenario == "class" else 0
        assert task.labels.unique().tolist() == list(range(first, first + size))
        before += size


def test_no_list_of_sizes_is_as_even_as_can_be(build):
    even, listed = (build("split", classes_per_task=sizes) for sizes in (None, [4, 3, 3]))
    for one, same in zip(even.train, listed.train, strict=True):
        assert one.labels.equal(same.labels)
        assert one.indices.equal(same.indices)


@pytest.mark.parametrize(
    "sizes", [[4, 3], [4, 4, 4], [10, 0], [5, -1, 6], [5.0, 5.0], [True, 9], "4,3,3", 3, [], [[4], 6], {4: 6}]
)
def test_sizes_that_are_no_split_of_all_classes_are_an_error(build, sizes):
    rule = r"classes_per_task must be null or list whole numbers from 1 that add up to the 10 classes, got"
    with pytest.raises(ValueError, match=rule):
        build("split", classes_per_task=sizes)


def test_a_number_of_tasks_that_contradicts_the_list_is_an_error(build):
    with pytest.raises(
        ValueError, match=r"num_tasks must be the 2 tasks that classes_per_task lists, got num"
    ):
        build("split", classes_per_task=[5, 5], num_tasks=3)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["permuted", "rotated", "split"])
def test_every_size_ends_in_a_stream_without_an_empty_task_or_a_sentence(build, kind, scenario, seed):
    settings = [{"validation_share": share} for share in (1e-6, 0.01, 0.02, 0.05, 0.1, 0.5, 0.9, 0.97, 0.99)]
    settings += [{"num_train": number} for number in (1, 2, 3, 5, 12)]
    settings += [{"validation_share": 0.5, "num_train": number} for number in (1, 5)]
    for changes in settings:
        stream, error = made(lambda: build(kind, seed=seed, scenario=scenario, **changes))  # noqa: B023
        if stream is None:
            assert any(f"{name} must" in error for name in changes) or "is left" in error
            assert any(f"got {name}=" in error for name in changes)
        else:
            check_stream(stream)
            assert all(len(task) for task in (*stream.train, *stream.validation, *stream.test))


def made(build):
    """What is built, and the refusal where nothing is."""
    try:
        return build(), ""
    except ValueError as error:
        return None, str(error)


@pytest.mark.parametrize("share", [0.001, 1e-9])
def test_a_share_of_no_image_is_an_error(build, kind, share):
    with pytest.raises(
        ValueError, match=r"validation_share must be 0 or keep at least one of 60 images, got"
    ):
        build(kind, validation_share=share)


def test_a_split_gives_each_task_a_validation_image_or_names_those_without(build):
    rule = (
        r"must leave each of 3 tasks a validation image, got validation_share=0.02 of 60, with none in tasks"
    )
    with pytest.raises(ValueError, match=rule):
        build("split", validation_share=0.02)
    with pytest.raises(
        ValueError, match=r"must leave each of 3 tasks a training image, got .*; set a smaller"
    ):
        build("split", validation_share=0.97)


@pytest.mark.parametrize(("part", "named"), [("train", "training"), ("test", "test"), ("both", "training")])
def test_a_task_whose_classes_have_no_image_is_named_with_them(build, data, scenario, part, named):
    data = without(data, 4, 5, 6, part=part)
    rule = rf"a {named} image, got none in task 2: small has no image of class 4, class 5, class 6; add"
    with pytest.raises(ValueError, match=rule):
        build("split", data=data, scenario=scenario)
    assert build("permuted", data=data, scenario=scenario).num_tasks == 3


def test_a_head_with_a_single_class_is_told_and_only_where_the_task_is_known(build, data, scenario):
    stream = build("split", num_tasks=7, scenario=scenario)
    told = ("tasks 4, 5, 6, 7 of 7 have a single class each: any network is right in 100 % of tests there",)
    assert stream.notes == (told if scenario == "task" else ())
    gone = build("split", num_tasks=5, scenario=scenario, data=without(data, 4))
    told = ("task 3 of 5 has a single class: any network is right in 100 % of tests there",)
    assert gone.notes == (told if scenario == "task" else ())
    assert build("split", num_tasks=5, scenario=scenario, data=without(data, 4, part="train")).notes == ()


@pytest.mark.parametrize("where", ["task", "domain"])
def test_tasks_of_one_class_each_are_refused(build, where):
    with pytest.raises(ValueError, match=rf"two classes .* got one in each of 10 \(scenario={where}\): any"):
        check_stream(build("split", num_tasks=10, scenario=where))
    check_stream(build("split", num_tasks=10, scenario="class"))


def test_data_of_one_class_are_refused(build, make_data, kind, scenario):
    data = make_data(num_classes=1)
    stream = build(kind, data=data, scenario=scenario, num_tasks=1 if kind == "split" else 3)
    if scenario == "class" and kind != "split":
        check_stream(stream)
    else:
        with pytest.raises(ValueError, match="a task must have two classes to tell apart"):
            check_stream(stream)


def test_a_stream_of_somebody_elses_builder_is_checked_too(build):
    stream = build("permuted")
    check_stream(stream)
    with pytest.raises(ValueError, match="a stream must have a task to train on, got none"):
        check_stream(stream._replace(train=()))
    empty = build("permuted").test[1]
    empty.labels = empty.labels[:0]
    with pytest.raises(ValueError, match=r"each task must have a test example, got none in task 2 of 3"):
        check_stream(stream._replace(test=(stream.test[0], empty, stream.test[2])))
    assert single_class_heads(stream) == []


def test_classes_that_a_choice_of_images_leaves_out_are_told(build, kind):
    stream = build(kind, num_train=30, num_tasks=1)
    assert stream.notes == ()
    (note,) = build(kind, num_train=9, num_tasks=1).notes
    assert "small: validation_share and num_train leave class" in note
    assert note.endswith("no training image")
    (note,) = build(kind, validation_share=0.1, num_tasks=1).notes
    assert note.endswith("no validation image")


def test_notes_of_the_data_go_with_the_stream_and_those_of_all_seeds_with_the_stack(build, data, kind):
    data = data._replace(notes=("said before",))
    streams = [build(kind, data=data, num_train=9, num_tasks=1, seed=seed) for seed in (0, 1)]
    assert all(stream.notes[0] == "said before" for stream in streams)
    stacked = stack_streams(streams).notes
    assert stacked == tuple(dict.fromkeys(streams[0].notes + streams[1].notes))
    assert TaskStream._field_defaults["notes"] == ()


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 2), (1, 2, 1), (3, 1, 1), (4, 9, 1)])
@pytest.mark.parametrize("pixels", ["unit", "standardised"])
@pytest.mark.parametrize("padding", [0, 1])
def test_images_of_any_size_make_a_stream(build, make_data, kind, shape, pixels, padding):
    data = make_data(shape=shape)._replace(channels_last=False)
    stream = build(kind, data=data, pixels=pixels, padding=padding)
    images = stream.train[-1].images(torch.device("cpu"))
    assert (
        images.shape[1:] == stream.input_shape == (shape[0], shape[1] + 2 * padding, shape[2] + 2 * padding)
    )
    assert images.isfinite().all()


@pytest.mark.parametrize(("shape", "first", "different"), [((1, 1, 1), True, 1), ((1, 1, 2), False, 2)])
def test_permutations_that_cannot_differ_are_told(build, make_data, shape, first, different):
    stream = build("permuted", data=make_data(shape=shape), permute_first=first)
    size = shape[-1]
    assert stream.notes == (f"of 3 tasks only {different} differ: an image has {size} values to permute",)
    assert build("permuted").notes == ()


@pytest.mark.parametrize("padding", [10**5, 10**9])
def test_images_larger_than_memory_are_a_sentence(data, padding):
    with pytest.raises(
        DataError, match=rf"90 images with padding={padding} must fit into memory, got [\d,]+ GB"
    ):
        padded(data, padding)


def test_a_stream_converts_arrays_as_a_run_does(build, data, kind):
    own = data._replace(
        train_images=data.train_images.numpy() / 255,
        train_labels=data.train_labels.numpy().astype("int32"),
        test_images=data.test_images.numpy() / 255,
        test_labels=data.test_labels.numpy().astype("int32"),
    )
    for same, task in zip(build(kind).train, build(kind, data=own).train, strict=True):
        assert same.pixels(torch.device("cpu")).equal(task.pixels(torch.device("cpu")))
        assert same.labels.equal(task.labels)
    with pytest.raises(DataError, match=r"must return a cl_bench\.data\.ImageData, got a dict"):
        build(kind, data={})
