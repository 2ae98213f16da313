"""The code behind a run is found without importing it, and hashed so that only what it does counts."""

import subprocess
import sys
from importlib import import_module, invalidate_caches

import pytest

from cl_bench.records.provenance import differences
from cl_bench.runner import code_hashes

STRATEGY = '''
"""A strategy."""
from cl_bench.strategies import Learner
from {helper} import FACTOR

class Mine(Learner):
    """Mine."""

    def criterion(self):
        return super().criterion() * FACTOR  # as it is
'''


@pytest.fixture
def mine(tmp_path, monkeypatch, request):
    """A loose module and one that it imports, with names that no other test has imported."""
    name, helper = f"mine_{abs(hash(request.node.name))}", f"helper_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(STRATEGY.format(helper=helper))
    (tmp_path / f"{helper}.py").write_text("FACTOR = 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    invalidate_caches()
    return tmp_path / f"{name}.py", tmp_path / f"{helper}.py"


def code(path):
    return {"code": code_hashes.code_of([f"{path.stem}.Mine"])}


def test_no_code_is_imported_to_be_hashed(mine):
    script = (
        "import sys; from cl_bench.runner import code_hashes; "
        f"print(code_hashes.code_of(['{mine[0].stem}.Mine', 'cl_bench.strategies.EWC'])['outside']); "
        "print(*sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=mine[0].parent, capture_output=True, text=True, check=True)
    assert mine[0].stem in done.stdout
    assert mine[1].stem in done.stdout  # what it imports of one's own
    assert not {"torch", "avalanche", mine[0].stem} & set(done.stderr.split())


def test_a_target_is_followed_to_the_module_that_it_is_written_in():
    found = code_hashes._reached(["cl_bench.strategies.EWC", "cl_bench.models.mlp"], ours=True)
    assert {"cl_bench.strategies.ewc", "cl_bench.posteriors.fisher", "cl_bench.models.perceptron"} <= set(
        found
    )
    assert not {"cl_bench.strategies.vcl", "cl_bench.models.residual"} & set(found)


def test_code_that_does_the_same_is_the_same(mine):
    before = code(mine[0])
    mine[0].write_text(
        mine[0].read_text().replace("# as it is", "# twice\n\n").replace('"""Mine."""', '"""Ours."""')
    )
    assert code(mine[0]) != before
    assert differences(before, code(mine[0])) == []


@pytest.mark.parametrize("which", [0, 1])
def test_code_that_does_something_else_is_not(mine, which):
    before = code(mine[0])
    mine[which].write_text(
        mine[which].read_text().replace("criterion() * FACTOR", "criterion()").replace("1.0", "2.0")
    )
    assert differences(before, code(mine[0])) == [f"the module {mine[which].stem} has changed"]


def test_packages_that_run_json_has_the_versions_of_are_not_hashed():
    assert code_hashes.code_of(["avalanche.training.EWC", "torch.nn.Linear"])["outside"] == {}


def test_a_checkout_of_such_a_package_may_be_edited_and_counts(monkeypatch):
    assert code_hashes._is_others("hydra", set())
    monkeypatch.setattr(code_hashes, "_is_installed", lambda path: False)
    assert not code_hashes._is_others("hydra", set())


def test_a_class_whose_source_cannot_be_found_is_said_to_be_unknown():
    assert code_hashes.code_of(["nowhere.to.Be"])["outside"] == {"nowhere.to.Be": {"source": "unknown"}}


def test_a_module_edited_after_its_import_is_told_until_it_is_reloaded(mine):
    import_module(mine[0].stem)
    target = f"{mine[0].stem}.Mine"
    assert code_hashes.changed_since_import([target]) == []
    mine[0].write_text(mine[0].read_text().replace("* FACTOR", "* 3.0"))
    assert code_hashes.changed_since_import([target]) == [mine[0].stem]
    invalidate_caches()
    del sys.modules[mine[0].stem]
    import_module(mine[0].stem)
    assert code_hashes.changed_since_import([target]) == []


def test_the_same_tree_spares_all_other_questions_of_cl_bench():
    quick = code_hashes.code_of(["cl_bench.strategies.EWC"], seen=code_hashes.tree())
    assert set(quick["cl_bench"]) == {"tree"}
    assert differences({"code": code_hashes.code_of(["cl_bench.strategies.EWC"])}, {"code": quick}) == []


@pytest.mark.parametrize("folder", ["site-packages", "dist-packages", "modules"])
def test_packages_of_another_environment_are_installed_ones(tmp_path, monkeypatch, mine, folder):
    """As --system-site-packages, a cluster's PYTHONPATH or `pip install --target` have them."""
    other = tmp_path / folder
    (other / "of_theirs").mkdir(parents=True)
    (other / "of_theirs" / "__init__.py").touch()
    if folder == "modules":
        (other / "of_theirs-1.0.dist-info").mkdir()
    mine[0].write_text(f"import of_theirs\nimport {mine[1].stem}\n{mine[0].read_text()}")
    monkeypatch.syspath_prepend(str(other))
    code_hashes._installed.cache_clear()
    invalidate_caches()
    assert set(code(mine[0])["code"]["outside"]) == {mine[0].stem, mine[1].stem}
    code_hashes._installed.cache_clear()
