"""What people type: paths are taken as they are, slips are answered in one line with what to type."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from cl_bench import run as run_python
from cl_bench.cli import run as running
from cl_bench.cli.main import main
from cl_bench.config.choices import GROUPS, choices
from cl_bench.config.compose import compose
from cl_bench.config.nearest import SYNONYMS, nearest_choices, nearest_settings, no_such_setting
from cl_bench.config.run_rules import check_study
from cl_bench.config.words import WordError, expanded, override, read

NAMES = running.all_settings()
EVERY = {group: list(choices(group)) for group in GROUPS}
PATHS = [
    *("run=1", "my results (v2)", "a,b", "#1", "résultats ü", "it's", 'say "x"', "[a]", "{a}", "a:b", "2024"),
    *("true", "1e3", "a  b", "a\\b", "x=[(,)]", "$x", "!x", "100%", "a\tb", "ends\\", "'", "null results"),
]


def words(*arguments):
    return read(arguments, names=lambda: NAMES, choices=lambda: EVERY)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", ["results_dir", "data.root", "+benchmark.dataset.path"])
def test_a_path_is_taken_as_it_is(name, path):
    assert OverridesParser.create().parse_override(override(f"{name}={path}")).value() == path


def test_python_takes_paths_as_they_are_too(monkeypatch):
    monkeypatch.setenv("HOME", "/home/x (1)")
    config = compose(["results_dir=run=1, (v2)", "data.root=~/data", "study=a b"])
    assert (config.results_dir, config.data.root) == ("run=1, (v2)", "/home/x (1)/data")
    assert config.study == "a b"


@pytest.mark.parametrize("name", ["results_dir", "data.root", "+benchmark.dataset.path", "tune.folder"])
@pytest.mark.parametrize("written", ["~/a b", "'~/a b'", '"~/a b"'])
def test_the_home_folder_is_put_in_quoted_or_not(monkeypatch, name, written):
    monkeypatch.setenv("HOME", "/home/x y")
    assert override(f"{name}={written}") == f"{name}='/home/x y/a b'"


def test_a_home_that_nobody_has_is_said():
    for call in (lambda: expanded("~nobody_here/x"), lambda: override("data.root=~nobody_here")):
        with pytest.raises(ValueError, match="~nobody_here is no home folder"):
            call()


def test_what_is_meant_for_hydra_is_left_to_it():
    for word in ("data.root=null", "data.root=${oc.env:HOME}", "study=null", "results_dir=plain/path-1.x_y"):
        assert override(word) == word
    for word in ("data.root=a,b", "study=a,b", "results_dir=choice(a,b)"):
        assert override(word, several=True) == word
    assert override("study=a,b") == "study='a,b'"


@pytest.mark.parametrize("name", ["study", "strategy.name", "benchmark.name"])
def test_a_name_may_have_any_letters_and_is_no_path(name):
    assert override(f"{name}=a (1) = ü") == f"{name}='a (1) = ü'"
    assert override(f"{name}=~x") == f"{name}=~x" or override(f"{name}=~x") == f"{name}='~x'"


@pytest.mark.parametrize("typed", ["2024", "007", "1e5", "3e20241", "true", "inf", "[a]", "1_0", "0x1f"])
def test_names_and_paths_are_taken_as_they_are_typed(typed):
    """A short hash of a commit may look like a number."""
    config = compose([f"study={typed}", f"results_dir={typed}", f"strategy.name={typed}"])
    assert (config.study, config.results_dir, config.strategy.name) == (typed, typed, typed)


@pytest.mark.parametrize("study", [None, True, 1e5])
def test_what_is_no_name_is_refused(study):
    with pytest.raises(ValueError, match="study must be a name, got study="):
        check_study(study)


def test_a_value_that_must_be_quoted_is_shown_as_it_is_typed():
    with pytest.raises(WordError) as caught:
        override("benchmark.class_order=(3")
    assert str(caught.value).endswith("quote the value, as in \"benchmark.class_order='(3'\", or correct it")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ewc"], "'ewc' is no setting: type strategy=ewc"),
        (["seed=0,", "1,", "2", "strategy=ewc"], "no spaces between them: type seed=0,1,2"),
        (["strategy=ewc,", "vcl"], "no spaces between them: type strategy=ewc,vcl"),
        (["strategy", "ewc"], "got 'strategy ewc': type strategy=ewc"),
        (["--strategy", "ewc"], "type strategy=ewc"),
        (["--strategy=ewc"], "type strategy=ewc"),
        (["--epochs", "3"], "type training.epochs=3"),
        (["--lr=0.1"], "type training.learning_rate=0.1"),
        (["-lr", "0.1"], "type training.learning_rate=0.1"),
        (["--nonsense"], "settings are written name=value"),
        (["strategy", "=", "ewc"], "got 'strategy = ewc': type strategy=ewc"),
        (["strategy", "=ewc"], "type strategy=ewc"),
        (["strategy=", "ewc"], "'ewc' is no setting: type strategy=ewc"),
        (["=", "ewc"], "type name=ewc"),
        (["strategy:ewc"], "got 'strategy:ewc': type strategy=ewc"),
        (["training.epochs:3"], "type training.epochs=3"),
        (["strategy"], "'strategy' has no value: type strategy=..., one of a_gem, adaste"),
        (["strategy.lr"], "'strategy.lr' has no value: type training.learning_rate=..."),
        (["training.epochs"], "'training.epochs' has no value: type training.epochs=..."),
        (["ewcc"], "'ewcc' is no setting; did you mean strategy=ewc?"),
        (["xyzzy"], "'xyzzy' is no setting: they are written name=value; cl-bench run --help shows them"),
        (["--config-dir", "/nowhere"], "--config-dir must be given a folder of YAML files, got '/nowhere'"),
        (["--config-dir=/nowhere"], "which is no folder"),
    ],
)
def test_a_word_that_is_no_setting_is_answered_with_what_to_type(arguments, message):
    with pytest.raises(WordError) as caught:
        words(*arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_flags_of_hydra_stay_where_they_are(tmp_path):
    found = words("seed=0,1", "-m", "--config-dir", str(tmp_path), "strategy=ewc")
    assert (found.flags, found.overrides) == (
        ["-m", "--config-dir", str(tmp_path)],
        ["seed=0,1", "strategy=ewc"],
    )
    assert found.sweeps
    assert found.runs
    assert found.config_dirs == [str(tmp_path)]
    assert not words("--cfg", "job").runs
    assert not words("--help").runs


# The nearest setting


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ("training.lr", "training.learning_rate"),
        ("learning_rate", "training.learning_rate"),
        ("bs", "training.batch_size"),
        ("epochs", "training.epochs"),
        ("strategy.epochs", "training.epochs"),
        ("trainng.epochs", "training.epochs"),
        ("model.hiden", "model.hidden"),
        ("n_tasks", "benchmark.num_tasks"),
        ("output_dir", "results_dir"),
        ("data_dir", "data.root"),
        ("optim", "training.optimizer"),
        ("dataset", "benchmark/dataset"),
        ("method", "strategy"),
        ("Seed", "seed"),
    ],
)
def test_the_nearest_setting_is_found_by_its_last_part_a_synonym_or_its_spelling(wrong, expected):
    assert expected in nearest_settings(wrong, NAMES)


def test_every_synonym_stands_for_something_there_is():
    lasts = {name.rpartition(".")[2] for name in NAMES} | set(GROUPS)
    of_strategies = {"strength", "decay", "temperature", "memory_size", "num_samples"}
    assert set(SYNONYMS) <= lasts | of_strategies
    every = [word for line in SYNONYMS.values() for word in line.split()]
    assert len(set(every)) == len(every)
    assert not set(every) & {name.rpartition(".")[2] for name in NAMES if "." in name}


def test_what_there_is_not_is_said_with_what_there_is():
    assert "nor one like it. training has epochs, " in no_such_setting("training.qwertz", "1", NAMES)
    assert "nor one like it. There are study, seed, " in no_such_setting("qwertz", "1", NAMES)


def test_choices_are_near_by_capitals_parts_and_spelling():
    assert nearest_choices("EWC", EVERY["strategy"]) == ["ewc"]
    assert set(nearest_choices("mnist", EVERY["benchmark"])) == {
        *("permuted_mnist", "rotated_mnist", "split_mnist"),
    }
    assert nearest_choices("fine-tune", EVERY["strategy"]) == ["finetune"]


# The command


@pytest.fixture
def command(tmp_path, capsys, monkeypatch, process_as_before):
    """What `cl-bench run` says, where nothing can be run; nothing is left behind."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        assert main(["run", *arguments]) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert not list(tmp_path.iterdir())
        (line,) = shown.err.splitlines()
        return line

    return call


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["training.lr=0.1"], "there is no setting training.lr. Did you mean training.learning_rate=0.1?"),
        (["optimizer=lbfgs"], "There is training.optimizer: optimizer must be one of adam, adamw, sgd, or"),
        (["training.optimizer=lbfgs"], "optimizer must be one of adam, adamw, sgd"),
        (["training.qwertz=1e-4"], "there is no setting training.qwertz, nor one like it"),
        (
            ["seed=0,1"],
            "seed=0,1 gives one run several values: `cl-bench run -m seed=0,1` makes a run of each",
        ),
        (["training.epochs=range(1,3)"], "gives one run several values"),
        (["seeds=0,1"], '`cl-bench run -m seed=0,1` makes a run of each; "seeds=[0,1]" trains them in one'),
        (["strategy=[ewc,si]"], "a run has one strategy, got a list, strategy=[ewc,si]: `cl-bench run -m"),
        (["tuned=null"], "tuned=null is no choice: type tuned=none"),
        (["strategy=finetune", "strategy.temperature=3"], "choices that have it: strategy=bayesbinn"),
        (["benchmark=mnist"], "There is benchmark/dataset=mnist."),
        (["strategy=EWC"], "Did you mean strategy=ewc?"),
        (["model.hiden=[10]"], 'Did you mean "model.hidden=[10]"?'),
        (["strategy={level: 3}"], "there is no setting strategy.level"),
        (["seed=0", "seeds=[1,2]"], "seeds takes the place of seed, got both: seeds=[1, 2], seed=0"),
        (["experiment=digits", "seed=0,1", "seeds=[1,2]"], "seeds takes the place of seed, got both"),
        (["experiment=digits", "training.epochs=0"], "epochs must be a whole number"),
        (["hydra.nonsense=1"], "there is no setting hydra.nonsense"),
        (["results_dir="], "results_dir must be the path of a folder"),
        (["training.epochs=${nothing}"], "training.epochs: Interpolation key 'nothing' not found"),
        (["~resume"], "a run needs resume, which was deleted"),
    ],
)
def test_a_slip_is_one_line_and_leaves_nothing(command, arguments, expected):
    assert expected in command(*arguments)


def test_python_gets_the_same_answers():
    for overrides, message in (
        (["training.lr=0.1"], "Did you mean training.learning_rate=0.1"),
        (["seed=0,1"], "gives one run several values"),
        (["training.epochs=0"], "epochs must be a whole number, at least 1"),
        (["study=../x"], "study must not begin with a dot"),
    ):
        with pytest.raises(ValueError, match=message):
            run_python(overrides)


@pytest.mark.parametrize(
    "word", ["training.optimizer_settings.betas=[0.9,0.98]", "training.optimizer_settings={betas:[0.9,0.98]}"]
)
def test_a_mapping_of_somebody_s_settings_takes_new_names(word):
    for written in (word, f"+{word}"):
        assert compose([written]).training.optimizer_settings == {"betas": [0.9, 0.98]}
    assert compose(["training.optimizer_settings={}"]).training.optimizer_settings == {}
    assert words("-m", word).overrides == [f"++{word}"]
