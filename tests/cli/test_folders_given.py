"""Folders of --config-dir: every verb that takes them tells of what is in them, and finds it."""

import re
from pathlib import Path

import pytest

import cl_bench
from cl_bench.cli.main import main
from cl_bench.config.choices import choices
from cl_bench.config.compose import compose, config_hash
from cl_bench.conformance.subject import Subject
from cl_bench.data import digits

MISSPELT = {  # verb -> words with a choice that is nearly one of the folder
    "run": ["run", "strategy=my_specal"],
    "tune": ["tune", "strategy=my_specal", "benchmark=permuted_digits"],
    "check": ["check", "my_specal"],
    "list": ["list", "strategy", "my_specal"],
    "features": ["features", "strategy=my_specal", "-o", "none.safetensors"],
}


@pytest.fixture
def folder(tmp_path):
    """Somebody's choices: a strategy and a data set."""
    (tmp_path / "mine" / "strategy").mkdir(parents=True)
    own = "# Mine\nname: my_special\n_target_: cl_bench.strategies.L2\nstrength: 1\n"
    (tmp_path / "mine" / "strategy" / "my_special.yaml").write_text(own)
    (tmp_path / "mine" / "benchmark" / "dataset").mkdir(parents=True)
    own = "# Mine\nname: my_digits\n_target_: cl_bench.data.digits\n"
    (tmp_path / "mine" / "benchmark" / "dataset" / "my_digits.yaml").write_text(own)
    return tmp_path / "mine"


def test_these_verbs_take_folders():
    files = Path(cl_bench.__file__).with_name("cli").glob("*.py")
    assert {path.stem for path in files if re.search("(?i)config.dir", path.read_text())} == set(MISSPELT)


@pytest.mark.parametrize("verb", MISSPELT)
@pytest.mark.parametrize("written", ["--config-dir {}", "--config-dir={}"])
def test_a_misspelt_choice_is_answered_with_that_of_the_folder(verb, written, folder, capfd):
    assert main([*MISSPELT[verb], *written.format(folder).split()]) in (1, 2)
    said = "".join(capfd.readouterr())
    assert "my_special" in said.replace("my_specal", "")
    assert main([*MISSPELT[verb]]) in (1, 2)
    assert "my_special" not in "".join(capfd.readouterr()), "of the command before"


@pytest.mark.parametrize("slip", ["my_special", "my_specal"])
def test_a_bare_word_is_answered_with_the_choice_of_the_folder(slip, folder, capsys):
    assert main(["run", slip, "--config-dir", str(folder)]) == 2
    assert "strategy=my_special" in capsys.readouterr().err
    with pytest.raises(ValueError, match="strategy=my_special"):
        cl_bench.sweep([slip], config_dir=folder)


def test_from_python_it_is_answered_alike(folder):
    for given in (
        lambda: compose(["strategy=my_specal"], config_dirs=[folder]),
        lambda: compose(["strategy=my_specal", f"hydra.searchpath=[file://{folder}]"]),
        lambda: cl_bench.sweep(["strategy=my_specal"], config_dir=folder),
    ):
        with pytest.raises(ValueError, match=r"Did you mean strategy=my_special\?"):
            given()


WRONG = {  # what a file of somebody's has -> what is said of it
    "# Bad\nname: [unclosed\n": "as YAML: expected ',' or ']', but got '<stream end>' in line 3, column 1",
    "# Bad\nname: a: b\n": "as YAML: mapping values are not allowed here in line 2, column 8",
    "# No name\n_target_: cl_bench.strategies.L2\nstrength: 1\n": "must be a name, got none: begin its YAML",
    "# Slip\nname: mine\n_target_: no_python.Mine\n": "no_python.py, line 1: invalid syntax; correct it",
}


@pytest.mark.parametrize("written", WRONG)
@pytest.mark.parametrize("verb", ["run", "tune", "python"])
def test_a_file_that_cannot_be_read_is_named_in_a_line(verb, written, folder, monkeypatch, capsys):
    (folder / "strategy" / "wrong.yaml").write_text(written)
    (folder / "no_python.py").write_text("class Mine(:\n")
    monkeypatch.syspath_prepend(str(folder))
    if verb == "python":
        with pytest.raises(ValueError, match=re.escape(WRONG[written])):
            cl_bench.sweep(["strategy=wrong", "benchmark=permuted_digits"], config_dir=folder)
        return
    assert main([verb, "strategy=wrong", "benchmark=permuted_digits", f"--config-dir={folder}"]) in (1, 2)
    wrong = capsys.readouterr().err
    assert WRONG[written] in wrong
    assert len(wrong.splitlines()) == 1


@pytest.mark.parametrize("found_by", ["config_dirs", "searchpath"])
def test_several_data_sets_may_have_one_of_the_folder(found_by, folder):
    words = [
        "benchmark=sequence",
        "benchmark.dataset.datasets=[digits,{dataset: my_digits, root: elsewhere}]",
    ]
    if found_by == "config_dirs":
        config = compose(words, config_dirs=[folder])
    else:
        config = compose([*words, f"hydra.searchpath=[file://{folder}]"])
    with pytest.raises(ValueError, match="my_digits of datasets has no setting root"):
        _ = config.benchmark.dataset.parts


def test_the_second_of_two_files_of_one_name_is_said_not_to_be_used(folder, tmp_path, capsys):
    second = tmp_path / "second" / "strategy"
    second.mkdir(parents=True)
    (second / "my_special.yaml").write_text("# Other\nname: other\n")
    folders = ["--config-dir", str(folder), "--config-dir", str(second.parent)]
    assert main(["run", "strategy=my_special", "training.epochs=-1", *folders]) == 2
    said = capsys.readouterr().err
    assert f"{second / 'my_special.yaml'} is not used, since there is strategy=my_special already" in said


@pytest.mark.parametrize(
    "verb",
    [
        ["list", "strategy", "--config-dir", "{}"],
        ["run", "-m", "strategy=my_specal", "--config-dir", "{}"],
        ["run", "--cfg", "job", "strategy=my_special", "--config-dir", "{}"],
        ["tune", "strategy=my_specal", "benchmark=permuted_digits", "--config-dir", "{}"],
    ],
    ids=" ".join,
)
def test_a_command_leaves_its_folders_to_nobody(verb, folder, capsys):
    before = choices("strategy")
    main([word.format(folder) for word in verb])
    assert choices("strategy") == before


@pytest.fixture
def with_rolled(folder, tmp_path, monkeypatch):
    """The folder has a data set `rolled`: digits moved to the side, by a module of its own."""
    (tmp_path / "rolled_digits.py").write_text(
        "from cl_bench.data import digits\n\n\n"
        "def rolled():\n"
        "    found = digits()\n"
        "    return found._replace(name='rolled', train_images=found.train_images.roll(1, -1))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    (folder / "benchmark" / "dataset" / "rolled.yaml").write_text(
        "# Rolled\nname: rolled\n_target_: rolled_digits.rolled\n"
    )
    return folder


def test_a_stream_keeps_its_folders_when_others_are_made(with_rolled):
    """Data sets by name are looked up late: after another stream, of no folder, was composed."""
    own = cl_bench.stream("sequence", datasets=["digits", "rolled"], config_dir=with_rolled)
    strategy = cl_bench.strategy("finetune", own, epochs=1, batch_size=200)
    cl_bench.stream("split_digits")
    assert set(cl_bench.train(strategy, own).benchmark) == {"sequence_digits_rolled"}


def test_a_foreign_data_set_is_found_beside_data_given_from_python(with_rolled):
    own = cl_bench.stream("permuted", dataset=digits(), config_dir=with_rolled, num_tasks=1)
    strategy = cl_bench.strategy("finetune", own, epochs=1, batch_size=200, **{"training.ood": ["rolled"]})
    cl_bench.stream("split_digits")
    assert len(cl_bench.train(strategy, own))


def test_a_configuration_has_one_hash_wherever_it_is_asked(with_rolled):
    listed = "benchmark.dataset.datasets=[digits,rolled]"
    own = compose(["benchmark=sequence", listed], config_dirs=[with_rolled])
    asked = config_hash(own)
    compose()
    assert config_hash(own) == asked


def test_two_subjects_of_the_kit_have_each_their_own_choices(folder, tmp_path):
    theirs = Subject("my_special", config_dirs=[folder])
    others = Subject("finetune", config_dirs=[tmp_path / "none"])
    theirs.run()
    assert "my_special" in theirs.choices("strategy")
    assert "my_special" not in others.choices("strategy")
