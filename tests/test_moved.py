"""Documented names of before still import, and say where they are now."""

import subprocess
import sys
from importlib import import_module

import pytest

from cl_bench.moved import MOVED, NAMES

# as README, docs, notebooks and the packages of `cl-bench new` have shown them
SHOWN = (
    ("analysis.comparison", "comparison"),
    ("analysis.comparison", "sentences"),
    ("analysis.measured", "run_metrics"),
    ("analysis.others", "avalanche_forgetting"),
    ("analysis.statistics", "differences"),
    ("analysis.statistics", "paired"),
    ("analysis.statistics", "tost"),
    ("analysis.summary", "forgetting_curves"),
    ("analysis", "text_table"),
    ("analysis", "published_table"),
    ("posteriors.gaussian", "Gaussian"),
    ("strategies.experiences", "resident_tasks"),
    ("strategies.learner", "Finetune"),
    ("strategies.learner", "Learner"),
    ("strategies.rehearsal", "Rehearsal"),
    ("strategies.sampling", "OwnRule"),
    ("strategies.sampling", "SamplingLearner"),
    ("streams.benchmark", "to_avalanche"),
    ("testing", "Claims"),
    ("testing", "StrategyContract"),
    ("testing.claims", "Claims"),
    ("testing.contract", "StrategyContract"),
    ("training.experiment", "experiment"),
    ("training.generators", "Seeds"),
)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(("module", "name"), SHOWN)
def test_a_name_that_was_shown_imports(module, name):
    assert callable(getattr(import_module(f"cl_bench.{module}"), name))


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("old", [old for old, homes in MOVED.items() if homes])
def test_it_is_the_same_object(old):
    found = vars(import_module(f"cl_bench.{old}"))
    for home in MOVED[old]:
        public = {
            name: value for name, value in vars(import_module(f"cl_bench.{home}")).items() if name[0] != "_"
        }
        assert all(found[name] is value for name, value in public.items())


@pytest.mark.parametrize(
    "statement",
    ["from cl_bench.training.generators import Seeds", "from cl_bench.analysis import text_table"],
)
def test_an_old_name_warns_once_where_it_is_imported(tmp_path, statement):
    script = tmp_path / "mine.py"
    script.write_text(f"{statement}\n{statement}\n")
    ended = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert "FutureWarning" in ended.stderr
    assert "is now" in ended.stderr


def test_what_never_was_is_not_there():
    with pytest.raises(ModuleNotFoundError):
        import_module("cl_bench.training.nothing")
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        import_module("cl_bench.analysis").nothing  # noqa: B018


def test_new_homes_are_there():
    for homes in (*MOVED.values(), NAMES.values()):
        for home in homes:
            import_module(f"cl_bench.{home}")


@pytest.mark.parametrize("old", NAMES)
def test_a_moved_name_is_what_it_was(old):
    module, _, name = old.rpartition(".")
    with pytest.warns(FutureWarning, match=f"is now in cl_bench.{NAMES[old]}"):
        found = getattr(import_module(f"cl_bench.{module}"), name)
    assert found is getattr(import_module(f"cl_bench.{NAMES[old]}"), name)
