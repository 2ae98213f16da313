"""The sources of the numbers on pages: each table, and each sentence, by words that stand in it."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

NUMBER = re.compile(r"(?<![\w.,-])\d+\.\d+(?!\w|\.\d)")
STUDIES = "docs/studies.md"
SPLIT, ORDERS = "vandeven_split_mnist", "vandeven_split_mnist_orders"


class Source(NamedTuple):
    """What a cell says: a metric of a method's runs, or the number that was published for it."""

    study: str
    method: str  # its label in summary.csv
    benchmark: str = ""  # where the study has several
    metric: str = "average_accuracy"  # or `published`


Sources = Iterator[Source]  # one for each number in a cell that is a mean, in their order
Cells = Callable[[str, str], Sources]  # by the first cell of the row, and that of the column


class Quoted(NamedTuple):
    """A table with numbers of committed runs."""

    page: str
    words: str  # of its header
    cells: Cells


def first_name(text: str) -> str:
    """The first word in backticks."""
    return text.split("`")[1]


def by_method(study: str, columns: Mapping[str, str]) -> Cells:
    """Rows begin with a method; columns, by words in their header, are metrics."""

    def cells(row: str, column: str) -> Sources:
        yield from (
            Source(study, first_name(row), metric=metric)
            for words, metric in columns.items()
            if words in column
        )

    return cells


def by_words(rows: Mapping[str, Source], *, column: str, published: str = "") -> Cells:
    """Rows are known by words in their first cell, of which the first that fit count."""

    def cells(row: str, title: str) -> Sources:
        source = next(source for words, source in rows.items() if words in row)
        if column in title:
            yield source
        elif published and published in title:
            yield source._replace(metric="published")

    return cells


def bayesbinn(row: str, column: str) -> Sources:
    epochs = re.search(r"(\d+) epochs", row)
    assert epochs is not None
    name = first_name(row)
    label = name if name.endswith("fixed_prior") else f"{name} epochs={epochs[1]}"
    metric = {"average accuracy": "average_accuracy", "reference run": "published"}[column]
    yield Source("bayesbinn_permuted_mnist", label, metric=metric)


def van_de_ven(row: str, column: str) -> Sources:
    """A row a scenario, one column per method; the published number in brackets."""
    study = ORDERS if "orders" in row else SPLIT
    scenario = next(name for name in ("task", "domain", "class") if re.search(rf"\b{name},", row))
    ours = Source(study, first_name(column), f"split_mnist_{scenario}")
    yield ours
    yield ours._replace(metric="published")


def compared(row: str, column: str) -> Sources:
    """One row per benchmark of the comparison, one column per method."""
    if "`" in column:
        yield Source("comparison", first_name(column), first_name(row))


def every_method(row: str, column: str) -> Sources:
    """One row per method, one column per benchmark."""
    yield Source("every_method", first_name(row), first_name(column))


ACCURACY = {"average accuracy": "average_accuracy"}
RESTARTED, TEN, TD_VCL = "vcl_restart_permuted_mnist", "vcl_10_tasks", "td_vcl_split_mnist"
TABLES = (
    Quoted("README.md", "average accuracy, 5 seeds", compared),
    Quoted("README.md", "8x8 digits", every_method),
    Quoted(STUDIES, "average accuracy, each method tuned", compared),
    Quoted(STUDIES, "8x8 digits", every_method),
    Quoted(STUDIES, "BayesBiNN, ", bayesbinn),
    Quoted(
        STUDIES,
        "the last 5 tasks",
        by_method(
            "binary_stream",
            {
                "the last 5 tasks": "average_accuracy",
                "all 100 tasks": "average_accuracy_all_tasks",
                "paper": "published",
            },
        ),
    ),
    Quoted(
        STUDIES,
        "area under the curve",
        by_method(
            "binary_stream",
            {"by confidence": "foreign_auroc", "by mutual": "foreign_auroc_mutual_information"},
        ),
    ),
    Quoted(
        STUDIES,
        "permuted MNIST, 10 tasks",
        by_words(
            {
                "coresets": Source(RESTARTED, "vcl coreset=random"),
                "no restarts, 10 epochs": Source(TEN, "vcl epochs=10 learning_rate=0.001 schedule=constant"),
                "no restarts, 4 epochs": Source(TEN, "vcl epochs=4 learning_rate=0.03 schedule=cosine"),
                "restarts, 100 epochs": Source(RESTARTED, "vcl coreset=none"),
            },
            column="average accuracy",
        ),
    ),
    Quoted(
        STUDIES,
        "full-batch steps",
        by_words(
            {
                "no coresets": Source("vcl_split_mnist", "vcl coreset=none"),
                "random": Source("vcl_split_mnist", "vcl coreset=random"),
                "k-centre": Source("vcl_split_mnist", "vcl coreset=k_center"),
            },
            column="here",
            published="authors",
        ),
    ),
    Quoted(
        STUDIES,
        "hard split MNIST",
        by_words(
            {
                "lambda 0.8": Source(TD_VCL, "td_vcl decay=0.8"),
                "lambda 1": Source(TD_VCL, "td_vcl decay=1"),
                "`vcl` with coresets": Source(TD_VCL, "vcl coreset=random"),
                "`vcl`": Source(TD_VCL, "vcl coreset=none"),
                "`replay`": Source(TD_VCL, "replay"),
                "`finetune`": Source(TD_VCL, "finetune"),
                "`ucb`": Source(TD_VCL, "ucb"),
            },
            column="here",
            published="published",
        ),
    ),
    Quoted(STUDIES, "iterations a task (published)", van_de_ven),
    Quoted(
        STUDIES,
        "5,000 iterations",
        by_method("vandeven_permuted_mnist", {"here": "average_accuracy", "published": "published"}),
    ),
)

# tables of numbers that no committed run has, and who answers for them
OTHERS = {
    "docs/speed.md": "speed.csv, see tests/speed/test_document.py",
    "docs/reproducibility.md": "other processors, measured once; see tests/test_other_processors.py",
    "docs/cluster.md": "times, measured once and said so there",
    "docs/interruptions.md": "times, measured once and said so there",
    "docs/gpu.md": "times, planned",
    "docs/comparison.md": "made from the committed runs, see tests/docs/test_comparison.py",
    "docs/every_method.md": "likewise",
    "docs/output_layers.md": "likewise",
}

# tables that are computed, by page and first header: the test that computes each
COMPUTED = {("docs/strategies.md", "lambda of the weight"): "tests/posteriors/test_bernoulli_slope.py"}


class Said(NamedTuple):
    """A sentence with numbers of committed runs: the line of a page that has these words."""

    page: str
    words: tuple[str, ...]
    values: Callable[
        ..., list[str]
    ]  # of the committed runs, as they are written; see `test_committed_results`


def best_orders(accuracies: Sequence[str]) -> list[str]:
    """The two lowest of five, the higher one first, and between what the others are."""
    lowest, second, third, *_, best = sorted(accuracies, key=float)
    return [second, lowest, third, best]


BIMU = Source("binary_stream", "bimu")
AT_100 = Source("bayesbinn_permuted_mnist", "bayesbinn_published epochs=100")
SENTENCES = (
    Said(
        STUDIES,
        ("with batches of 128, `bayesbinn` has",),
        lambda runs: [runs.mean(Source("comparison", "bayesbinn", "permuted_mnist"))],
    ),
    Said(
        "docs/strategies.md",
        ("with the cut, and",),
        lambda runs: [runs.mean(Source("max_slope", f"bayesbinn max_slope={cut}")) for cut in ("5", "null")],
    ),
    Said(
        STUDIES,
        ("the posterior is worth five points",),
        lambda runs: [runs.mean(Source("comparison", "straight_through", "permuted_cifar10"))],
    ),
    Said(
        STUDIES,
        ("is within a point of joint training",),
        lambda runs: [runs.mean(Source("comparison", "replay", "split_cifar10"))],
    ),
    Said(
        STUDIES,
        ("forgets less than `straight_through`",),
        lambda runs: [runs.mean(Source("comparison", "straight_through", "split_cifar10"))],
    ),
    Said(
        STUDIES,
        ("Its batches have a fifth of old images",),
        lambda runs: [runs.mean(Source("comparison", "replay", "permuted_cifar10"))],
    ),
    Said(
        "README.md",
        ("`straight_through` trains binary weights",),
        lambda runs: [
            runs.mean(Source("comparison", "straight_through", benchmark))
            for benchmark in ("permuted_mnist", "permuted_cifar10")
        ],
    ),
    Said(
        "README.md",
        ("the posterior does not help",),
        lambda runs: [
            runs.mean(Source("comparison", "straight_through", benchmark))
            for benchmark in ("split_mnist", "split_cifar10")
        ],
    ),
    Said(
        STUDIES,
        ("Its calibration error is",),
        lambda runs: [runs.mean(Source("comparison", "bayesbinn", "permuted_mnist", metric="ece"))],
    ),
    Said(STUDIES, ("learns ever less",), lambda runs: runs.when_learned(BIMU, seed=0, tasks=(1, 97))),
    Said(STUDIES, ("our three seeds have",), lambda runs: runs.by_seed(AT_100)),
    Said(STUDIES, ("Our seed 0 has",), lambda runs: runs.by_task(AT_100, seed=0)),
    Said(
        STUDIES,
        ("of our five orders",),
        lambda runs: best_orders(runs.by_seed(Source(SPLIT, "ewc", "split_mnist_task"))),
    ),
)

# words of sentences whose numbers no committed run has: published ones, those of trials, versions
NOT_OURS = {
    "Python 3.11": "a version",
    "License": "a version",
    "license is": "a version",
    "reference has": "published, one run",
    "The reference is one run": "published, after each task",
    "gradient scale": "trials on seed 0",
    "no probability above": "a bound of older code",
    "accuracy is 46.2": "a trial, given up",
    "step size of": "trials on validation images",
    "Coresets of": "trials on validation images",
    "KL weight": "trials on validation images",
    "validation images": "trials",
    "With restarts": "trials",
    "N(0, 0.1": "settings",
    "deviations of": "settings, and a trial",
    "standard error": "published",
    "margin": "a rule",
    "numbers compared are those": "names of preprints",
    "log-variance": "a trial",
    "published 64.0": "published",
    "`lwf`": "trials",
}
