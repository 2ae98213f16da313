"""The worked examples, installed: found by name, swept with ours, and right as methods."""

import json
import os
import subprocess
import sys

import pytest

from cl_bench.cli.main import main
from cl_bench.cli.package import KINDS
from cl_bench.records.rows import read

pytestmark = pytest.mark.usefixtures("installed", "process_as_before")
NAMES = tuple(f"my_{kind}" for kind in KINDS)
SMALL = (
    *("benchmark=permuted_digits", "benchmark.num_tasks=2", "benchmark.num_train=300", "training.epochs=10"),
    *("training.batch_size=32", "model.hidden=[64]", "training.device=cpu"),
)


@pytest.fixture(scope="module")
def swept(site, tmp_path_factory):
    """Strategy -> folder of its run, after a sweep by a pattern, as its user has it: a process of its own."""
    folder = tmp_path_factory.mktemp("swept")
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "cl_bench", "run", "-m", "strategy=glob([my_*,fine*])", *SMALL]
    subprocess.run(
        [*command, f"results_dir={folder}"],
        check=True,
        capture_output=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    return {json.loads(path.read_text())["strategy"]: path.parent for path in folder.glob("*/*/run.json")}


@pytest.fixture
def run(tmp_path):
    """run("strategy=my_replay"): the folders of the runs of `cl-bench run`, one a seed."""

    def call(study, *arguments):
        assert main(["run", *arguments, *SMALL, f"results_dir={tmp_path}", f"study={study}"]) == 0
        return sorted(path.parent for path in (tmp_path / study).glob("*/run.json"))

    return call


def outcomes(folder):
    return {(row.after_task, row.on_task): (row.accuracy, row.nll) for row in read(folder / "records.csv")}


def test_list_names_them_with_their_packages(capsys):
    assert main(["list", "strategy"]) == 0
    packages = {line.split()[0]: line.split()[1] for line in capsys.readouterr().out.splitlines()[1:]}
    assert {packages[f"my_{kind}"] for kind in KINDS} == {"my-bayesian", "my-penalty", "my-replay"}
    assert packages["ewc"] == "cl_bench"


def test_listing_them_imports_nothing_slow(site):
    script = (
        "import sys; from cl_bench.cli.main import main; main(['list']); print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "my_replay" in done.stdout
    assert not set(done.stderr.split()) & {"torch", "avalanche", "hydra"}


def test_a_pattern_sweeps_them_with_ours(swept):
    assert set(swept) == {*NAMES, "finetune"}


def test_a_star_names_all_strategies_there_are():
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser

    from cl_bench.config.choices import choices
    from cl_bench.config.compose import register
    from cl_bench.config.places import conf_folder

    register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=str(conf_folder()), version_base="1.3"):
        parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
        (star,) = parser.parse_overrides(["strategy=glob(*)"])
        assert set(star.sweep_string_iterator()) == set(choices("strategy")) > set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_learns_and_does_something_of_its_own(swept, name):
    assert outcomes(swept[name])[1, 1][0] > 0.3
    assert outcomes(swept[name])[2, 1] != outcomes(swept["finetune"])[2, 1]


@pytest.mark.parametrize("name", ["my_penalty", "my_replay"])
def test_the_first_task_is_learned_as_by_fine_tuning(swept, name):
    assert outcomes(swept[name])[1, 1] == outcomes(swept["finetune"])[1, 1]


@pytest.mark.parametrize(("name", "off"), [("my_penalty", "strength=0"), ("my_replay", "weight=0")])
def test_an_example_that_is_switched_off_is_fine_tuning_bit_for_bit(swept, run, name, off):
    (folder,) = run("off", f"strategy={name}", f"strategy.{off}")
    assert outcomes(folder) == outcomes(swept["finetune"])


@pytest.mark.parametrize("name", NAMES)
def test_seeds_trained_at_once_are_the_seeds_one_by_one(swept, run, name):
    first, second = run("at_once", f"strategy={name}", "seeds=[0,1]", "training.stacked=true")
    for test, (accuracy, nll) in outcomes(swept[name]).items():
        assert outcomes(first)[test] == (pytest.approx(accuracy, abs=0.02), pytest.approx(nll, rel=0.02))
    assert outcomes(second) != outcomes(first)


def test_the_penalty_pulls_by_importance_times_distance():
    import torch
    from my_penalty.strategy import MyPenalty

    from cl_bench.config.build import build_strategy, build_stream
    from cl_bench.config.compose import compose
    from cl_bench.learner.seeds import Seeds
    from cl_bench.streams.benchmark import to_avalanche

    config, seeds = compose(["strategy=my_penalty", "strategy.strength=3", *SMALL]), Seeds(0)
    stream, _ = build_stream(config, seeds)
    strategy = build_strategy(config, stream, seeds)
    assert isinstance(strategy, MyPenalty)
    before = strategy.flat.values.data.clone()
    strategy.train(to_avalanche(stream).train_stream[0])
    weights = strategy.flat.values.data
    assert torch.equal(strategy.importance, (weights - before).abs())
    weights += torch.linspace(-1, 1, len(weights))
    strategy.loss = 0 * strategy.flat.values.sum()  # no loss: the penalty alone is left
    strategy.flat.zero_gradients()
    strategy.backward()
    moved = weights.double().requires_grad_()
    penalty = 3 / 2 * (strategy.importance.double() * (moved - strategy.anchor.double()) ** 2).sum()
    (expected,) = torch.autograd.grad(penalty, moved)
    torch.testing.assert_close(strategy.flat.gradients.double(), expected, rtol=1e-5, atol=1e-6)


def test_without_data_a_whole_step_of_the_bayesian_rule_is_the_prior():
    import torch
    from my_bayesian.strategy import Weights, step

    posterior = Weights(torch.tensor([0.5, -2.0]), torch.tensor([400.0, 3.0]))
    prior = Weights(torch.tensor([0.1, 0.0]), torch.tensor([1.0, 4.0]))
    moved = step(posterior, prior, torch.zeros(2), rate=1.0, num_examples=100, num_in_batch=10)
    torch.testing.assert_close(moved.precision, prior.precision)
    torch.testing.assert_close(moved.mean, prior.mean)


def test_a_step_of_the_bayesian_rule_by_hand():
    import torch
    from my_bayesian.strategy import Weights, step

    posterior, prior = (
        Weights(torch.tensor([1.0]), torch.tensor([10.0])),
        Weights(*torch.tensor([[0.0], [2.0]])),
    )
    moved = step(posterior, prior, torch.tensor([0.1]), rate=0.5, num_examples=100, num_in_batch=4)
    # h = 4 * 0.01; s = 5 + (2 + 100 h) / 2 = 8; m = 1 - 0.5 (100 * 0.1 + 2 * 1) / 8
    torch.testing.assert_close(moved.precision, torch.tensor([8.0]))
    torch.testing.assert_close(moved.mean, torch.tensor([0.25]))


def test_a_posterior_is_the_next_task_s_prior():
    from cl_bench.config.build import build_strategy, build_stream
    from cl_bench.config.compose import compose
    from cl_bench.learner.seeds import Seeds
    from cl_bench.streams.benchmark import to_avalanche

    config, seeds = compose(["strategy=my_bayesian", *SMALL, "benchmark.scenario=task"]), Seeds(0)
    stream, _ = build_stream(config, seeds)
    strategy = build_strategy(config, stream, seeds)
    strategy.train(to_avalanche(stream).train_stream[0])
    active = strategy.active > 0
    assert not active.all()
    for part, new, first in zip(strategy.prior, strategy.posterior, strategy.first, strict=True):
        assert (part[active] == new[active]).all()
        assert (part[~active] == first[~active]).all()


@pytest.mark.parametrize(
    ("name", "setting", "status"),
    [
        ("my_penalty", "strategy.strength=-1", 2),
        ("my_replay", "strategy.weight=-1", 2),
        ("my_bayesian", "strategy.prior_deviation=0", 2),
        ("my_bayesian", "training.learning_rate=2", 1),  # known when it is built
    ],
)
def test_a_setting_out_of_range_is_named(name, setting, status, tmp_path, capsys):
    assert main(["run", f"strategy={name}", setting, *SMALL, f"results_dir={tmp_path}"]) == status
    assert setting.partition("=")[0].rpartition(".")[2] in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_package_passes_its_own_tests_as_generated(site, name):
    tests = site.parent / "sources" / name / "tests"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tests),
        str(tests),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("name", NAMES)
def test_what_there_is_to_tune_comes_with_the_package(name):
    from cl_bench.tuning.search_files import space_of

    assert all(found.key.split(".")[0] in ("strategy", "training") for found in space_of(name, [], {}))
