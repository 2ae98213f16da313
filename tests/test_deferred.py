"""Modules that are read when they are first used: what is put off, and that nothing is missing."""

import ast
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path
from typing import get_args

import pytest

import cl_bench
from cl_bench.deferred import Unread, deferred

HOME = Path(cl_bench.__file__).parent

PACKAGE = {
    "__init__.py": "from later_package.parts import Part\nfrom later_package import numbers\n",
    "parts.py": "class Part:\n    size = 3\n    def __init__(self, name='part'): self.name = name\n",
    "numbers.py": "def double(x): return 2 * x\n\nthree = 3\n",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "later_package"
    folder.mkdir()
    for name, content in PACKAGE.items():
        (folder / name).write_text(content)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [each for each in sys.modules if each.partition(".")[0] == "later_package"]:
        del sys.modules[name]


def is_read():
    return not isinstance(sys.modules.get("later_package"), Unread | None)


@pytest.mark.usefixtures("package")
def test_a_function_is_read_when_it_is_called():
    with deferred(["later_package"]):
        from later_package.numbers import double
    assert not is_read()
    assert double(21) == 42
    assert is_read()


@pytest.mark.usefixtures("package")
def test_a_module_that_is_taken_from_its_package_is_read_although_the_package_does_not_read_it(package):
    (package / "apart.py").write_text("four = 4\n")
    with deferred(["later_package"]):
        from later_package import apart, nothing
    assert apart.four.real == 4
    with pytest.raises(AttributeError, match="nothing"):
        nothing()


@pytest.mark.usefixtures("package")
def test_a_module_is_read_when_something_of_it_is_used():
    with deferred(["later_package"]):
        import later_package
        import later_package.numbers as numbers
    assert not is_read()
    assert numbers.three.real == 3
    assert later_package.Part.size == 3
    import later_package as real

    assert real.numbers.three == 3
    assert not isinstance(real, Unread)


@pytest.mark.usefixtures("package")
def test_what_a_module_holds_can_be_listed_after_the_block():
    """As `sorted(torchvision.models.__dict__)`, which asks for no name of it."""
    with deferred(["later_package"]):
        import later_package.numbers
    assert {"double", "three"} <= set(dir(later_package.numbers))
    assert vars(later_package.numbers)["three"] == later_package.numbers.__dict__["three"] == 3


@pytest.mark.usefixtures("package")
def test_a_class_can_be_subclassed_within_the_block_and_after_it():
    with deferred(["later_package"]):
        from later_package import Part

        class Within(Part):
            pass

        from later_package.numbers import double  # of a package that is read by now

        assert double(2) == 4
    from later_package import Part as RealPart

    class After(Part):
        pass

    assert issubclass(Within, RealPart)
    assert issubclass(After, RealPart)
    assert Within("mine").name == "mine"


@pytest.mark.usefixtures("package")
def test_to_ask_for_instances_of_what_nobody_has_read_reads_nothing():
    with deferred(["later_package"]):
        from later_package import Part
    assert not isinstance(3, Part)
    assert not isinstance(3, (str, Part))
    assert not is_read()
    import later_package.parts

    assert isinstance(later_package.parts.Part(), Part)
    assert issubclass(later_package.parts.Part, Part)
    assert not isinstance(3, Part)


@pytest.mark.usefixtures("package")
def test_it_stands_in_annotations():
    with deferred(["later_package"]):
        from later_package import Part
    assert get_args(int | Part) == (int, Part)
    assert get_args(Part | None) == (Part, type(None))
    assert not is_read()


@pytest.mark.usefixtures("package")
def test_after_the_block_it_is_imported_as_ever():
    with deferred(["later_package"]):
        import later_package  # noqa: F401
    assert "later_package" not in sys.modules
    from later_package.numbers import three

    assert three == 3


@pytest.mark.usefixtures("package")
def test_what_was_imported_before_stays_as_it_is():
    import later_package.numbers

    with deferred(["later_package"]):
        from later_package import numbers, parts

        assert numbers is later_package.numbers
        assert parts.Part is later_package.Part


def test_a_module_that_is_not_there_is_missed_at_once():
    with deferred(["no_such_module_anywhere"]), pytest.raises(ModuleNotFoundError):
        import no_such_module_anywhere  # noqa: F401


@pytest.mark.usefixtures("package")
def test_an_error_in_the_block_leaves_nothing_behind():
    with deferred([]):
        before = list(sys.meta_path)
    with suppress(ZeroDivisionError), deferred(["later_package"]):
        import later_package

        assert isinstance(later_package, Unread)
        1 / 0  # noqa: B018
    assert sys.meta_path == before[1:]
    assert "later_package" not in sys.modules


def in_new_process(code):
    """What a program prints, in a process that has imported nothing."""
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split()


def test_avalanche_without_what_few_runs_use_and_all_of_it_when_asked_for():
    loaded = in_new_process(
        """
        import sys
        from cl_bench import deferred as module
        from cl_bench.deferred import SELDOM_USED, Compiler

        found = set()
        find = module._Later.find_spec
        module._Later.find_spec = lambda self, name, *rest: (found.add(name), find(self, name, *rest))[1]
        import cl_bench.config.build
        assert found >= set(SELDOM_USED), "put off in vain: nobody imports it"

        import torch
        from avalanche.evaluation.metrics import TopkAccuracy
        from avalanche.evaluation.metric_results import Figure

        weights = torch.nn.Parameter(torch.ones(3))
        optimizer = torch.optim.Adam([weights])
        weights.sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        torch.func.grad(lambda x: (x**2).sum())(torch.ones(3))
        print(*(name for name in sys.modules if name.startswith(("sympy", "torch._inductor", *SELDOM_USED))))
        assert type(sys.modules["torch._dynamo"]) is Compiler

        topk = TopkAccuracy(2)
        topk.update(torch.tensor([[3.0, 2, 1], [3, 2, 1]]), torch.tensor([1, 2]), 0)
        assert topk.result()[0] == 0.5
        assert not isinstance(3, Figure)
        import matplotlib.figure
        assert isinstance(matplotlib.figure.Figure(), Figure)
        import torchvision
        assert torchvision.ops.nms(torch.tensor([[0.0, 0, 1, 1]]), torch.ones(1), 0.5).tolist() == [0]
        assert isinstance(torchvision.models.resnet18(), torch.nn.Module)
        """
    )
    assert loaded == []


def test_the_compiler_is_whole_when_it_is_used():
    said = in_new_process(
        """
        import sys
        from cl_bench.deferred import Compiler, deferred

        with deferred():
            import cl_bench.config.build
        import torch
        weights = torch.nn.Parameter(torch.ones(3))
        optimizer = torch.optim.Adam([weights])
        calls = []
        optimizer.zero_grad()
        assert type(sys.modules["torch._dynamo"]) is Compiler
        torch.set_deterministic_debug_mode("warn")
        assert not torch.compiler.disable(lambda: False)()
        assert type(sys.modules["torch._dynamo"]) is Compiler
        apart = torch.nn.Sequential(torch.compiler.disable(torch.nn.Linear(2, 3)))
        assert [each.shape for each in apart.parameters()] == [(3, 2), (3,)]
        twice = torch.compile(lambda x: 2 * x, backend="eager", fullgraph=True)
        assert twice(torch.ones(2)).tolist() == [2, 2]
        assert sys.modules["torch._inductor.config"].deterministic
        assert torch.get_deterministic_debug_mode() == 1
        import torch._dynamo.utils as utils
        assert torch._dynamo is sys.modules["torch._dynamo"] and not isinstance(torch._dynamo, Compiler)
        assert torch._dynamo.utils is utils
        torch._dynamo.config.verbose = True
        optimizer.zero_grad()
        weights.sum().backward()
        optimizer.step()
        print("whole")
        """
    )
    assert said == ["whole"]


def test_a_part_of_the_compiler_is_the_one_that_the_whole_has():
    said = in_new_process(
        """
        import sys
        from cl_bench.deferred import Compiler, deferred

        with deferred():
            import torch
        import torch._dynamo
        assert type(sys.modules["torch._dynamo"]) is Compiler
        from torch._dynamo.utils import counters
        from torch._dynamo import config
        import torch._dynamo.utils
        assert torch._dynamo.utils.counters is counters
        assert sys.modules["torch._dynamo.utils"].__spec__.name == "torch._dynamo.utils"
        assert sys.modules["torch._dynamo"].config is config
        print("one")
        """
    )
    assert said == ["one"]


def imported(node):
    """The modules that a statement imports."""
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [each.name for each in node.names] if isinstance(node, ast.Import) else []


# what comes with the package of strategies, or measures Avalanche itself
OTHERWISE = ("strategies", "conformance")


def test_avalanche_is_imported_within_a_block():
    outside = [
        f"{path}:{node.lineno}"
        for path in HOME.rglob("*.py")
        if path.relative_to(HOME).parts[0] not in OTHERWISE
        for node in ast.parse(path.read_text()).body
        if any(name.partition(".")[0] == "avalanche" for name in imported(node))
    ]
    assert outside == []


def test_strategies_are_imported_within_a_block():
    body = ast.parse((HOME / "strategies" / "__init__.py").read_text()).body
    assert not [node for node in body if any(".strategies." in name for name in imported(node))]
