"""The border between training and analysis: what a run measures, as rows of numbers in text files.

A run appends to `records.csv` each time it has tested one task, and to `states.csv` and `calibration.csv`
after each task. Where it is probed it has `probes.csv`, and where it is tested on foreign images `ood.csv`.
The analysis reads them and nothing else of the run's numbers. The files are plain text, so that they can be
read in ten years; row_files.py holds their rules. Only the standard library is needed.
"""

import math
import os
from typing import Any, NamedTuple, overload

from cl_bench.records import row_files
from cl_bench.records.row_files import MOST, AnyRow, Limit

FROM_0, FRACTION = Limit(0), Limit(0, 1)
COUNT, FROM_1 = Limit(0, MOST), Limit(1, MOST)  # of whole numbers
FROM_0_OR_NAN, FRACTION_OR_NAN = FROM_0._replace(or_nan=True), FRACTION._replace(or_nan=True)

# fields of Record that training.also_test asks for
ALSO_TESTED = {
    "task": "accuracy_task_known",
    "statistics": "accuracy_own_statistics",
}
NUM_BINS = 15  # of the confidence, equal in width, as in Guo et al. 2017


class Record(NamedTuple):
    """The test of one task after training on some tasks. Tasks count from 1.

    All but the counts are means over the test examples, defined in posteriors/uncertainty.py; nan and inf are
    kept, for a run that diverged.
    """

    seed: int  # of the run
    after_task: int  # the last task trained on; 0 is the untrained network
    on_task: int  # the task tested
    accuracy: float  # fraction of the test examples
    nll: float  # mean negative log-likelihood, nats an example
    num_examples: int  # tested
    ece: float = math.nan  # expected calibration error, fraction, NUM_BINS bins
    brier: float = math.nan  # squared distance of the probabilities to the label's, in [0, 2]
    entropy: float = math.nan  # of the prediction, nats
    mutual_information: float = math.nan  # its epistemic part, nats; nan where no probabilities were averaged
    accuracy_task_known: float = math.nan  # of training.also_test=[task]; fraction
    accuracy_own_statistics: float = math.nan  # of training.also_test=[statistics]; fraction

    @classmethod
    def limits(cls) -> dict[str, Limit]:
        return {
            "after_task": COUNT,
            "on_task": FROM_1,
            "accuracy": FRACTION,
            "num_examples": FROM_1,
            "ece": FRACTION_OR_NAN,
            "brier": FROM_0_OR_NAN,
            "entropy": FROM_0_OR_NAN,
            "mutual_information": FROM_0_OR_NAN,
            "accuracy_task_known": FRACTION_OR_NAN,
            "accuracy_own_statistics": FRACTION_OR_NAN,
        }

    @classmethod
    def only_if_measured(cls) -> tuple[str, ...]:
        return tuple(ALSO_TESTED.values())


class State(NamedTuple):
    """What there is to know of a strategy between tasks, besides its tests. See evaluation/states.py."""

    seed: int  # of the run
    after_task: int  # 0 is before the first
    drift: float  # KL(q_t || q_{t-1}), nats, over all weights; nan without a posterior
    frozen: float  # share of the weights whose posterior is all but certain; nan where that has no meaning
    stored_bits: int  # model, posterior, importances and buffers: what is needed to go on
    deployed_bits: int  # the network alone, with one set of weights; a weight of -1 or +1 has one bit
    training_seconds: float  # of this task; 1 / R of it where R seeds are trained at once
    num_steps: int  # of this task
    # rows of old have a number for untrained heads, too, which the analysis leaves out
    ood_auroc: float  # of the confidence, tasks seen against those to come that have a trained head; or nan
    gradient_evaluations: float = math.nan  # of this task, of single examples; nan: unknown
    predicting_bits: float = math.nan  # that the tested predictions need, maybe a posterior
    flipped: float = math.nan  # share of binary weights whose most probable value this task changed; or nan

    @classmethod
    def limits(cls) -> dict[str, Limit]:
        return {
            "after_task": COUNT,
            "drift": FROM_0_OR_NAN,
            "frozen": FRACTION_OR_NAN,
            "stored_bits": COUNT,
            "deployed_bits": COUNT,
            "training_seconds": FROM_0,
            "num_steps": COUNT,
            "ood_auroc": FRACTION_OR_NAN,
            "gradient_evaluations": FROM_0_OR_NAN,
            "predicting_bits": FROM_0_OR_NAN,
            "flipped": FRACTION_OR_NAN,
        }

    @classmethod
    def only_if_measured(cls) -> tuple[str, ...]:
        return cls.counted_later()

    @classmethod
    def counted_later(cls) -> tuple[str, ...]:
        return ("gradient_evaluations", "predicting_bits", "flipped")


class CalibrationBin(NamedTuple):
    """The test examples of one task whose confidence is in one bin. Bins without any have no row."""

    seed: int  # of the run
    after_task: int  # the last task trained on; 0 is the untrained network
    on_task: int  # the task tested
    bin: int  # from 1: confidences in ((bin - 1) / NUM_BINS, bin / NUM_BINS]
    num_examples: int  # in the bin
    confidence: float  # mean of the largest probability; nan for a run that diverged
    accuracy: float  # fraction

    @classmethod
    def limits(cls) -> dict[str, Limit]:
        return {
            "after_task": COUNT,
            "on_task": FROM_1,
            "bin": FROM_1,
            "num_examples": FROM_1,
            "confidence": FRACTION_OR_NAN,
            "accuracy": FRACTION,
        }


class Probe(NamedTuple):
    """The test of a sample of one task while another is trained. Tasks count from 1."""

    seed: int  # of the run
    training_on: int  # the task that is trained on
    step: int  # steps taken since the start of the run
    on_task: int  # the task tested, training_on or one before it
    accuracy: float  # fraction
    nll: float  # nats an example
    num_examples: int  # tested

    @classmethod
    def limits(cls) -> dict[str, Limit]:
        return {
            "training_on": FROM_1,
            "step": FROM_1,
            "on_task": FROM_1,
            "accuracy": FRACTION,
            "num_examples": FROM_1,
        }


class Foreign(NamedTuple):
    """How well a network tells the tests of the tasks seen from images of another data set.

    Each AUROC is nan where the measure is. See evaluation/foreign.py.
    """

    seed: int  # of the run
    after_task: int  # the last task trained on, from 1
    dataset: int  # its place in training.ood, from 1
    auroc_confidence: float  # of the largest probability, which should be higher on tasks seen
    auroc_entropy: float  # of the prediction's, which should be lower
    auroc_mutual_information: float  # which should be lower; nan where no probabilities were averaged
    num_examples: int  # foreign ones

    @classmethod
    def limits(cls) -> dict[str, Limit]:
        return {
            "after_task": FROM_1,
            "dataset": FROM_1,
            "auroc_confidence": FRACTION_OR_NAN,
            "auroc_entropy": FRACTION_OR_NAN,
            "auroc_mutual_information": FRACTION_OR_NAN,
            "num_examples": FROM_1,
        }


FILES: dict[type, str] = {
    Record: "records.csv",
    State: "states.csv",
    CalibrationBin: "calibration.csv",
    Probe: "probes.csv",
    Foreign: "ood.csv",
}
HEADER = row_files.header(Record)


@overload
def read(path: str | os.PathLike[str]) -> list[Record]: ...
@overload
def read(path: str | os.PathLike[str], kind: type[AnyRow]) -> list[AnyRow]: ...
def read(path: str | os.PathLike[str], kind: type[Any] = Record) -> list[Any]:
    """Read all whole rows of a file, in its order; see `row_files.read`.

    A run that was resumed may hold the same test twice; the analysis takes the last.
    """
    return row_files.read(path, kind)
