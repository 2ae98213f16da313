"""Which networks a strategy says that it runs on, and that it refuses the others."""

from cl_bench.conformance.check import Failed, demand
from cl_bench.conformance.subject import SPLIT, Subject
from cl_bench.learner.seeds import global_generators_restored


def batch_norm(subject: Subject) -> tuple[str, ...]:
    """Return the override for batch normalisation; none for a strategy that declares networks without."""
    return ("model.normalisation=batch",) if "normalised" in subject.claims.networks else ()


def refused(subject: Subject, *overrides: str, model: str = "mlp") -> str:
    """Describe how a network is refused that the strategy does not declare; fail where it is trained."""
    declared = ", ".join(subject.claims.networks)
    try:
        with global_generators_restored(0):
            subject.run(*SPLIT, *overrides, model=model).train()
    except (ValueError, TypeError, NotImplementedError) as error:
        demand("model" in str(error), f"the error names no setting of the model: {error}")
        return f"it declares {declared} networks alone, and refuses another one"
    raise Failed(f"it declares {declared} networks alone, and yet it trains another one")
