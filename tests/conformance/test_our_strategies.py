"""Every strategy in conf/strategy, found by listing, passes the kit; so do settings that take other paths."""

import pytest
from strategy_variants import AVALANCHES, DENSE, SUBJECTS

from cl_bench.conformance.avalanche import STOCK
from cl_bench.conformance.check import FAIL, PASS
from cl_bench.testing import CHECKS, Subject, examine

# Avalanche's loaders and strategies draw from the global generators, which the suite seeds and restores
ALLOWED = {name: {"global_generators_are_left_alone"} for name in AVALANCHES}

# that a check does not apply must not hide that somebody took a claim away
QUADRATIC = ("ewc", "online_ewc", "l2", "mas", "si", "online_laplace")
ASYMMETRIC = ("er_ace", "er_ace_all")
STEPS = ("a_gem", *ASYMMETRIC, "gpm")
TEMPORAL = ("td_vcl", "td_vcl_recent")
WITHOUT_RULE_OF_THEIR_OWN = (
    *("finetune", *QUADRATIC, "lwf", "replay", "der", "der_plus_plus", "function_prior", "gdumb", "joint"),
    *("vcl", "gvcl", "ucb", *TEMPORAL, *STEPS),
)
ASKED = {
    "the_first_task_is_finetuning": (
        *("finetune", "ewc", "online_ewc", "l2", "mas", "si", "lwf", "lwf_by_task", "replay"),
        *("function_prior", "joint", "a_gem", "gpm"),
    ),
    "it_differs_from_finetuning_after_the_first_task": (
        *(*QUADRATIC, "lwf", "lwf_by_task", "replay", "der", "der_plus_plus", "function_prior", "joint"),
        *("vcl", "gvcl", "bayesbinn", "bayesbinn_published", "synaptic_metaplasticity", "ucb"),
        *(*TEMPORAL, *STEPS),
    ),
    "switched_off_it_is_finetuning": (
        *(*QUADRATIC, "lwf", "lwf_by_task", "replay", "der", "der_plus_plus", "function_prior"),
        *STEPS,
    ),
    "the_gradient_is_that_of_loss_and_penalty": WITHOUT_RULE_OF_THEIR_OWN,
    "what_it_keeps_does_not_depend_on_the_batch_size": (
        *("ewc", "online_ewc", "ewc_online_sampled", "mas", "online_laplace", "online_laplace_diagonal"),
        *("function_prior", "vcl", "gvcl", "gpm", "ucb", *TEMPORAL),
        *("bayesian_linear", "nearest_class_mean", "streaming_lda", "ranpac_fixed"),
    ),
    "frozen_copies_are_in_eval_mode": ("lwf", "lwf_by_task"),
    "the_posterior_is_the_next_prior": (
        *("vcl", "gvcl", "vcl_restart", "bayesbinn", "bayesbinn_published", "online_laplace_diagonal"),
        *("ivon", "ivon_samples", *DENSE),
    ),
    "sequential_learning_ends_at_the_batch_posterior": (
        *("vcl", "gvcl", "vcl_restart", "bayesbinn", "bayesbinn_published", "bayesbinn_momentum"),
        *("ivon", "ivon_samples", "covon", *TEMPORAL),
    ),
    "a_test_uses_as_many_samples_as_it_says": (
        *("vcl", "gvcl", "ucb", "vcl_coreset", "mesu", "mesu_samples", "bimu", "bimu_samples"),
        *("ivon", "ivon_samples", "covon", *TEMPORAL),
        *("bayesbinn", "bayesbinn_published", "bayesbinn_momentum"),
    ),
    "normalised_and_scheduled_it_is_finetuning": (
        *("finetune", *QUADRATIC, "lwf", "lwf_by_task", "replay", "der", "der_plus_plus"),
        *("function_prior", "joint", *STEPS),
    ),
    "it_differs_from_finetuning_in_the_third_task": (
        *(*QUADRATIC, "lwf", "lwf_by_task", "replay", "der", "der_plus_plus", "function_prior", "joint"),
        *STEPS,
    ),
    "every_task_renews_what_it_keeps": (
        *(*QUADRATIC, "lwf", "lwf_by_task", "replay", "der", "der_plus_plus", "function_prior", "gdumb"),
        *("vcl", "gvcl", "vcl_coreset", "bayesbinn", "bayesbinn_published", "bayesbinn_fixed_prior"),
        *("ivon", "covon", "mesu", "bimu", "adaste", "bop", "straight_through", "synaptic_metaplasticity"),
        *("bayesian_linear", "nearest_class_mean", "streaming_lda", "ranpac", *DENSE),
        *("td_vcl", *STEPS),
    ),
    "outputs_of_every_task_are_held": (
        *(*QUADRATIC, "lwf", "lwf_by_task", "replay", "der", "der_plus_plus", "function_prior"),
    ),
    "a_task_without_a_move_adds_no_importance": ("si",),
    "importances_add_up": ("ewc", "online_ewc", "mas"),
    "labels_held_are_those_of_their_images": (
        *("a_gem", *ASYMMETRIC),
        *("replay", "replay_class_balanced", "der", "der_plus_plus", "der_compute_matched"),
        *("gdumb", "gdumb_epoch_of_task", "vcl_coreset", "replay_recent", "vcl_coreset_recent", *TEMPORAL),
    ),
    "nothing_pulls_at_the_start_of_a_task": ("ewc", "online_ewc", "l2", "mas", "si", "lwf", "function_prior"),
    # a coreset is left out of a task's data at its start, by positions that are read there
    "no_step_waits_for_the_device": tuple(
        set(SUBJECTS) - set(AVALANCHES) - {"vcl_coreset", "vcl_coreset_recent"}
    ),
    "a_memory_holds_images_of_every_task": (
        *("a_gem", *ASYMMETRIC),
        *("replay", "replay_class_balanced", "der", "der_plus_plus", "der_compute_matched"),
        *("gdumb", "gdumb_epoch_of_task", "function_prior", "function_prior_random", "vcl_coreset"),
        *("replay_recent", "vcl_coreset_recent", *TEMPORAL),
    ),
}
HEADS = ("bayesian_linear", "nearest_class_mean", "ranpac", "streaming_lda")
for check in ("another_seed_gives_other_bits", "the_schedule_reaches_its_steps"):  # of what takes steps
    ASKED[check] = tuple(name for name in SUBJECTS if not name.startswith(HEADS))
ALWAYS = {check.name for check in CHECKS} - set(ASKED) - {"it_refuses_other_scenarios"}


@pytest.mark.parametrize("name", SUBJECTS)
def test_it_passes_the_kit(name):
    strategy, *settings = SUBJECTS[name]
    claims = STOCK["Replay"].claims if name == "avalanche_replay" else None
    results = {result.check.name: result for result in examine(Subject(strategy, settings, claims=claims))}
    failures = [str(result) for each, result in results.items() if result.outcome == FAIL]
    if name in ALLOWED:
        assert {each for each, result in results.items() if result.outcome == FAIL} == ALLOWED[name]
        return
    assert not failures, "\n".join(failures)
    asked = ALWAYS | {check for check, names in ASKED.items() if name in names}
    silent = [str(results[check]) for check in asked if results[check].outcome != PASS]
    assert not silent, "\n".join(silent)


def test_these_lists_name_checks_and_strategies_that_exist():
    assert set(ASKED) <= {check.name for check in CHECKS}
    assert {name for names in ASKED.values() for name in names} <= set(SUBJECTS)
