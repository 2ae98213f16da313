"""Names of data sets within a configuration, and several of them as one."""

import json
import sys

import pytest

from cl_bench.cli.main import main
from cl_bench.config.checked import SettingError, checked
from cl_bench.config.compose import compose, config_hash, plain

SMALL = ["training.epochs=1", "model.hidden=[8]", "benchmark.num_train=40"]


def of(datasets: str, *more: str):
    return compose(["benchmark=sequence", f"benchmark.dataset.datasets={datasets}", *more])


def test_a_benchmark_is_called_by_its_data_sets():
    assert of("[digits,kmnist]").benchmark.name == "sequence_digits_kmnist"
    folder = of("[digits,{dataset: image_folder, path: /x/birds.tar, size: 8}]")
    assert folder.benchmark.name == "sequence_digits_birds"
    assert of("[digits,kmnist]", "benchmark.dataset.name=mine").benchmark.name == "sequence_mine"


def test_parts_are_choices_with_what_is_set_in_their_place():
    config = of("[kmnist,{dataset: image_folder, path: birds, size: 8}]", "data.root=/somewhere")
    assert plain(config)["benchmark"]["dataset"]["parts"] == [
        {"_target_": "cl_bench.data.kmnist", "_partial_": True},
        {"_target_": "cl_bench.data.image_folder", "path": "birds", "size": 8, "_partial_": True},
    ]


def test_where_data_lie_is_no_part_of_a_run():
    assert config_hash(of("[digits,kmnist]")) == config_hash(of("[digits,kmnist]", "data.root=/elsewhere"))
    assert config_hash(of("[digits,kmnist]")) != config_hash(of("[kmnist,digits]"))


@pytest.mark.parametrize(
    ("datasets", "message"),
    [
        ("[digits]", "at least two data sets, got digits; add one"),
        ("[digits,digits]", "each data set once, got digits twice"),
        ("[digits,mnits]", r"there is no benchmark/dataset=mnits; .*Did you mean benchmark/dataset=mnist"),
        ("[digits,image_folder]", r"no path: write \{dataset: image_folder, path: ...\}"),
        ("[digits,{dataset: image_folder, pth: x}]", "no setting pth, .*did you mean path"),
        ("[digits,several]", "must list single data sets, got several"),
        ("[digits,3]", "an entry of datasets must be the name of a choice"),
        ("[digits,{dataset: digits, _target_: os.system}]", "an entry of datasets must be the name of"),
        ("[digits,{path: x}]", "an entry of datasets must be the name of a choice"),
        ("digits", "must be a list of data sets, got 'digits'"),
    ],
)
def test_a_slip_is_a_sentence(datasets, message, capsys):
    with pytest.raises(ValueError, match=message):
        checked(of(datasets))
    assert main(["run", "benchmark=sequence", f"benchmark.dataset.datasets={datasets}"]) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "raised while" not in said


def test_a_setting_of_one_of_the_sets_is_checked():
    with pytest.raises(SettingError, match="size"):
        checked(of("[digits,{dataset: image_folder, path: x, size: big}]"))


def own_sets(folder):
    """A data set of one's own, as a file beside its YAML, in a folder for --config-dir."""
    (folder / "mine" / "benchmark" / "dataset").mkdir(parents=True)
    (folder / "own_digits.py").write_text(
        "from cl_bench.data import digits\n\n\n"
        "def own(*, shift, with_test=True):\n"
        "    data = digits(with_test=with_test)\n"
        "    return data._replace(name='own', train_images=data.train_images.roll(shift, -1))\n"
    )
    (folder / "mine" / "benchmark" / "dataset" / "own.yaml").write_text(
        "# Own\nname: own\n_target_: own_digits.own\nshift: 1\nwith_test: ${reads_test:}\n"
    )


def test_own_data_sets_follow_ours_and_their_code_is_recorded(tmp_path, monkeypatch, capsys):
    own_sets(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    line = [
        *("run", "--config-dir", str(tmp_path / "mine"), "benchmark=sequence", *SMALL),
        *("benchmark.dataset.datasets=[digits,own]", f"results_dir={tmp_path / 'results'}"),
    ]
    assert main(line) == 0
    (path,) = (tmp_path / "results").glob("*/*/run.json")
    assert path.parent.name.startswith("sequence_digits_own-finetune-s0-")
    about = json.loads(path.read_text())
    assert about["num_tasks"] == 2
    assert "own_digits" in str(about["code"])
    assert main(line) == 0, "it is finished already"
    assert len(list((tmp_path / "results").glob("*/*/run.json"))) == 1
    capsys.readouterr()
    assert main(["verify", str(path.parent)]) == 1, "it names code of somebody else"
    assert main(["verify", str(path.parent), "--trust"]) == 0


def test_validation_runs_ask_no_set_for_test_images(tmp_path, monkeypatch):
    own_sets(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_digits", raising=False)
    code = tmp_path / "own_digits.py"
    code.write_text(code.read_text().replace("    data =", "    assert not with_test\n    data ="))
    kept_out = ["training.test_on=validation", "benchmark.validation_share=0.2"]
    folders = ["--config-dir", str(tmp_path / "mine"), f"results_dir={tmp_path / 'results'}"]
    datasets = "benchmark.dataset.datasets=[digits,{dataset: own, shift: 2}]"
    assert main(["run", *folders, "benchmark=sequence", datasets, *kept_out, *SMALL]) == 0
