"""What a user meant who gave a setting or a choice that does not exist, and what to type."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from cl_bench.config.places import shell_word

MOST = 3  # names that are proposed
MOST_LISTED = 40  # names that are listed where none is near
# words of the field and of other libraries -> ours, the last part of a setting's name or a group
SYNONYMS = {
    "learning_rate": "lr learningrate step_size stepsize eta",
    "batch_size": "bs batch batchsize minibatch_size mb_size train_mb_size train_batch_size",
    "test_batch_size": "test_bs eval_batch_size eval_mb_size",
    "epochs": "n_epochs num_epochs nepochs train_epochs max_epochs epochs_per_task",
    "iterations": "iters steps n_steps num_steps max_steps n_iters num_iterations",
    "optimizer": "opt optim optimiser",
    "weight_decay": "wd l2_regularization",
    "clip_norm": "clip grad_clip clip_grad gradient_clip clip_grad_norm max_norm max_grad_norm grad_norm",
    "label_smoothing": "smoothing label_smooth",
    "warm_up": "warmup warmup_steps warmup_epochs warm_up_steps num_warmup_steps",
    "patience": "early_stopping early_stop stop_early",
    "schedule": "scheduler lr_schedule lr_scheduler",
    "device": "gpu cuda accelerator",
    "threads": "n_threads num_threads nthreads",
    "precision": "dtype amp fp16 bf16 mixed_precision",
    "strength": "lambda lam lamda lmbda lambda_ ewc_lambda si_lambda reg regularization penalty c",
    "decay": "gamma",
    "temperature": "tau temp",
    "num_tasks": "n_tasks ntasks tasks n_experiences num_experiences",
    "num_train": "n_train train_size num_examples",
    "memory_size": "memory mem_size buffer_size n_memories",
    "num_samples": "n_samples mc_samples samples",
    "hidden": "hidden_size hidden_sizes hidden_dim hidden_units units layers",
    "normalisation": "norm normalization batchnorm",
    "activation": "nonlinearity act",
    "validation_share": "val_share val_split validation_split val_ratio",
    "seed": "random_seed rng_seed random_state",
    "seeds": "n_seeds num_seeds",
    "root": "data_dir data_path datadir data_root dataset_root",
    "results_dir": "output output_dir out out_dir outdir save_dir log_dir logdir results",
    "study": "experiment_name exp_name project",
    "strategy": "method algorithm algo approach learner",
    "benchmark": "stream scenario_name",
    "benchmark/dataset": "dataset data_set",
    "model": "arch architecture net network backbone",
    "tracking": "logger wandb tensorboard mlflow",
}
_OURS = {word: ours for ours, words in SYNONYMS.items() for word in words.split()}


def nearest_settings(name: str, known: Iterable[str]) -> list[str]:
    """Return the settings, by full name, that are most likely meant.

    They are those of the same last part, of its synonym, or of similar spelling.
    """
    names = list(dict.fromkeys(known))
    parent, _, last = name.lower().replace("-", "_").rpartition(".")
    lasts: dict[str, list[str]] = {}
    for each in names:
        lasts.setdefault(each.rpartition(".")[2], []).append(each)
    for word in (last, _OURS.get(last, "")):
        if word in lasts:
            return lasts[word][:MOST]
    near = get_close_matches(name, names, n=MOST, cutoff=0.8)
    if near:
        return near[:1] if near[0].count(".") == name.count(".") else near
    beside = [each for each in names if each.rpartition(".")[0] == parent]
    by_last = {each.rpartition(".")[2]: each for each in beside}
    near = [by_last[each] for each in get_close_matches(last, by_last, n=MOST, cutoff=0.6)]
    return (
        near
        or [each for word in get_close_matches(last, lasts, n=1, cutoff=0.75) for each in lasts[word]][:MOST]
    )


def no_such_setting(name: str, value: str, known: Iterable[str], *, objection: str = "") -> str:
    """Say that a setting does not exist, and what to type in its place.

    Args:
        value: that was given, as it was written.
        known: full names of all settings there are, groups of choices among them.
        objection: what is wrong with the value, where it is one that the nearest setting does not take.
    """
    known = list(known)
    near = nearest_settings(name, known)
    if near and objection:
        return f"there is no setting {name}. There is {near[0]}: {objection}"
    if near:
        return (
            f"there is no setting {name}. Did you mean {_or(shell_word(f'{each}={value}') for each in near)}?"
        )
    parent = name.rpartition(".")[0]
    beside = [each.rpartition(".")[2] for each in known if each.rpartition(".")[0] == parent]
    where = f"{parent} has" if parent and beside else "There are"
    listed = beside or [each for each in known if "." not in each]
    more = ", ..." if len(listed) > MOST_LISTED else ""
    return (
        f"there is no setting {name}, nor one like it. {where} {', '.join(listed[:MOST_LISTED])}{more}; "
        "see cl-bench run --help."
    )


def nearest_choices(wrong: str, options: Sequence[str]) -> list[str]:
    """Return choices that differ by capitals, have the word in their name, or are spelt in a similar way."""
    word = wrong.lower().replace("-", "_")
    same = [each for each in options if each.lower() == word]
    inside = sorted((each for each in options if word in each.lower().split("_")), key=len)
    return same or inside[:MOST] or get_close_matches(word, options, n=MOST, cutoff=0.6)


def no_such_choice(
    group: str, wrong: str, options: Sequence[str], others: Mapping[str, Sequence[str]]
) -> str:
    """Say that a choice does not exist, which there are, and what to type.

    Args:
        others: the choices of other groups.
    """
    message = f"there is no {group}={wrong}; choices: {', '.join(options)}."
    near = nearest_choices(wrong, options)
    if near:
        message += f" Did you mean {_or(f'{group}={each}' for each in near)}?"
    elsewhere = [other for other, names in others.items() if wrong in names and other != group]
    if elsewhere:
        message += f" There is {_or(f'{other}={wrong}' for other in elsewhere)}."
    return message


def _or(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last
