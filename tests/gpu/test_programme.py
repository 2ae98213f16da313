"""Every result is kept as it is had, nothing is left out in silence, and a second call goes on."""

import pytest

from gpu import rows
from gpu.budget import Budget
from gpu.items import DONE, FAIL, FAILED, LEFT_OUT, MEASURED, PASS, Answer, Item, LeftOutError, Part
from gpu.page import PAGE
from gpu.process import ItemError, TimeIsOverError, WorkerDiedError
from gpu.programme import NO_TIME, NOT_TINY, RESULTS, Programme, Setting


class Clock:
    """Time passes only where an item takes some."""

    def __init__(self):
        self.time = 0.0

    def __call__(self):
        return self.time


class FakeWorker:
    """Does what `works` has: name of a work -> function of what is asked, which yields answers."""

    def __init__(self, works):
        self.works, self.asked, self.closed = works, [], 0

    def ask(self, work, given, budget):
        self.asked.append((work, given))
        yield from self.works[work](given)

    def close(self):
        self.closed += 1


def programme(folder, parts, worker, *, tiny=False, device="cpu", told=None):
    """Parts as name -> (share, items); an item is a name, or an `Item`."""
    made = tuple(
        Part(
            name,
            share,
            tuple(item if isinstance(item, Item) else Item(name, item, item) for item in items),
        )
        for name, (share, items) in parts.items()
    )
    tell = (lambda line: None) if told is None else told.append
    return Programme(made, Setting(folder, device, tiny, "an abacus", lambda: worker, tell))


def budget(seconds, clock):
    return Budget.of(seconds, clock)


def good(asked):
    yield Answer("speed", MEASURED, 1.25, "s", "<= 2")


def ended(found):
    return {row.item: row.status for row in found.rows if not row.result}


def raising(error):
    def work(asked):
        yield Answer("before", PASS)
        raise error

    return work


def test_every_result_has_a_line_with_the_card_and_whether_its_target_was_reached(tmp_path):
    found = programme(tmp_path, {"first": (1, ["a"])}, FakeWorker({"a": good}))
    assert found.run(budget(60, Clock()))
    result, whole = rows.read(tmp_path / RESULTS)
    assert (result.value, result.unit, result.target, result.reached) == (1.25, "s", "<= 2", "yes")
    assert (result.device, result.scale, result.card) == ("cpu", "full", "an abacus")
    assert (whole.result, whole.status) == ("", DONE)
    page = (tmp_path / PAGE).read_text()
    assert "| a | speed | 1.25 s | <= 2 | yes | cpu: an abacus |" in page


@pytest.mark.parametrize(
    ("target", "value", "reached"),
    [("<= 2", 2, "yes"), ("<= 2", 2.1, "no"), (">= 8", 8, "yes"), (">= 8", 7, "no")],
)
def test_a_target_is_reached_on_the_spot(target, value, reached):
    assert Answer("a", MEASURED, value, target=target).reached == reached


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (ItemError("ValueError: no"), FAILED, "ValueError: no"),
        (WorkerDiedError("the process ended"), FAILED, "the process ended"),
        (TimeIsOverError("over"), LEFT_OUT, "its time was over"),
        (LeftOutError("MNIST is missing"), LEFT_OUT, "MNIST is missing"),
    ],
)
def test_what_goes_wrong_is_a_line_and_the_rest_goes_on(tmp_path, error, status, said):
    worker = FakeWorker({"a": raising(error), "b": good})
    found = programme(tmp_path, {"first": (1, ["a", "b"])}, worker)
    assert found.run(budget(60, Clock())) == (status != FAILED)
    assert ended(found) == {"a": status, "b": DONE}
    row = next(row for row in found.rows if row.item == "a" and not row.result)
    assert row.said == said
    assert f"{status}, {said}: a" in (tmp_path / PAGE).read_text()
    assert ("first", "a", "before") in {row.key for row in found.rows}, "what it had before is kept"


def test_a_wrong_result_is_told_and_asked_again(tmp_path):
    def wrong(asked):
        for name, status in (("x", PASS), ("y", FAIL)):
            if name not in asked.known:
                yield Answer(name, status, said="seen")

    worker = FakeWorker({"a": wrong})
    found = programme(tmp_path, {"first": (1, ["a"])}, worker)
    assert not found.run(budget(60, Clock()))
    assert ended(found) == {"a": FAILED}
    assert "- first: fail, seen: a, y" in (tmp_path / PAGE).read_text()
    again = programme(tmp_path, {"first": (1, ["a"])}, worker)
    again.run(budget(60, Clock()))
    assert [sorted(given.known) for _, given in worker.asked] == [[], ["x"]]


def test_a_second_call_does_what_is_left_alone(tmp_path):
    clock = Clock()

    def long(asked):
        clock.time += 50
        yield Answer("x", PASS)

    worker = FakeWorker({"a": long, "b": long, "c": long})
    parts = {"first": (1, ["a", "b", "c"])}
    programme(tmp_path, parts, worker).run(budget(60, clock))
    assert [work for work, _ in worker.asked] == ["a", "b"]
    found = programme(tmp_path, parts, worker)
    assert ended(found) == {"a": DONE, "b": DONE, "c": LEFT_OUT}
    assert next(row.said for row in found.rows if row.item == "c") == NO_TIME
    found.run(budget(60, clock))
    assert [work for work, _ in worker.asked] == ["a", "b", "c"]
    assert ended(found) == dict.fromkeys("abc", DONE)


def test_no_time_leaves_everything_out_and_starts_nothing(tmp_path):
    worker, told = FakeWorker({}), []
    found = programme(tmp_path, {"first": (1, ["a"]), "second": (1, ["b"])}, worker, told=told)
    assert found.run(budget(0, Clock()))
    assert ended(found) == {"a": LEFT_OUT, "b": LEFT_OUT}
    assert worker.asked == []
    assert told == [f"first: 1 item left out, {NO_TIME}", f"second: 1 item left out, {NO_TIME}"]


def test_items_that_are_not_tiny_are_left_out_of_the_tiny_programme_and_say_so(tmp_path):
    worker = FakeWorker({"a": good})
    found = programme(
        tmp_path, {"first": (1, ["a", Item("first", "b", "b", in_tiny=False)])}, worker, tiny=True
    )
    found.run(budget(60, Clock()))
    assert {row.item: row.said for row in found.rows if not row.result}["b"] == NOT_TINY


def test_what_a_part_does_not_use_goes_to_those_that_follow():
    clock = Clock()
    whole = Budget.of(100, clock)
    assert whole.first_of([1, 3]).left == 25
    clock.time = 5
    assert whole.first_of([3]).left == 95
    clock.time = 200
    assert whole.left == whole.first_of([3, 1]).left == 0


def test_a_folder_with_results_of_another_device_or_scale_is_refused(tmp_path):
    parts, worker = {"first": (1, ["a"])}, FakeWorker({"a": good})
    programme(tmp_path, parts, worker).run(budget(60, Clock()))
    for other in ({"tiny": True}, {"device": "cuda"}):
        with pytest.raises(ValueError, match="must be of one device and scale, got cpu full there"):
            programme(tmp_path, parts, worker, **other)


def test_the_page_says_what_was_not_reached_yet_while_the_programme_runs(tmp_path):
    seen = []

    def look(asked):
        seen.append((tmp_path / PAGE).read_text())
        yield from good(asked)

    programme(tmp_path, {"first": (1, ["a", "b"])}, FakeWorker({"a": look, "b": look})).run(
        budget(60, Clock())
    )
    assert "2 items: 2 not reached yet." in seen[0]
    assert "2 items: 1 done, 1 not reached yet." in seen[1]


def test_a_disk_that_takes_no_more_ends_the_programme_and_passes_for_no_lack_of_time(tmp_path, monkeypatch):
    def full(*_):
        raise OSError("no space left")

    worker = FakeWorker({"a": good, "b": good})
    found = programme(tmp_path, {"first": (1, ["a", "b"])}, worker)
    monkeypatch.setattr(rows, "append", full)
    with pytest.raises(OSError, match="no space left"):
        found.run(budget(60, Clock()))
    assert worker.closed == 1


def test_a_torn_last_line_is_cut_off(tmp_path):
    found = programme(tmp_path, {"first": (1, ["a"])}, FakeWorker({"a": good}))
    found.run(budget(60, Clock()))
    whole, path = rows.read(tmp_path / RESULTS), tmp_path / RESULTS
    path.write_text(path.read_text() + 'first,b,x,pass,"tor')
    assert rows.read(path) == whole
    rows.append(path, whole[0])
    assert rows.read(path) == [*whole, whole[0]]


@pytest.mark.parametrize("left", [b"", b"part,it"])
def test_a_kill_before_the_first_line_is_whole_is_made_good(tmp_path, left):
    (tmp_path / RESULTS).write_bytes(left)
    assert programme(tmp_path, {"first": (1, ["a"])}, FakeWorker({"a": good})).run(budget(60, Clock()))
    assert len(rows.read(tmp_path / RESULTS)) == 2


def test_a_line_that_is_torn_in_the_midst_of_a_letter_is_dropped(tmp_path):
    programme(tmp_path, {"first": (1, ["a"])}, FakeWorker({"a": good})).run(budget(60, Clock()))
    with (tmp_path / RESULTS).open("ab") as file:
        file.write("first,b,\u00b1".encode()[:-1])
    assert len(rows.read(tmp_path / RESULTS)) == 2


def test_a_text_with_line_breaks_and_commas_stays_one_line(tmp_path):
    row = rows.Row("p", "i", "r", PASS, None, "", "", "", 1.5, 'a,\n"b"', "cpu", "full", "card", "now")
    rows.append(tmp_path / RESULTS, row)
    assert len((tmp_path / RESULTS).read_text().splitlines()) == 2
    assert rows.read(tmp_path / RESULTS) == [row._replace(said='a, "b"')]
