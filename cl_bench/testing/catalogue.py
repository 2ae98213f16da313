"""All checks, in the order in which they are asked."""

from collections.abc import Iterator, Sequence

from cl_bench.testing import (
    finetuning,
    gradients,
    inputs,
    memory,
    pixels,
    posterior,
    processes,
    resuming,
    scenarios,
    secrets,
    training,
    weights,
)
from cl_bench.testing.check import FAIL, Check, Result, result_of
from cl_bench.testing.subject import Subject

CHECKS: tuple[Check, ...] = (
    training.it_is_built_from_its_settings,
    pixels.shared_data_stay_as_they_are,
    training.losses_are_finite,
    weights.weights_move_in_every_task,
    weights.frozen_weights_stay,
    training.the_same_seed_gives_the_same_bits,
    processes.objects_share_no_state,
    processes.another_process_gives_the_same_bits,
    training.another_seed_gives_other_bits,
    training.testing_changes_nothing,
    training.the_size_of_test_batches_changes_nothing,
    training.global_generators_are_left_alone,
    finetuning.the_first_task_is_finetuning,
    finetuning.it_differs_from_finetuning_after_the_first_task,
    finetuning.switched_off_it_is_finetuning,
    gradients.the_gradient_is_that_of_loss_and_penalty,
    gradients.what_it_keeps_does_not_depend_on_the_batch_size,
    gradients.frozen_copies_are_in_eval_mode,
    posterior.the_posterior_is_the_next_prior,
    posterior.sequential_learning_ends_at_the_batch_posterior,
    secrets.it_reads_no_future_task,
    secrets.it_learns_from_no_test_image,
    pixels.unseen_images_change_nothing,
    inputs.inputs_are_images_of_the_stream,
    secrets.it_uses_no_hidden_task_label,
    scenarios.it_runs_in_each_scenario_it_declares,
    scenarios.it_refuses_other_scenarios,
    scenarios.it_runs_on_a_convolutional_network,
    scenarios.heads_of_other_tasks_stand_still,
    memory.memory_grows_only_as_declared,
    resuming.it_goes_on_bit_for_bit,
    training.stacked_seeds_are_those_alone_or_refused,
)


def examine(subject: Subject, checks: Sequence[Check] = CHECKS) -> Iterator[Result]:
    """The result of each check as it is known; only the first one's where the strategy cannot be built."""
    for check in checks:
        result = result_of(check, subject)
        yield result
        if result.outcome == FAIL and check is training.it_is_built_from_its_settings:
            return
