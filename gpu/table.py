"""All items of the programme, in the order of their worth."""

from cl_bench.config.choices import choices
from gpu import headline, studies
from gpu.items import Item, Part
from speed.table import GROUPS, LINES

HERE = __package__
TINY_STRATEGIES = (
    "bayesbinn",
)  # of the tiny programme; the others' first questions are those of `make test`
# seconds of eight minutes
CORRECTNESS, SPEED, HEADLINE, STUDIES = 120, 110, 180, 70


def parts(workers: int) -> tuple[Part, ...]:
    """Return what there is to do.

    Args:
        workers: processes that ask questions at once.
    """
    return (
        Part("correctness", CORRECTNESS, tuple(_correctness()), workers),
        Part("speed", SPEED, tuple(_speed())),
        Part("headline", HEADLINE, tuple(_headline())),
        Part("studies", STUDIES, tuple(_studies())),
    )


def _correctness() -> list[Item]:
    """List first questions of every strategy, then what runs do on the device, then all other questions."""
    strategies = list(choices("strategy"))
    first = [_item("first questions", "correctness:first_questions", name) for name in strategies]
    runs = [
        Item("correctness", name, f"{HERE}.{work}", in_tiny=name != "compile")
        for name, work in (
            ("seeds at once, in float32", "arithmetic:stacked"),
            ("stop and go on", "going_on:stopped"),
            ("deterministic", "arithmetic:deterministic"),
            ("precision", "arithmetic:precision"),
            ("memory of a long stream", "memory:flat"),
            ("compile", "arithmetic:compiled"),
        )
    ]
    others = [
        _item(f"other questions, {model}", "correctness:other_questions", name, model)._replace(in_tiny=False)
        for model in ("mlp", "cnn")
        for name in strategies
    ]
    return [*first, *runs, *others]


def _item(what: str, work: str, strategy: str, *more: str) -> Item:
    return Item(
        "correctness", f"{strategy}: {what}", f"{HERE}.{work}", (strategy, *more), strategy in TINY_STRATEGIES
    )


def _speed() -> list[Item]:
    """List every group that has a line for a GPU, the shorter ones first; the headline is another part."""
    names = {line.group for line in LINES if "cuda" in line.devices} - {"headline"}
    ordered = sorted(names, key=lambda name: GROUPS[name].seconds)
    tiny = ordered[:1]
    return [Item("speed", name, f"{HERE}.speed_rows:rows", (name,), name in tiny) for name in ordered]


def _headline() -> list[Item]:
    return [Item("headline", name, f"{HERE}.headline:study", (name,)) for name in headline.STUDIES]


def _studies() -> list[Item]:
    jobs = [job for study in studies.waiting() for job in studies.jobs(study)]
    return [
        Item("studies", job.name, f"{HERE}.studies:job", (job.study, *job.settings), job is jobs[0])
        for job in jobs
    ]
