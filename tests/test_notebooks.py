"""What the notebooks say they need, and the strategy that one of them adds."""

import json
import re
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
OF_A_CHECKOUT = re.compile(r"results/|Path.cwd|conf/|tests/|__file__|getcwd")


def cells(path, kind):
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == kind]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_anywhere_or_says_first_that_it_needs_a_checkout(notebook, tmp_path, monkeypatch):
    code = cells(notebook, "code")
    if not any(OF_A_CHECKOUT.search(cell) for cell in code):
        return
    assert "needs a checkout" in cells(notebook, "markdown")[0]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="start in a checkout"):
        exec(compile(code[0], str(notebook), "exec"), {})


def test_the_strategy_that_is_added_goes_on_after_a_stop_bit_for_bit(tmp_path, monkeypatch):
    """The notebook asks it all questions of `cl-bench check`; the one on its declared state is quick."""
    from cl_bench.conformance.check import PASS, result_of
    from cl_bench.testing import CHECKS, Subject

    (notebook,) = (path for path in NOTEBOOKS if path.stem.startswith("03"))
    (source,) = re.findall(r"write_text\('''(.*?)'''\)", cells(notebook, "code")[0], re.DOTALL)
    (tmp_path / "freezing.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    (check,) = (check for check in CHECKS if "was stopped" in check.question)
    result = result_of(check, Subject("freezing:Freezing", ["strategy.share=0.3"]))
    assert result.outcome == PASS, str(result)
