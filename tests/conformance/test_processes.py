"""Another interpreter: what it finds, and what it says when it cannot answer."""

import os
import sys
import textwrap
import types
from importlib import util

import pytest

from cl_bench.conformance import processes
from cl_bench.conformance.check import FAIL, NOT_APPLICABLE, PASS, result_of
from cl_bench.conformance.processes import another_process_gives_the_same_bits, objects_share_no_state
from cl_bench.testing import Subject

PROCESSES = (objects_share_no_state, another_process_gives_the_same_bits)


def module(folder, name: str, body: str) -> None:
    text = "from cl_bench.strategies import Finetune\n" + textwrap.dedent(body)
    (folder / f"{name}.py").write_text(text)


@pytest.mark.parametrize("name", ["ewc", "function_prior", "vcl"])
def test_a_healthy_strategy_passes(name):
    for each in PROCESSES:
        assert result_of(each, Subject(name)).outcome == PASS


def test_a_strategy_that_uses_what_is_read_later_finds_it_there(tmp_path, monkeypatch):
    module(
        tmp_path,
        "smoothing_strategy",
        """
        from torchmetrics.functional import accuracy

        class Smoothing(Finetune):
            def backward(self):
                super().backward()
                classes = self.mb_output.shape[1]
                share = accuracy(self.mb_output, self.mb_y, task="multiclass", num_classes=classes)
                self.flat.gradients.mul_(float(share))
        """,
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert (
        result_of(another_process_gives_the_same_bits, Subject("smoothing_strategy:Smoothing")).outcome
        == PASS
    )


def test_a_class_that_is_found_by_its_file_alone_is_found_there(tmp_path, monkeypatch):
    module(tmp_path, "loose_strategy", "class Mine(Finetune):\n    pass\n")
    spec = util.spec_from_file_location("loose_strategy", tmp_path / "loose_strategy.py")
    loose = util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "loose_strategy", loose)
    spec.loader.exec_module(loose)
    for each in PROCESSES:
        result = result_of(each, Subject("loose_strategy:Mine"))
        assert result.outcome == PASS, result


def test_a_class_without_a_file_is_not_asked(monkeypatch):
    from cl_bench.strategies import Finetune

    nowhere = types.ModuleType("nowhere_to_be_found")
    nowhere.Mine = type("Mine", (Finetune,), {"__module__": "nowhere_to_be_found"})
    monkeypatch.setitem(sys.modules, "nowhere_to_be_found", nowhere)
    result = result_of(another_process_gives_the_same_bits, Subject("nowhere_to_be_found:Mine"))
    assert result.outcome == NOT_APPLICABLE, result
    assert "cannot be imported in another process" in result.seen


def test_a_strategy_that_ends_the_process_fails_and_the_next_question_is_answered(tmp_path, monkeypatch):
    module(
        tmp_path,
        "ending_strategy",
        f"""
        import os

        class Ends(Finetune):
            def backward(self):
                super().backward()
                if os.getpid() != {os.getpid()}:
                    os._exit(7)
        """,
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    result = result_of(another_process_gives_the_same_bits, Subject("ending_strategy:Ends"))
    assert result.outcome == FAIL
    assert "ended with status" in result.seen
    assert result_of(another_process_gives_the_same_bits, Subject("finetune")).outcome == PASS


def test_a_server_that_was_ended_is_replaced():
    question = another_process_gives_the_same_bits
    assert result_of(question, Subject("finetune")).outcome == PASS
    processes.server().close()
    assert result_of(question, Subject("finetune")).outcome == PASS
