"""Every strategy in conf/strategy, and settings of them that take other paths: name -> choice, overrides."""

from cl_bench.config.choices import choices

# settings that take another path through the code than the defaults do
VARIANTS = {
    "bimu_samples": ("bimu", "strategy.num_samples=2", "strategy.num_test_samples=0"),
    "bayesbinn_hard": ("bayesbinn", "strategy.estimator=hard", "strategy.first_kl_weight=0.3"),
    "bayesbinn_momentum": ("bayesbinn", "strategy.num_samples=2", "strategy.momentum=0.5"),
    "der_compute_matched": ("der_plus_plus", "strategy.compute_matched=true"),
    "er_ace_all": ("er_ace", "strategy.current_classes=all", "strategy.buffer=class_balanced"),
    "ewc_online_sampled": ("ewc", "strategy.mode=online", "strategy.fisher_estimator=sampled"),
    "function_prior_random": ("function_prior", "strategy.selection=random"),
    "gdumb_epoch_of_task": ("gdumb", "strategy.epoch=task", "strategy.buffer=reservoir"),
    "joint_without_restart": ("joint", "strategy.restart=false"),
    "replay_class_balanced": ("replay", "strategy.buffer=class_balanced"),
    "mesu_samples": ("mesu", "strategy.num_samples=2", "strategy.clip=null"),
    "ivon_samples": ("ivon", "strategy.num_samples=2", "strategy.first_kl_weight=0.3", "strategy.clip=0.02"),
    "message_passing_bpi": (
        *("message_passing", "strategy.form=bpi", "strategy.num_iterations=2", "strategy.damping=0"),
        "strategy.bayesian_prediction=false",
    ),
    "message_passing_mf": ("message_passing", "strategy.form=mf", "strategy.output_prior_power=0.9"),
    "lwf_by_task": ("lwf", "strategy.weighting=by_task"),
    "online_laplace_diagonal": ("online_laplace", "strategy.structure=diagonal"),
    "online_laplace_merged": ("online_laplace", "strategy.memory=merged"),
    "ranpac_fixed": ("ranpac", "strategy.num_features=30", "strategy.ridge=1.0"),
    "streaming_lda_counts": (
        *("streaming_lda", "strategy.shrink_to=mean_variance"),
        *("strategy.class_priors=counts", "strategy.shrinkage=0.1"),
    ),
    "replay_recent": ("replay", "strategy.memory_tasks=2"),
    "td_vcl_recent": (
        *("td_vcl", "strategy.memory_tasks=2", "strategy.num_posteriors=2", "strategy.decay=0.5"),
        *("strategy.num_samples=2", "strategy.buffer=class_balanced", "strategy.replay_share=0.7"),
    ),
    "vcl_coreset": ("vcl", "strategy.coreset=k_center"),
    "vcl_coreset_recent": ("vcl", "strategy.coreset=random", "strategy.memory_tasks=2"),
    "vcl_fisher": ("vcl", "strategy.carried_precision=fisher", "strategy.first_kl_weight=0.3"),
    "vcl_restart": ("vcl", "strategy.restart=true"),
}
# which refuse convolutions, normalisation and dropout
DENSE = tuple(name for name in (*choices("strategy"), *VARIANTS) if name.startswith("message_passing"))
# no momentum, which Avalanche carries from task to task: it moves heads that have no gradient
SGD = ("training.optimizer=sgd", "training.learning_rate=0.1")
AVALANCHES = {
    "avalanche": ("avalanche", *SGD),
    "avalanche_replay": (
        *("avalanche", "strategy.path=avalanche.training.Replay"),
        *("+strategy.settings.mem_size=20", *SGD),
    ),
}
# a matrix of many features is inverted seventeen times a task
SMALLER = {"ranpac": ("ranpac", "strategy.num_features=30")}
SUBJECTS = {name: (name,) for name in choices("strategy")} | SMALLER | VARIANTS | AVALANCHES
