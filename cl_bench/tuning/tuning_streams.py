"""The streams that settings are tuned on: none of them may share an order with a reported one."""

from typing import NamedTuple

from omegaconf import DictConfig

from cl_bench.data import ImageData

MAX_PASSED_OVER = 100


class TuningSeeds(NamedTuple):
    """Tuning seeds: each with the names of its orders, and what each seed that was passed over shares."""

    streams: dict[int, list[str]]
    passed_over: dict[int, str]
    data_source: str  # in words, what the images were read from


def tuning_seeds(
    *, tuning: DictConfig, reported: DictConfig, num_seeds: int, first_seed: int, num_reported: int
) -> TuningSeeds:
    """Return the first `num_seeds` seeds from `first_seed` on whose streams share no order with any other.

    The others are the reported streams, of seeds 0 to `num_reported` - 1, and each other. An order is a
    permutation or a class order.

    Args:
        tuning, reported: the configurations of a run that tunes and of one that is reported.

    Raises:
        ValueError: where the seeds overlap, where there are no such streams, or where a stream does not tell.
    """
    if first_seed < num_reported:
        raise ValueError(
            f"tuning seeds must be none of the reported ones, 0 to {num_reported - 1}, got {first_seed=}: "
            "set tune.first_seed or tune.num_reported"
        )
    from cl_bench.config.build import build_data

    data = build_data(tuning)
    taken = {name for seed in range(num_reported) for name in _order(reported, data, seed)}
    streams: dict[int, list[str]] = {}
    passed_over: dict[int, str] = {}
    seed = first_seed
    while len(streams) < num_seeds:
        order = _order(tuning, data, seed)
        shared = sorted(order & taken)
        if shared:
            passed_over[seed] = shared[0]
        else:
            streams[seed] = sorted(order)
            taken |= order
        if len(passed_over) >= MAX_PASSED_OVER:
            raise ValueError(
                f"a tuning stream must share no order with the {num_reported} reported ones, got none among "
                f"seeds {first_seed} to {seed}: the last has their {shared[0]}; set a smaller "
                "tune.num_reported, another benchmark.num_tasks, or no seed_for.order"
            )
        seed += 1
    return TuningSeeds(streams, passed_over, data.source)


def _order(config: DictConfig, data: ImageData, seed: int) -> frozenset[str]:
    from cl_bench.config.build import stream_of
    from cl_bench.learner.seeds import Seeds

    order = stream_of(config, data, Seeds(seed, config.seed_for)).order
    if order is None:
        raise ValueError(
            f"a stream must tell its order to be tuned on, got none from {config.benchmark['_target_']}: let "
            "it set TaskStream.order"
        )
    return order
