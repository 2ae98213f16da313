"""Check a composed configuration before anything slow is imported and before any folder is made.

The rules are those of the constructors that the settings go to, found in their sources: see rules.py.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any, NamedTuple

from omegaconf import DictConfig

from cl_bench.config import run_rules
from cl_bench.config.compose import plain
from cl_bench.config.handed import check_own_settings, settings_of_the_suite, shapes_handed
from cl_bench.config.rules import Rule, Setting, rules_of
from cl_bench.config.signatures import Signature, fits, for_the_strategy, signature_of, type_in_words
from cl_bench.config.sources import NoPythonError, NotThereError
from cl_bench.records.identity import LATER_KEY
from cl_bench.records.text import shortened
from cl_bench.validation import OPTIMIZERS, check_device, check_seed, check_seeds

TARGET = "_target_"
# what the run hands over besides the settings
HANDED = {
    "benchmark": ("data", "generator"),
    "strategy": ("model", "seeds", "plugins", "evaluator", "device"),
    "tracking": ("run", "about"),
}

NEEDED = [
    "strategy",
    "benchmark",
    "model",
    "training",
    "tracking",
    "plugins",
    "loggers",
    "seed",
    "seeds",
    "seed_for",
    "study",
    "results_dir",
    "resume",
]


class Problem(NamedTuple):
    """What is wrong with a configuration: a sentence, and the settings that it lies in, by full name."""

    settings: tuple[str, ...]
    message: str


class SettingError(ValueError):
    """A configuration that cannot be run."""


def checked(config: DictConfig) -> DictConfig:
    """Return the configuration unchanged, after its check.

    Raises:
        SettingError: for the first setting that is wrong.
    """
    for problem in Checker().problems(config):
        raise SettingError(problem.message)
    return config


class Checker:
    """A finder of what is wrong with configurations; it reads each source once."""

    def __init__(self) -> None:
        self._read = cache(_read)

    def problems(self, config: DictConfig) -> Iterator[Problem]:
        """Yield the problems of a configuration, the one most worth telling first."""
        try:
            settings = plain(config)
        except ValueError as error:  # a setting that must be given, or one that refers to none
            where = getattr(error, "full_key", None)
            message = str(error).splitlines()[0].rpartition("raised while resolving interpolation: ")[2]
            yield Problem((), (f"{where}: " if where else "") + message)
            return
        yield from self.problems_of(settings)

    def problems_of(self, settings: Mapping[str, Any]) -> Iterator[Problem]:
        """Yield the problems of settings, given as resolved dictionaries and lists."""
        deleted = [name for name in NEEDED if name not in settings]
        if deleted:
            yield Problem((deleted[0],), f"a run needs {deleted[0]}, which was deleted: leave it in")
            return
        yield from _of_later(settings)
        yield from self._of_targets(settings)
        yield from _of_the_run(settings)

    def _of_targets(self, settings: Mapping[str, Any]) -> Iterator[Problem]:
        training = {key: value for key, value in settings["training"].items() if key != LATER_KEY}
        run = {name: training.pop(name) for name in run_rules.NOT_THE_STRATEGYS if name in training}
        training.pop("device", None)
        target = f"{run_rules.__name__}.check_training"
        yield from self._of_target("training", {TARGET: target, **run}, what="a run")
        for group in ("strategy", "benchmark"):
            own = dict(settings[group])
            own.pop("dataset", None)
            what = f"{group}={own.get('name')}"
            given = for_the_strategy(own, settings["training"])
            also = {key: given[key] for key in training if key in given} if group == "strategy" else {}
            for name in also.keys() & own.keys():
                rule = f"{what} has a setting of its own, strategy.{name}: leave training.{name} out"
                yield Problem((f"training.{name}",), rule)
            yield from self._of_target(group, own, what=what, handed=HANDED[group], also=also)
        yield from self._of_network(settings["model"])
        yield from self._of_the_optimizer(training)
        dataset = settings["benchmark"].get("dataset")
        parts = [("benchmark.dataset", dataset, ()), ("tracking", settings["tracking"], HANDED["tracking"])]
        parts += [
            (f"{group}[{index}]", each, ())
            for group in ("plugins", "loggers")
            for index, each in enumerate(settings[group] or [])
        ]
        parts += [  # of several data sets
            (f"benchmark.dataset.parts[{index}]", each, ())
            for index, each in enumerate((dataset or {}).get("parts") or [])
        ]
        for name, part, handed in parts:
            if isinstance(part, dict) and TARGET in part:
                yield from self._of_target(name, part, what=name, handed=handed)
            elif name != "tracking":
                rule = f"{name} must have a {TARGET} that says what it is, got {shortened(part, 80)}"
                yield Problem((name.partition("[")[0],), rule)

    def _of_network(self, node: Mapping[str, Any]) -> Iterator[Problem]:
        """Yield what is wrong with the settings of the network: the suite's, and those of its target."""
        try:
            signature, _ = self._read(str(node.get(TARGET)))
        except NotThereError:  # said below
            signature = None
        names = signature.parameters if signature else {}
        of_the_suite = settings_of_the_suite(node, names)
        try:
            check_own_settings(**of_the_suite)
            handed = shapes_handed(node, names, is_open=signature is None or signature.open)
        except ValueError as error:
            yield Problem(tuple(f"model.{name}" for name in of_the_suite), str(error))
            return
        own = {name: value for name, value in node.items() if name not in of_the_suite}
        yield from self._of_target("model", own, what=f"model={node.get('name')}", handed=handed)

    def _of_the_optimizer(self, training: Mapping[str, Any]) -> Iterator[Problem]:
        """Yield what is wrong with the optimizer's class and settings, by its own source."""
        name, more = training.get("optimizer"), training.get("optimizer_settings")
        if not isinstance(name, str) or (name not in OPTIMIZERS and "." not in name):
            return
        target = {TARGET: OPTIMIZERS.get(name, name), **(more if isinstance(more, dict) else {})}
        also = {key: training[key] for key in ("momentum", "weight_decay") if training.get(key)}
        what = f"training.optimizer={name}"
        for problem in self._of_target(
            "training.optimizer_settings",
            target,
            what=what,
            handed=("params", "lr"),
            also=also,
            named="training.optimizer",
        ):
            torchs = "training." not in problem.message  # whose words name no setting
            yield problem._replace(message=f"{what}: {problem.message}") if torchs else problem

    def _of_target(
        self,
        prefix: str,
        node: Mapping[str, Any],
        *,
        what: str,
        handed: Iterable[str] = (),
        also: Mapping[str, Any] | None = None,
        named: str = "",
    ) -> Iterator[Problem]:
        """Yield what is wrong with the settings of one class or function.

        Args:
            prefix: of their full names.
            handed: names of what the run gives it besides.
            also: settings from `training`.
            named: the setting that has the target; `prefix` and `_target_` unless given.
        """
        own = {name: value for name, value in node.items() if name != "name" and not name.startswith("_")}
        also = also or {}
        target = node.get(TARGET)
        try:
            signature, rules = self._read(str(target))
        except NotThereError as error:
            near = _near(error.wrong, error.near)
            hint = f"; did you mean {str(target).rpartition('.')[0]}.{near}?" if near else ""
            where = named or f"{prefix}.{TARGET}"
            how = "cannot be read" if isinstance(error, NoPythonError) else "does not exist"
            yield Problem((where,), f"{where}={target} {how}: {error}{hint}")
            return
        if signature is None:
            return
        values = {name: value for name, value in {**also, **own}.items() if not _has_target(value)}
        full = {name: f"{prefix}.{name}" if name in own else f"training.{name}" for name in {**also, **own}}
        if not any(name in node for name in ("_args_", "_partial_")):
            yield from _of_names(prefix, what, signature, own=own, also=also, handed=handed)
        wrong: set[str] = set()
        for rule in rules:
            message = rule.broken_by(values)
            if message:
                names = [each.name for each in _settings_in(rule.names.values())]
                names = [name for name in names if f"{name}=" in message] or names  # of several, the one
                wrong |= set(names)
                yield Problem(tuple(full[name] for name in names), message)
        for name, value in values.items():
            parameter = signature.parameters.get(name)
            if parameter is not None and name not in wrong and not fits(value, parameter):
                rule_of_type = type_in_words(parameter.annotation)
                yield Problem(
                    (full[name],), f"{full[name]} must be {rule_of_type}, got {full[name]}={_written(value)}"
                )


def _read(target: str) -> tuple[Signature | None, list[Rule]]:
    signature = signature_of(target)
    return signature, rules_of(signature) if signature else []


def _of_names(
    prefix: str,
    what: str,
    signature: Signature,
    *,
    own: Mapping[str, Any],
    also: Mapping[str, Any],
    handed: Iterable[str],
) -> Iterator[Problem]:
    """Yield settings that are not taken, such as those that the run itself gives, and missing settings."""
    for name in (each for each in also if each in handed):
        yield Problem((f"training.{name}",), f"training.{name} is given by the run itself: leave it out")
    if prefix == "strategy" and also and not signature.open and not also.keys() & signature.parameters.keys():
        rule = f"{what} takes no settings of training: its __init__ must have **learner and hand it on"
        yield Problem((f"{prefix}.{TARGET}",), f"{rule}, as in super().__init__(**learner)")
        return
    for name in () if signature.open else (*own, *also):
        if name not in signature.parameters:
            full = f"{prefix}.{name}" if name in own else f"training.{name}"
            near = _near(name, [each for each in signature.parameters if each not in handed])
            yield Problem(
                (full,), f"{what} has no setting {full}" + (f"; did you mean {near}?" if near else "")
            )
    missing = [
        f"{prefix}.{name}"
        for name, parameter in signature.parameters.items()
        if parameter.required and name not in {*own, *also, *handed}
    ]
    if missing:
        give = " ".join(f"+{full}=..." for full in missing)
        yield Problem(
            tuple(missing), f"{what} needs {_and(missing)}, which {_have(missing)} no value: give {give}"
        )


def _of_later(settings: Mapping[str, Any], prefix: str = "") -> Iterator[Problem]:
    """Yield what says that a setting came later, and names none that stands beside it."""
    declared = settings.get(LATER_KEY, {})
    where = f"{prefix}{LATER_KEY}"
    if not isinstance(declared, dict):
        got = shortened(declared, 80)
        yield Problem((where,), f"{where} must map settings to their neutral values, got {got}")
        declared = {}
    for name in declared.keys() - settings.keys():
        beside = ", ".join(each for each in settings if not each.startswith("_"))
        yield Problem((where,), f"{where} must name settings that stand beside it, {beside}, got {name}")
    for name, value in settings.items():
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, dict) and name != LATER_KEY:
                yield from _of_later(part, f"{prefix}{name}.")


def _of_the_run(settings: Mapping[str, Any]) -> Iterator[Problem]:
    benchmark, strategy = settings["benchmark"].get("name"), settings["strategy"].get("name")
    checks: list[tuple[str, Callable[..., object], tuple[Any, ...]]] = [
        *((f"seed_for.{purpose}", check_seed, (f"seed_for.{purpose}", seed))
          for purpose, seed in settings["seed_for"].items() if seed is not None),
        ("training.device", check_device, (settings["training"]["device"],)),
        ("training.patience", run_rules.check_patience,
         (settings["training"].get("patience"), settings["benchmark"].get("validation_share"))),
        ("training.test_on", run_rules.check_test_on,
         (settings["training"].get("test_on"), settings["benchmark"].get("validation_share"))),
        ("study", run_rules.check_study, (settings["study"],)),
        ("benchmark.name", run_rules.check_name, ("benchmark.name", benchmark)),
        ("strategy.name", run_rules.check_name, ("strategy.name", strategy)),
        ("strategy.name", run_rules.check_run_name, (benchmark, strategy)),
        ("results_dir", run_rules.check_results_dir, (settings["results_dir"],)),
        ("resume", run_rules.check_resume, (settings["resume"],)),
    ]  # fmt: skip
    if settings["seeds"] is None:
        checks.insert(0, ("seed", check_seed, ("seed", settings["seed"])))
    else:
        checks.insert(0, ("seeds", check_seeds, (settings["seeds"],)))
    for name, check, arguments in checks:
        try:
            check(*arguments)
        except ValueError as error:
            yield Problem((name,), str(error))


def _settings_in(meanings: Iterable[Any]) -> Iterator[Setting]:
    for each in meanings:
        if isinstance(each, Setting):
            yield each
        elif isinstance(each, dict):
            yield from _settings_in(each.values())


def _has_target(value: Any) -> bool:
    """Whether an object is made of the value before it is handed over."""
    if isinstance(value, dict):
        return TARGET in value or any(map(_has_target, value.values()))
    return isinstance(value, list) and any(map(_has_target, value))


def _and(names: list[str]) -> str:
    *first, last = names
    return f"the settings {', '.join(first)} and {last}" if first else f"the setting {last}"


def _have(names: list[str]) -> str:
    return "have" if len(names) > 1 else "has"


def _near(wrong: str, names: Iterable[str]) -> str:
    return next(iter(get_close_matches(wrong, list(names), n=1)), "")


def _written(value: Any) -> str:
    return "null" if value is None else repr(value)
