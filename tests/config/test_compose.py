"""Everything in conf/ composes; a run's folder is named by what it computes."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf
from own_choices import needed_by

from cl_bench.config.choices import GROUPS, choices
from cl_bench.config.compose import compose, config_hash, explain, plain, run_folder, run_name
from cl_bench.records.compact import study_at
from cl_bench.records.identity import LATER, flatten

REFERENCE = Path(__file__).resolve().parents[2] / "results" / "reference"


@pytest.mark.parametrize("benchmark", choices("benchmark"))
def test_every_benchmark_composes(benchmark):
    config = compose([f"benchmark={benchmark}"])
    assert plain(config)["benchmark"]["_target_"].startswith("cl_bench.streams.")
    default = "mnist_fashion_mnist_kmnist" if benchmark == "sequence" else "mnist"
    expected = benchmark if "_" in benchmark else f"{benchmark}_{default}"
    assert config.benchmark.name == expected
    of_data = expected.removesuffix(f"_{config.benchmark.scenario}")
    assert benchmark == "sequence" or of_data.endswith(config.benchmark.dataset.name)


@pytest.mark.parametrize("strategy", choices("strategy"))
def test_every_strategy_composes(strategy):
    config = compose([f"strategy={strategy}"])
    assert plain(config)["strategy"]["_target_"].startswith("cl_bench.strategies.")
    assert config.strategy.name == strategy


@pytest.mark.parametrize("group", ["model", "training", "benchmark/dataset"])
def test_every_other_choice_composes(group):
    for name in choices(group):
        assert plain(compose([f"{group}={name}", *needed_by(group, name)]))


@pytest.mark.parametrize("experiment", choices("experiment"))
def test_every_experiment_composes(experiment):
    assert plain(compose([f"experiment={experiment}"]))["study"] != "default"


def test_settings_are_set_and_interpolations_resolved():
    settings = plain(compose(["seed=3", "training.epochs=7", "data.root=/there", "benchmark=split_mnist"]))
    assert (settings["seed"], settings["training"]["epochs"]) == (3, 7)
    assert settings["benchmark"]["dataset"]["root"] == "/there"
    assert "hydra" not in settings


def test_a_choice_may_set_what_it_needs_of_the_others():
    assert compose(["strategy=bayesbinn"]).model.weights == "binary"
    assert compose(["benchmark=split_cifar10"]).model.name == "cnn"
    assert compose(["strategy=bayesbinn", "model.normalisation=none"]).model.normalisation == "none"


@pytest.mark.parametrize(
    "override",
    [
        "results_dir=elsewhere",
        "data.root=/data",
        "data.download=false",
        "training.device=cpu",
        "training.threads=2",
        "training.probe_every=10",
        "training.probe_size=50",
        "seed_for.probe=1",
        "study=other",
        "resume=false",
        "loggers=[{_target_: somebody.Logger}]",
    ],
)
def test_what_changes_no_number_is_no_part_of_the_name(override):
    common = ["benchmark=permuted_mnist"]
    assert run_name(compose([*common, override])) == run_name(compose(common))


@pytest.mark.parametrize(
    "override",
    [
        "seed=1",
        "seed_for.init=0",
        "training.epochs=6",
        "training.learning_rate=0.002",
        "training.test_on=validation",
        "benchmark.num_tasks=6",
        "benchmark.scenario=task",
        "benchmark.validation_share=0.1",
        "benchmark/dataset=cifar10",
        "benchmark.dataset._target_=somebody.mnist",
        "model=cnn",
        "model.hidden=[100]",
        "strategy=vcl",
        "strategy.strength=2",
        "plugins=[{_target_: somebody.Plugin}]",
        "+new.setting=1",
    ],
)
def test_every_other_setting_changes_the_hash(override):
    common = ["benchmark=permuted_mnist", "strategy=ewc"]
    assert config_hash(compose([*common, override])) != config_hash(compose(common))


def test_the_folder_tells_study_benchmark_strategy_and_seed(tmp_path):
    config = compose(["strategy=ewc", "seed=12", "study=mine", f"results_dir={tmp_path}"])
    assert run_folder(config) == tmp_path / "mine" / f"permuted_digits-ewc-s12-{config_hash(config)}"
    assert len(config_hash(config)) == 8


def test_a_study_may_be_a_number(tmp_path):
    path = run_folder(compose(["study=0", f"results_dir={tmp_path}"]))
    assert path.parent == tmp_path / "0"


def test_flat_settings_have_dotted_keys_and_lists_as_text():
    assert flatten({"a": {"b": {"c": 1}, "d": None}, "e": [1, 2]}) == {"a.b.c": 1, "a.d": None, "e": "[1, 2]"}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("strategy=ewcc", "there is no strategy=ewcc; choices: .*finetune.* Did you mean strategy=ewc"),
        (
            "benchmark/dataset=minst",
            "there is no benchmark/dataset=minst; .* Did you mean benchmark/dataset=mnist",
        ),
        ("training.epoch=3", r"there is no setting training.epoch\. Did you mean training.epochs=3"),
        ("strateg=ewc", r"there is no setting strateg\. Did you mean strategy"),
        ("no_equals_sign", "no_equals_sign"),
    ],
)
def test_a_wrong_override_is_a_value_error_with_the_nearest_name(override, message):
    with pytest.raises(ValueError, match=message) as caught:
        compose([override])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("group", GROUPS)
def test_a_choice_with_a_plus_that_is_made_already_is_answered_with_what_to_type(group):
    name = next(iter(choices(group)))
    with pytest.raises(ValueError, match=f"^{group} is chosen already: type {group}=... without a \\+; "):
        compose([f"+{group}={name}"])


def test_names_that_are_for_the_machine_are_not_suggested():
    with pytest.raises(
        ValueError, match=r"there is no setting strategy.target, nor one like it\. strategy has name;"
    ):
        compose(["strategy.target=3"])


def test_a_setting_without_a_default_that_is_not_given_is_named():
    with pytest.raises(ValueError, match=r"benchmark\.dataset\.path .* must be set"):
        plain(compose(["benchmark/dataset=image_folder"]))


def test_composing_leaves_hydra_ready_to_compose_again():
    first, second = (compose(["seed=4"]) for _ in range(2))
    assert OmegaConf.to_yaml(first) == OmegaConf.to_yaml(second)


def in_folder(path, *overrides):
    quoted = path.replace("\\", "\\\\").replace("'", "\\'")
    return compose(
        [
            "benchmark=split",
            "benchmark/dataset=image_folder",
            f"benchmark.dataset.path='{quoted}'",
            *overrides,
        ]
    )


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/data/birds", "birds"),
        ("birds/", "birds"),
        ("~/My pictures (v2)", "My_pictures_v2"),
        ("/data/birds.tar.xz", "birds"),
        ("/data/birds.TGZ", "birds"),
        ("/data/v1.2", "v1.2"),
        ("Größe ñ 数字=a,b", "Größe_ñ_数字_a_b"),
        (f"/data/{'x' * 300}", "x" * 60),
        ("..", "image_folder"),
        ("/", "image_folder"),
    ],
)
@pytest.mark.parametrize("kind", ["split", "permuted", "rotated"])
def test_a_benchmark_on_a_folder_is_called_by_it(path, name, kind):
    config = in_folder(path, f"benchmark={kind}")
    assert config.benchmark.name == f"{kind}_{name}"
    assert run_name(config).startswith(f"{kind}_{name}-finetune-s0-")


def test_a_folder_may_be_given_another_name():
    assert in_folder("/data/birds", "benchmark.dataset.name=mine").benchmark.name == "split_mine"


@pytest.mark.parametrize("dataset", [[], ["+benchmark.dataset={_target_: somebody.data}"]])
def test_a_data_set_without_a_name_is_an_error_that_says_so(dataset):
    with pytest.raises(Exception, match=r"benchmark\.dataset must have a name, got none; add") as caught:
        run_name(compose(["benchmark=split", "~benchmark/dataset", *dataset]))
    assert "must have a name" in explain(caught.value)


def test_two_folders_are_two_runs_even_where_their_names_are_one():
    assert run_name(in_folder("/a/birds")) != run_name(in_folder("/b/birds"))


@pytest.mark.parametrize(
    ("benchmark", "even"), [("split_digits", 5), ("split_cifar100", 10), ("split_cifar10_100", 6)]
)
def test_there_are_as_many_tasks_as_sizes_are_listed(benchmark, even):
    assert compose([f"benchmark={benchmark}"]).benchmark.num_tasks == even
    listed = compose([f"benchmark={benchmark}", "benchmark.classes_per_task=[4,3,3]"])
    assert listed.benchmark.num_tasks == 3
    both = compose([f"benchmark={benchmark}", "benchmark.classes_per_task=[4,3,3]", "benchmark.num_tasks=7"])
    assert both.benchmark.num_tasks == 7  # which the stream refuses


@pytest.mark.parametrize("key", LATER)
def test_a_later_setting_is_in_the_hash_unless_it_is_as_before(key):
    config = compose(["benchmark=split_digits"])
    assert OmegaConf.select(config, key) == LATER[key]
    changed = OmegaConf.merge(config, OmegaConf.from_dotlist([f"{key}=[4,6]"]))
    without = config.copy()
    OmegaConf.set_struct(without, False)
    del OmegaConf.select(without, key.rpartition(".")[0])[key.rpartition(".")[2]]
    assert config_hash(without) == config_hash(config) != config_hash(changed)


@pytest.mark.parametrize("study", sorted(REFERENCE.glob("*/runs.json")), ids=lambda path: path.parent.name)
def test_the_committed_runs_have_the_hashes_that_they_had(study):
    runs = study_at(study.parent).runs
    assert runs
    for name, run in runs.items():
        assert config_hash(OmegaConf.create(run.config)) == run.about["hash"]
        assert name.endswith(f"-{run.about['hash']}")
