"""Settings are checked by the rules of the constructors that they go to, and nothing is imported for it."""

import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import open_dict
from own_choices import needed_by

from cl_bench.config import run_rules
from cl_bench.config.checked import Checker, SettingError, checked
from cl_bench.config.choices import choices
from cl_bench.config.compose import compose, plain
from cl_bench.config.given_settings import with_overrides
from cl_bench.config.rules import rules_of
from cl_bench.config.signatures import signature_of
from cl_bench.config.sources import NotThereError, locate

CHECKER = Checker()  # reads each source once
EWC = compose(["strategy=ewc"])


def messages(config):
    return [problem.message for problem in CHECKER.problems(config)]


@pytest.fixture(scope="module")
def composed():
    """Every choice of every group whose settings have rules, composed once."""
    found = {}
    for group in ("strategy", "benchmark", "model", "training", "tracking", "benchmark/dataset"):
        for name in choices(group):
            needed = needed_by(group, name)
            found[group, name] = compose([f"{group}={name}", "tuned=none", *needed])
    return found


def test_every_choice_in_conf_passes(composed):
    assert {key: messages(config) for key, config in composed.items() if messages(config)} == {}


# infinite, they limit nothing
LIMITS = {"strategy.memory_window", "strategy.max_step"}


def test_an_infinite_number_is_refused_before_training_unless_it_is_a_limit(composed):
    passed, refused = set(), 0
    for (group, _), config in composed.items():
        settings = plain(config)
        *parents, last = group.split("/")
        inner = (settings[parents[0]] if parents else settings)[last]
        for key, value in inner.items():
            full = f"{group.replace('/', '.')}.{key}"
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            with pytest.MonkeyPatch.context() as patch:
                patch.setitem(inner, key, float("inf"))
                found = [each for each in CHECKER.problems_of(settings) if full in each.settings]
            refused += bool(found)
            if not found:
                passed.add(full)
    assert passed == LIMITS
    assert refused > 200


def test_every_setting_of_another_type_is_refused_by_name(composed):
    """Where the type is known: of each setting of each choice, whatever its rule is."""
    refused = 0
    for (group, name), config in composed.items():
        if group == "tracking":
            continue
        settings = plain(config)
        *parents, last = group.split("/")
        outer = settings[parents[0]] if parents else settings
        for key in outer[last]:
            full = f"{group.replace('/', '.')}.{key}"
            if key in ("name", "dataset", "settings") or key.startswith("_") or full in UNTYPED:
                continue
            with pytest.MonkeyPatch.context() as patch:
                patch.setitem(outer[last], key, [["a"]])
                problems = [each for each in CHECKER.problems_of(settings) if full in each.settings]
            assert problems, (group, name, full)
            assert key in problems[0].message
            refused += 1
    assert refused > 200


UNTYPED = ("benchmark.class_order", "benchmark.dataset.datasets", "benchmark.dataset.parts")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training.epochs=0"], "epochs must be a whole number, at least 1, got epochs=0"),
        (["training.learning_rate=nan"], "learning_rate must be a positive number, got learning_rate=nan"),
        (["training.iterations=0"], "iterations must be a whole number, at least 1, got iterations=0"),
        (["training.optimizer=lbfgs"], "optimizer must be one of adam, adamw, sgd, or the path of a class"),
        (["training.compile=1"], "training.compile must be true or false, got training.compile=1"),
        (["strategy.strength=-1"], "strength must be a number and not negative, got strength=-1"),
        (["strategy.mode=onlin"], "mode must be one of separate, online, got mode='onlin'"),
        (["strategy.decay=2"], "decay must be between 0 and 1, got decay=2"),
        (["strategy.decay=half"], "strategy.decay must be a number, got strategy.decay='half'"),
        (["strategy.fisher_estimator=x"], "fisher_estimator must be one of exact, sampled, empirical"),
        (["model.hidden=[0]"], "hidden must be positive, got hidden=[0]"),
        (["model.hidden=[a]"], "model.hidden must be a list of whole numbers, got model.hidden=['a']"),
        (["model.activation=x"], "activation must be one of relu, gate, sign, got activation='x'"),
        (["model.weights=x"], "weights must be one of real, binary, got weights='x'"),
        (["benchmark.num_tasks=0"], "num_tasks must be a whole number, at least 1, got num_tasks=0"),
        (["benchmark.scenario=x"], "scenario must be one of task, domain, class, got scenario='x'"),
        (["benchmark.pixels=x"], "pixels must be one of unit, standardised, raw, got pixels='x'"),
        (["benchmark.padding=-1"], "padding must be a whole number and not negative, got padding=-1"),
        (["benchmark.validation_share=1"], "validation_share must be at least 0 and below 1"),
        (["training.threads=100000"], "threads must be at most 1024, got threads=100000"),
        (["training.stacked=x"], "training.stacked must be auto, true or false, got 'x'"),
        (["training.test_on=x"], "test_on must be one of test, validation, got test_on='x'"),
        (["training.test_last=0"], "test_last must be a whole number, at least 1, or null"),
        (["training.probe_every=0"], "probe_every must be a whole number, at least 1"),
        (["training.checkpoint_minutes=-1"], "checkpoint_minutes must be a number and not negative"),
        (["training.device=mps"], "got 'mps': Apple's GPUs have no double precision, which tests need; use"),
        (["training.device='mps:0'"], "Apple's GPUs have no double precision"),
        (["training.device=GPU"], "or gpu (cuda:1, ...), got 'GPU'; did you mean training.device=gpu?"),
        (["training.device='CUDA:1'"], "did you mean training.device=cuda:1?"),
        (["training.device=1"], "training.device must be auto, cpu, cuda or gpu (cuda:1, ...), got 1; did"),
        (["training.device='cuda:-1'"], "training.device must be auto, cpu, cuda or gpu (cuda:1, ...), got"),
        (["training.device='cuda:01'"], "training.device must be auto, cpu, cuda or gpu (cuda:1, ...), got"),
        (["training.device='cpu:1'"], "training.device must be auto, cpu, cuda or gpu (cuda:1, ...), got"),
        (["training.device=null"], "training.device must be auto, cpu, cuda or gpu (cuda:1, ...), got None"),
        (["training.device=''"], "training.device must be auto, cpu, cuda or gpu (cuda:1, ...), got ''"),
        (["seed=-1"], "a seed must be a whole number, at least 0, got seed=-1"),
        (["seed=9223372036854775808"], "a seed must be below 2**63"),
        (["seed=1.5"], "a seed must be a whole number, at least 0, got seed=1.5"),
        (["seed_for.init=x"], "a seed must be a whole number, at least 0, got seed_for.init='x'"),
        (["seeds=[[0]]"], "seeds must be a list of different whole numbers, such as [0,1,2], got"),
        (["seeds=[0,0]"], "seeds must be a list of different whole numbers"),
        (["seeds=[]"], "seeds must be a list of different whole numbers"),
        (["resume=x"], "resume must be true, false, stale or keep"),
        (["+strategy.gama=1"], "strategy=ewc has no setting strategy.gama"),
        (["+strategy.streng=1"], "did you mean strength?"),
        (["+training.foo=1"], "strategy=ewc has no setting training.foo"),
        (["strategy._target_=cl_bench.strategies.EWCC"], "did you mean cl_bench.strategies.EWC?"),
        (["strategy._target_=cl_benhc.strategies.EWC"], "there is no module cl_benhc"),
        (["plugins=[{_target_: avalanche.training.plugins.Nope}]"], "plugins[0]._target_="),
        (["study=../x"], "study must not begin with a dot"),
        (["study=a//b"], "study must not be empty"),
        (["study=/tmp/x"], "study must not be empty"),
        (["study='a\tb'"], "study must have printable letters only"),
        (["strategy.name=a/b"], "strategy.name must be a name without /"),
        (["strategy.name=.x"], "strategy.name must not begin with a dot"),
        ([f"strategy.name={'x' * 240}"], "strategy.name must be shorter"),
        ([f"benchmark.name='{'é' * 120}'"], "benchmark.name must be shorter"),
        ([f"study={'x' * 300}"], "study must be shorter"),
        (["model.hidden={a: 1}"], "model.hidden must be a list, got model.hidden={a: 1}"),
        (["results_dir=''"], "results_dir must be the path of a folder"),
        ([f"results_dir={'x' * 300}"], "results_dir must be a path that a file system takes"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_refused_in_the_words_of_its_constructor(overrides, message):
    with pytest.raises(SettingError) as caught:
        checked(with_overrides(EWC, overrides))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "overrides",
    [
        ["study=a/b"],
        ["study=2024"],
        ["strategy.name='a $x (1) = # ü'"],
        ["training.device='cuda:1'"],
        ["training.device=gpu"],
        ["training.device='gpu:0'"],
        ["training.learning_rate=1"],
        ["training.iterations=10"],
        ["seeds=[0,1]"],
        ["seed=9223372036854775807"],
        [f"strategy.name={'x' * 200}"],
        ["strategy.strength=0"],
        ["plugins=[{_target_: avalanche.training.plugins.EWCPlugin, ewc_lambda: 1}]"],
    ],
)
def test_what_is_allowed_passes(overrides):
    assert messages(with_overrides(EWC, overrides)) == []


@pytest.mark.parametrize(
    ("target", "settings", "message"),
    [
        ("EWC", {"mode": "x", "decay": 1.0, "fisher_estimator": "exact"}, "mode"),
        ("EWC", {"mode": "online", "decay": 3, "fisher_estimator": "exact"}, "decay"),
    ],
)
def test_the_words_are_the_constructors_own(target, settings, message):
    """The class itself says the same, word for word."""
    from cl_bench import strategies

    (said,) = [
        text
        for rule in rules_of(signature_of(f"cl_bench.strategies.{target}"))
        if (text := rule.broken_by(settings))
    ]
    with pytest.raises(ValueError, match=message) as caught:
        getattr(strategies, target)(**settings)
    assert str(caught.value) == said


def test_the_folder_of_results_is_looked_at(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"results_dir must be a folder, got .*file/x: .*file is a file"):
        run_rules.check_results_dir(str(tmp_path / "file" / "x"))
    run_rules.check_results_dir(str(tmp_path / "new" / "newer"))
    monkeypatch.setattr(run_rules.os, "access", lambda path, mode: False)
    with pytest.raises(ValueError, match="a folder that you may write to"):
        run_rules.check_results_dir(str(tmp_path / "new"))
    assert not (tmp_path / "new").exists()


MINE = '''
"""Somebody's loose file, which cannot be imported."""
from cl_bench.strategies import Learner
from cl_bench.validation import check_positive

raise RuntimeError("imported")
LIMITS = (1, 2)

class Base(Learner):
    def __init__(self, *, rate: float, **learner):
        check_positive(rate=rate)
        super().__init__(**learner)

class Mine(Base):
    def __init__(self, *, level: int, rate_of_mine: "float | None" = None, **others):
        if level not in LIMITS:
            raise ValueError(f"level must be in {LIMITS}, got {level=}")
        self.level = level
        super().__init__(**others)

def __getattr__(name):
    raise AttributeError
'''


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """mine("strategy.level=3"): what is said of that class with these settings."""
    (tmp_path / "a_loose_file.py").write_text(MINE)
    monkeypatch.syspath_prepend(str(tmp_path))
    config = EWC.copy()
    with open_dict(config):
        config.strategy = {"name": "mine", "_target_": "a_loose_file.Mine", "level": 1, "rate": 1}
    return lambda *overrides: messages(with_overrides(config, overrides))


def test_a_users_class_is_checked_by_its_own_rules_without_being_imported(mine):
    assert mine() == []
    assert mine("strategy.level=3") == ["level must be in (1, 2), got level=3"]
    assert mine("strategy.rate=0") == ["rate must be a positive number, got rate=0"]
    assert mine("+strategy.rat=0") == ["strategy=mine has no setting strategy.rat; did you mean rate?"]
    assert mine("+strategy.rate_of_mine=x") == [
        "strategy.rate_of_mine must be a number or null, got strategy.rate_of_mine='x'"
    ]
    assert mine("training.epochs=0") == ["epochs must be a whole number, at least 1, got epochs=0"]
    assert "a_loose_file" not in sys.modules


def test_a_class_that_takes_nothing_of_a_learner_is_told_to(tmp_path, monkeypatch):
    text = MINE.replace('level: int, rate_of_mine: "float | None" = None, **others', "level: int, rate: int")
    (tmp_path / "another_loose_file.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    config = EWC.copy()
    with open_dict(config):
        config.strategy = {"name": "mine", "_target_": "another_loose_file.Mine", "level": 1, "rate": 1}
    (said,) = messages(config)
    assert said == (
        "strategy=mine takes no settings of training: its __init__ must have **learner and hand it on, as in "
        "super().__init__(**learner)"
    )


def test_a_setting_that_a_class_needs_is_asked_for():
    config = with_overrides(EWC, ["strategy._target_=cl_bench.strategies.LwF"])
    (said,) = [message for message in messages(config) if "needs" in message]
    names = [f"strategy.{name}" for name in ("temperature", "weighting", "new_classes", "reduction")]
    assert said.startswith("strategy=ewc needs the settings strategy.temperature, ")
    assert said.endswith(f"which have no value: give {' '.join(f'+{name}=...' for name in names)}")


def test_all_settings_without_a_value_are_asked_for_at_once(tmp_path):
    (tmp_path / "strategy").mkdir()
    (tmp_path / "strategy" / "mine.yaml").write_text(
        "name: mine\n_target_: cl_bench.strategies.L2\nstrength: ???\nother: ???\n"
    )
    config = compose([f"hydra.searchpath=[file://{tmp_path}]", "strategy=mine"])
    assert messages(config) == [
        "strategy.other, strategy.strength have no default and must be set, got no value"
    ]


def test_what_only_an_import_can_tell_is_left_to_it(mine):
    assert locate("a_loose_file.Made") is None
    assert locate("math.sqrt") is None
    with pytest.raises(NotThereError, match=r"cl_bench\.strategies has no Nope"):
        locate("cl_bench.strategies.Nope")


def test_names_are_found_through_any_import():
    for target in ("avalanche.training.Naive", "torch.nn.Linear", "cl_bench.data.digits"):
        assert signature_of(target).parameters


def test_checking_imports_neither_torch_nor_avalanche(tmp_path):
    script = (
        "import sys; from cl_bench.cli.main import main; status = main(['run', *sys.argv[1:]]); "
        "assert status == 2; assert not {'torch', 'avalanche', 'pandas', 'numpy'} & set(sys.modules)"
    )
    wrong = ["-m", "strategy=ewc,vcl", "training.learning_rate=1e-3,0"]
    command = [sys.executable, "-c", script, *wrong]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == "cl-bench: learning_rate must be a positive number, got learning_rate=0\n"
    assert not list(Path(tmp_path).iterdir())


@pytest.mark.parametrize("value", ["true", "false", "stale", "keep"])
def test_each_value_of_resume_is_taken_at_the_command_line(value):
    assert str(checked(compose([f"resume={value}"])).resume).lower() == value


@pytest.mark.parametrize("place", ["of_this_folder.py", "of_this_folder/nets.py"])
def test_a_module_of_the_present_folder_is_told_how_python_finds_it(tmp_path, monkeypatch, place):
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text("")
    monkeypatch.chdir(tmp_path)
    found = place.partition("/")[0] + "/" * ("/" in place)
    advice = f"{found} lies in this folder: type PYTHONPATH=. before the command"
    for setting in ("model._target_", "strategy._target_", "benchmark._target_", "training.optimizer"):
        (message,) = Checker().problems(with_overrides(EWC, [f"{setting}=of_this_folder.Mine"]))
        assert message.message.startswith(f"{setting}=of_this_folder.Mine does not exist: there is no module")
        assert advice in message.message
    (message,) = messages(with_overrides(EWC, ["model._target_=elsewhere.Mine"]))
    assert message.endswith("there is no module elsewhere")


def test_a_setting_of_a_strategy_s_own_is_not_taken_for_that_of_training():
    checked(compose(["strategy=bayesbinn", "strategy.momentum=0.5", "benchmark=split_digits"]))
    with pytest.raises(SettingError, match=r"has a setting of its own, strategy\.momentum"):
        checked(compose(["strategy=bayesbinn", "training.momentum=0.5", "benchmark=split_digits"]))
