"""Every setting of training is used by a strategy, or refused by name: none is silently without effect."""

from itertools import count

import pytest
import strategy_variants

from cl_bench.config.checked import SettingError, checked
from cl_bench.config.choices import choices
from cl_bench.config.compose import compose
from cl_bench.evaluation.experiment import validation_for, weights_sha256
from cl_bench.strategies import EWC, Bop, Learner

DOMAIN = ("benchmark=permuted_digits", "benchmark.num_tasks=1", "training.epochs=2")
SETTINGS = {
    "weight_decay": ("training.weight_decay=0.3",),
    "momentum": ("training.momentum=0.5", "training.optimizer=sgd"),
    "optimizer": ("training.optimizer=torch.optim.RMSprop",),
    "optimizer_settings": ("+training.optimizer_settings.eps=0.1",),
    "clip_norm": ("training.clip_norm=1e-6",),
    "label_smoothing": ("training.label_smoothing=0.5",),
    "warm_up": ("training.warm_up=20",),
    "patience": ("training.patience=1",),
}
PLAIN = {"momentum": ("training.optimizer=sgd",)}  # what a setting is compared with
# of settings of their own; Avalanche's plugins are for what its loop has not
OWN_RULE = {"optimizer", "momentum", "weight_decay", "optimizer_settings", "clip_norm"}
REFUSED = {
    name: OWN_RULE
    for name in choices("strategy")
    if name.startswith(("bayesbinn", "bimu", "bop", "covon", "ivon", "mesu"))
}
HEADS = ("bayesian_linear", "nearest_class_mean", "ranpac", "streaming_lda")  # which take no steps
REFUSED |= {name: {*OWN_RULE, "label_smoothing", "warm_up", "patience"} for name in HEADS}
REFUSED |= {
    "message_passing": {*OWN_RULE, "label_smoothing"},
    "vcl": {"weight_decay"},
    "gvcl": {"weight_decay"},
    "ucb": {"weight_decay"},
    "td_vcl": {"weight_decay"},
    "online_laplace": {"weight_decay"},
    "synaptic_metaplasticity": {"weight_decay"},
    "avalanche": {"clip_norm", "warm_up", "patience"},
}


@pytest.fixture
def weights(lab, monkeypatch):
    losses = count()
    monkeypatch.setattr("cl_bench.learner.early_stopping.validation_loss", lambda *_: next(losses))

    def weights(*overrides):
        """What a strategy has learnt of one task."""
        run = lab.from_conf(*overrides)
        with lab.seeded():
            run.strategy.train(
                run.benchmark.train_stream[0], eval_streams=validation_for(run.strategy, run.benchmark, 0)
            )
        return weights_sha256(run.strategy)

    return weights


@pytest.mark.parametrize("name", choices("strategy"))
def test_a_setting_has_an_effect_or_is_refused_by_name(weights, name):
    # those of Avalanche's have an optimizer of their own there
    choice, *own = (name,) if name == "avalanche" else strategy_variants.SUBJECTS.get(name, (name,))
    subject = (f"strategy={choice}", *own, *DOMAIN)
    before = {plain: weights(*subject, *plain) for plain in {(), *PLAIN.values()}}
    for setting, overrides in SETTINGS.items():
        if setting == "momentum" and name.startswith("bayesbinn"):
            with pytest.raises(SettingError, match=r"a setting of its own, strategy\.momentum"):
                checked(compose([*subject, *overrides]))
        elif setting in REFUSED.get(name, ()):
            with pytest.raises(ValueError, match=rf"training\.{setting} is not used by this strategy: \w+"):
                weights(*subject, *overrides)
        else:
            assert weights(*subject, *overrides) != before[PLAIN.get(setting, ())], setting


def test_whoever_inherits_a_rule_inherits_what_it_does_not_use():
    class Mine(Bop):
        pass

    assert Mine.unused == Bop.unused
    assert set(EWC.unused) == set(Learner.unused) == set()
