"""All checks, in the order in which they are asked."""

from collections.abc import Iterator, Sequence

from cl_bench.conformance import (
    company,
    finetuning,
    gradients,
    graphs,
    inputs,
    leakage,
    memories,
    memory_growth,
    monte_carlo,
    normalisation,
    pixels,
    posterior,
    processes,
    repeatability,
    resuming,
    scenarios,
    searched,
    shared,
    starts,
    third_task,
    waiting,
    weights,
)
from cl_bench.conformance.check import FAIL, Check, Result, result_of
from cl_bench.conformance.subject import Subject

CHECKS: tuple[Check, ...] = (
    repeatability.it_is_built_from_its_settings,
    shared.shared_data_stay_as_they_are,
    searched.what_tuning_searches_is_taken,
    repeatability.losses_are_finite,
    weights.weights_move_in_every_task,
    weights.frozen_weights_stay,
    repeatability.the_same_seed_gives_the_same_bits,
    processes.objects_share_no_state,
    processes.another_process_gives_the_same_bits,
    repeatability.another_seed_gives_other_bits,
    repeatability.testing_changes_nothing,
    repeatability.the_size_of_test_batches_changes_nothing,
    repeatability.global_generators_are_left_alone,
    finetuning.the_first_task_is_finetuning,
    finetuning.it_differs_from_finetuning_after_the_first_task,
    finetuning.switched_off_it_is_finetuning,
    gradients.the_gradient_is_that_of_loss_and_penalty,
    gradients.what_it_keeps_does_not_depend_on_the_batch_size,
    gradients.frozen_copies_are_in_eval_mode,
    posterior.the_posterior_is_the_next_prior,
    posterior.sequential_learning_ends_at_the_batch_posterior,
    leakage.it_reads_no_future_task,
    leakage.it_learns_from_no_test_image,
    pixels.unseen_images_change_nothing,
    inputs.inputs_are_images_of_the_stream,
    leakage.it_uses_no_hidden_task_label,
    company.the_prediction_depends_on_the_image_alone,
    monte_carlo.a_test_uses_as_many_samples_as_it_says,
    normalisation.the_schedule_reaches_its_steps,
    normalisation.normalised_and_scheduled_it_is_finetuning,
    normalisation.measurements_are_made_in_evaluation_mode,
    normalisation.running_statistics_move_in_steps_alone,
    normalisation.every_step_is_taken_in_train_mode,
    third_task.it_differs_from_finetuning_in_the_third_task,
    third_task.every_task_renews_what_it_keeps,
    third_task.outputs_of_every_task_are_held,
    third_task.importances_add_up,
    third_task.a_task_without_a_move_adds_no_importance,
    starts.nothing_pulls_at_the_start_of_a_task,
    memories.a_memory_holds_images_of_every_task,
    memories.labels_held_are_those_of_their_images,
    graphs.nothing_kept_has_a_graph,
    waiting.no_step_waits_for_the_device,
    scenarios.it_runs_in_each_scenario_it_declares,
    scenarios.it_refuses_other_scenarios,
    scenarios.it_runs_on_a_convolutional_network,
    scenarios.heads_of_other_tasks_stand_still,
    memory_growth.memory_grows_only_as_declared,
    resuming.it_goes_on_bit_for_bit,
    repeatability.stacked_seeds_are_those_alone_or_refused,
)


def examine(subject: Subject, checks: Sequence[Check] = CHECKS) -> Iterator[Result]:
    """Yield the result of each check as it is known; only the first where the strategy cannot be built."""
    failed: list[Check] = []
    for check in checks:
        result = result_of(check, subject, failed)
        if result.outcome == FAIL:
            failed.append(check)
        yield result
        if result.outcome == FAIL and check is repeatability.it_is_built_from_its_settings:
            return
