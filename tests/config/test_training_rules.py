"""The settings of training are checked before anything is imported, in the words of whoever takes them."""

import inspect

import pytest

from cl_bench.config.build import build_strategy
from cl_bench.config.checked import SettingError, checked
from cl_bench.config.choices import choices
from cl_bench.config.compose import compose, plain
from cl_bench.config.rules import unused_settings
from cl_bench.config.signatures import signature_of
from cl_bench.conformance.configured import configured
from cl_bench.conformance.subject import SMALL, build_stream
from cl_bench.learner.seeds import Seeds
from cl_bench.learner.training_settings import TrainingSettings
from cl_bench.records.identity import LATER_KEY, without_neutral
from cl_bench.strategies import EWC, Finetune, Learner, stock

SHARE = "benchmark.validation_share=0.2"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training.momentum=0.9"], "training.optimizer=adam has no setting training.momentum"),
        (["training.momentum=1", "training.optimizer=sgd"], "momentum must be at least 0 and below 1"),
        (["training.weight_decay=-1"], "weight_decay must be a number and not negative"),
        (["training.clip_norm=0"], "clip_norm must be a positive number, got clip_norm=0"),
        (["training.label_smoothing=1"], "label_smoothing must be at least 0 and below 1"),
        (["training.warm_up=1.5"], "warm_up must be a whole number of steps, or below 1 a share of each"),
        (["training.warm_up=-1"], "warm_up must be a whole number of steps, or below 1 a share of each"),
        (["training.patience=0", SHARE], "patience must be a whole number, at least 1"),
        (["training.patience=2"], "needs validation images: set benchmark.validation_share, such as 0.1"),
        (["training.test_on=validation"], "test_on=validation needs validation images: set benchmark.valid"),
        (["training.optimizer=torch.optim.RMSProp"], "did you mean torch.optim.RMSprop?"),
        (["training.optimizer=torhc.optim.Adam"], "training.optimizer=torhc.optim.Adam does not exist"),
        (["training.optimizer=7"], "optimizer must be one of adam, adamw, sgd, or the path of a class"),
        (["+training.optimizer_settings.beta=1"], "did you mean betas?"),
        (
            ["+training.optimizer_settings.betas=[2,2]"],
            "training.optimizer=adam: Invalid beta parameter at index 0: 2",
        ),
        (["+training.optimizer_settings.lr=1"], "optimizer_settings must not have lr, momentum or weight_"),
        (["strategy=bop", "training.clip_norm=1"], "training.clip_norm is not used by this strategy: its"),
        (["strategy=mesu", "training.optimizer=adamw"], "training.optimizer is not used by this strategy"),
        (["strategy=gvcl", "training.weight_decay=1"], "training.weight_decay is not used by this strategy"),
        (["strategy=avalanche", "training.warm_up=3"], "training.warm_up is not used by this strategy: Aval"),
        (
            ["strategy=bayesbinn", "training.momentum=0.9", "training.optimizer=sgd"],
            "strategy=bayesbinn has a setting of its own, strategy.momentum: leave training.momentum out",
        ),
    ],
)
def test_a_slip_is_refused_before_anything_is_imported(overrides, message):
    with pytest.raises(SettingError) as caught:
        checked(compose(["benchmark=split_digits", *overrides]))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "overrides",
    [
        ["training.optimizer=sgd", "strategy=bop"],  # a sweep with others gives it, too
        ["training.optimizer=adamw", "training.weight_decay=0.1"],
        ["training.optimizer=torch.optim.NAdam", "+training.optimizer_settings.momentum_decay=0.1"],
        ["training.patience=2", SHARE],
        ["training.warm_up=0.5"],
        ["training.weight_decay=0.1", "strategy=avalanche", "benchmark.scenario=class"],
    ],
)
def test_what_is_right_is_taken(overrides):
    checked(compose(["benchmark=split_digits", *overrides]))


def test_what_came_later_is_off_for_whoever_does_not_give_it():
    neutral = plain(compose([]))["training"][LATER_KEY]
    taken = inspect.signature(TrainingSettings).parameters
    defaults = {name: each.default for name, each in taken.items() if each.default is not each.empty}
    assert defaults | {"optimizer_settings": {}} == {
        name: value for name, value in neutral.items() if name in defaults
    }


def test_the_source_tells_what_the_signature_has():
    for target, found in (("EWC", EWC), ("Finetune", Learner), ("stock", stock)):
        read = signature_of(f"cl_bench.strategies.{target}")
        assert not read.open
        names = set(inspect.signature(found.__init__ if inspect.isclass(found) else found).parameters)
        assert names - {"self", "learner", "penalty"} <= set(read.parameters)
        assert set(inspect.signature(TrainingSettings).parameters) <= set(read.parameters)


def test_what_a_strategy_does_not_use_is_read_without_an_import():
    for name, path in choices("strategy").items():
        target = plain(compose([f"strategy={name}"]))["strategy"]["_target_"]
        kind = __import__("cl_bench.strategies", fromlist=["x"]).__dict__[target.rpartition(".")[2]]
        assert unused_settings(target) == dict(getattr(kind, "unused", {})), path


def test_settings_at_their_neutral_values_are_handed_to_nobody():
    group = {"a": 1, "b": 0.0, "c": {}, LATER_KEY: {"b": 0.0, "c": {}}}
    assert without_neutral(group) == {"a": 1}
    assert without_neutral(group | {"b": 2.0}) == {"a": 1, "b": 2.0}


def closed(
    *, model, epochs, iterations, batch_size, test_batch_size, optimizer, optimizer_state, active_classes,
    learning_rate, schedule, device, compile, precision, seeds, plugins=(), evaluator=None,
):  # fmt: skip
    """A strategy from before there were more settings, which lists all that it takes."""
    return Finetune(**locals())


def test_a_strategy_of_before_is_built_as_ever_and_refuses_what_came_later():
    target = (f"strategy._target_={__name__}.closed", "strategy=finetune", "benchmark=split_digits", *SMALL)
    config = configured(target)
    checked(config)
    strategy = build_strategy(config, build_stream(config, Seeds(0)), Seeds(0))
    assert isinstance(strategy, Finetune)
    with pytest.raises(SettingError, match=r"strategy=finetune has no setting training\.clip_norm"):
        checked(configured((*target, "training.clip_norm=1.0")))


def test_a_setting_of_a_strategy_may_refer_to_another_part():
    """Studies of vcl train on coresets for as many epochs as on tasks, by such a reference."""
    config = compose(["strategy=vcl", "strategy.coreset_epochs=${training.epochs}", "training.epochs=7"])
    strategy = build_strategy(config, build_stream(config, Seeds(0)), Seeds(0))
    assert strategy.coreset_epochs == 7
