"""What is done with a command that a page shows: most are executed, the others taken to where work begins.

`plan(command)` finds what a command asks for; a command that nothing here knows is an error.
"""

import itertools
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from shown_blocks import ROOT, SMALL, words

from cl_bench.cli import VERBS
from cl_bench.cli.main import main
from cl_bench.config.choices import choices
from cl_bench.config.compose import compose
from cl_bench.report.figure_kinds import KINDS

MAKEFILE = (ROOT / "Makefile").read_text()
# commands that are not executed, each with the reason; what is checked in its place is below
NOT_EXECUTED = {
    "make": "installs, or takes minutes to hours: make -n says what it would do",
    "pip": "changes the environment: what it names exists",
    "source": "changes the shell",
    "tensorboard": "starts a server",
    "python": "python -m pytest: the tests of a generated package are run by tests/new; "
    "python -m gpu: by tests/gpu",
    "data": "reads MNIST or CIFAR, or takes hours: every job of the sweep is composed",
    "cluster": "sends jobs to a cluster: each one is composed; tests/runner has the launchers",
    "all": "sweeps every strategy: each one is composed; tests/new runs such a sweep",
}
MADE_UP = ("stripes",)  # data sets that a page makes up
OTHERS = ("quadprog",)  # packages that are named, and not ours
# what a study's command is executed with, so that it takes seconds
FEW_JOBS = ("benchmark=split_digits", "strategy=finetune,ewc", "seed=0", "hydra/launcher=basic")


def plan(command: str) -> tuple[str, Callable[[], None]]:
    """The reason why a command is not executed, empty where it is, and what to do."""
    _, (tool, *rest) = words(command)
    if tool == "cl-bench":
        return _cl_bench(rest)
    if tool == "eval":
        ((inner,),) = [re.findall(r"\$\((.*)\)", word) for word in rest]
        return plan(inner)
    checks: dict[str, Callable[[list[str]], None]] = {
        "make": _make,
        "pip": _pip,
        "source": _source,
        "python": _python,
        "tensorboard": _tensorboard,
    }
    if tool not in checks:
        raise AssertionError(f"no test knows what to do with `{command}`: teach tests/docs/shown_commands.py")
    return NOT_EXECUTED[tool], lambda: checks[tool](rest)


def _cl_bench(rest: list[str]) -> tuple[str, Callable[[], None]]:
    verb, *arguments = rest
    if verb == "run" and "--help" not in arguments and "--cfg" not in arguments:
        return _run(arguments)
    if verb == "tune":
        return _tune(arguments)
    if verb == "new":  # my_method is installed already
        return "", lambda: _answers(["new", "another_method", *arguments[1:]])
    if verb == "verify":  # one of them
        return "", lambda: _answers(["verify", *map(str, sorted(Path().glob(arguments[0]))[:1])])
    if verb == "metric":  # followed in docs/how_to, where runs have predictions
        return "", lambda: _answers(["metric"])
    if verb == "merge":
        return "", lambda: _merge(arguments)
    if verb == "features":  # followed in docs/how_to, where there is a trained network
        return "", lambda: _answers(["features", "--help"])
    if verb == "clean":  # there is nobody to say yes
        return "", lambda: _answers([*rest, "--yes"])
    if verb in ("run", "list", "check", "report", "plot", "table", "completion"):
        return "", lambda: _answers(rest)
    raise AssertionError(
        f"there is no verb {verb!r}" if verb not in VERBS else f"no test knows cl-bench {verb}"
    )


def _answers(rest: list[str]) -> None:
    try:
        status = main(rest)
    except SystemExit as left:  # Hydra's --help
        status = left.code or 0
    assert status == 0, rest


def _merge(arguments: list[str]) -> None:
    """What was run here, as if it came from the machines that the command names."""
    for machine in arguments[: arguments.index("-o")]:
        shutil.copytree("results/digits", Path(machine) / "digits", dirs_exist_ok=True)
    _answers(["merge", *arguments])


def _run(arguments: list[str]) -> tuple[str, Callable[[], None]]:
    settings = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    study, benchmark = settings.get("experiment", ""), settings.get("benchmark", "permuted_digits")
    if settings.get("benchmark/dataset") in MADE_UP:
        benchmark = "made_up_digits"
    if study == "digits":
        return "", lambda: _answers(["run", *arguments, *FEW_JOBS, *SMALL])
    if "glob(" in settings.get("strategy", ""):
        each = [_put(arguments, "strategy", name) for name in choices("strategy")]
        return NOT_EXECUTED["all"], lambda: [_compose(one) for one in each] and None
    if settings.get("hydra/launcher") in ("slurm", "ray"):
        ours = [argument for argument in arguments if not argument.startswith("hydra")]
        return NOT_EXECUTED["cluster"], lambda: _compose(ours)
    if study or not all(name.endswith("_digits") for name in benchmark.split(",")):
        return NOT_EXECUTED["data"], lambda: _compose(arguments)
    few = [_few(argument) for argument in arguments]
    given = {*settings, *(["model.hidden"] if "model" in settings else [])}  # another model has others
    small = [setting for setting in SMALL if setting.split("=")[0] not in given]
    return "", lambda: _answers(["run", *few, *small])


def _few(argument: str) -> str:
    """One seed, and two of a part of it; jobs in this process, since a worker takes seconds to import
    Avalanche (tests/runner has launchers).
    """
    key, _, value = argument.partition("=")
    if key == "hydra/launcher":
        return "hydra/launcher=basic"
    number = {"seed": 1}.get(key, 2 if key.startswith("seed_for.") else None)
    return f"{key}={','.join(value.split(',')[:number])}" if number else argument


def _put(arguments: list[str], key: str, value: str) -> list[str]:
    return [f"{key}={value}" if one.startswith(f"{key}=") else one for one in arguments]


def _compose(arguments: list[str]) -> None:
    """Every combination of what the command sweeps."""
    given = [argument for argument in arguments if "=" in argument]
    folders = [f"hydra.searchpath=[{Path(each).resolve()}]" for each in _after("--config-dir", arguments)]
    swept = [
        [f"{key}={value}" for value in (values.split(",") if "[" not in values else [values])]
        for key, _, values in (one.partition("=") for one in given)
    ]
    for job in itertools.product(*swept):
        compose([*folders, *job])


def _after(flag: str, arguments: list[str]) -> list[str]:
    return [value for name, value in itertools.pairwise(arguments) if name == flag]


def _tune(arguments: list[str]) -> tuple[str, Callable[[], None]]:
    if "--help" in arguments:
        return "", lambda: _answers(["tune", *arguments])
    if any(word.startswith("benchmark=") and "digits" not in word for word in arguments):
        from cl_bench.cli.tune import read
        from cl_bench.tuning.search_files import space_of

        def look() -> None:
            request = read(arguments)
            for strategy, benchmark in itertools.product(
                request.pairs["strategy"], request.pairs["benchmark"]
            ):
                assert space_of(strategy, [], request.dimensions)
                compose([f"strategy={strategy}", f"benchmark={benchmark}"])

        return NOT_EXECUTED["data"], look
    few = ("tune.trials=2", "tune.num_seeds=1", *SMALL)
    return "", lambda: _answers(["tune", *arguments, *few])


def _make(rest: list[str]) -> None:
    (target,) = rest
    assert re.search(rf"^{target}:", MAKEFILE, flags=re.MULTILINE), f"make has no target {target}"
    subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)


def _pip(rest: list[str]) -> None:
    verb, *names = rest
    assert verb == "install"
    for name in names:
        if "[" in name:
            assert_extra(name.partition("[")[2].rstrip("]"))
        elif name not in ("-e", ".", "--no-build-isolation") and not name.endswith(".whl"):
            assert "my_method" in name or name in OTHERS or Path(name).exists(), name


def assert_extra(names: str) -> None:
    """The names in `pip install cl-bench[names]`."""
    for name in names.split(","):
        assert re.search(rf"^{name} = \[", (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE), name


def _source(rest: list[str]) -> None:
    assert rest == [".venv/bin/activate"]
    assert "VENV ?= .venv" in MAKEFILE


def _python(rest: list[str]) -> None:
    assert rest[:2] in (["-m", "pytest"], ["-m", "gpu"])
    if rest[1] == "gpu":
        from gpu.__main__ import parser

        parser().parse_args(rest[2:])


def _tensorboard(rest: list[str]) -> None:
    assert rest == ["--logdir", "results"]


def check_mentioned(command: str) -> None:
    """A command within a sentence: verb, choices and settings exist; dots and capitals stand for others."""
    _, (tool, *rest) = words(command.replace("[`", "["))
    if tool != "cl-bench":
        plan(command)[1]()
        return
    verb, *arguments = rest
    assert verb in VERBS or verb.startswith("--"), command
    if verb == "plot" and arguments:
        assert arguments[0] == "KIND" or arguments[0] in KINDS
    if verb not in ("run", "tune"):
        return
    settings = [one for one in arguments if "=" in one and "..." not in one and "glob" not in one]
    assert all(one.startswith("-") or one in ("...", "results") or "=" in one for one in arguments), command
    _compose([one for one in settings if not one.startswith("tune.") and "my_" not in one])
