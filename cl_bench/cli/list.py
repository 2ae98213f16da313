"""`cl-bench list`: the choices there are, and of one choice its settings, its sources and what was tuned."""

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from cl_bench.config.choices import (
    GROUPS,
    all_groups,
    choices,
    describe,
    folders,
    folders_given,
    look_in,
    subgroups,
    with_packages,
)
from cl_bench.config.places import CONFIG_DIR, expanded

USAGE = """usage: cl-bench list [GROUP] [CHOICE]

  cl-bench list                            every choice, what it is and whose
  cl-bench list strategy                   those of one group
  cl-bench list strategy ewc               its settings, their defaults, its source, what is tuned for it
  cl-bench list tuned/permuted_mnist       what was tuned on one benchmark
  cl-bench list strategy --config-dir DIR  those of DIR, too

Groups: {groups}
"""
NO_SETTINGS = ("name", "defaults", "tuning")  # of a file: for people, and for Hydra
COMPUTED = re.compile(r"\$\{\w+:")
ASSIGNED = re.compile(r"^(?P<indent> *)(?P<key>[\w.]+): *(?P<value>.*?)(?: +#+ *(?P<comment>.*))?$")


def main(arguments: Sequence[str]) -> int:
    """Print the list. The exit status is 0; 2 for a group or a choice that does not exist."""
    words, places = list[str](), list[Path]()
    left = list(arguments)
    while left:
        word = left.pop(0)
        name, equals, value = word.partition("=")
        if name not in CONFIG_DIR:
            words.append(word.strip("/"))
            continue
        given = value if equals else (left.pop(0) if left else "")
        places.append(Path(expanded(given)).resolve())
        if not given or not places[-1].is_dir():
            print(f"cl-bench: {name} must be given a folder of YAML files, got {given!r}", file=sys.stderr)
            return 2
    look_in(places)
    return _listed(words)


def _listed(words: list[str]) -> int:
    if any(word in ("-h", "--help") for word in words):
        print(USAGE.format(groups=", ".join(all_groups())))
        return 0
    if len(words) == 2 and words[1] in choices(words[0]):
        show(words[0], words[1])
        return 0
    if len(words) == 2 and f"{words[0]}/{words[1]}" in subgroups(words[0]):
        words = [f"{words[0]}/{words[1]}"]
    for word in words:
        problem = _problem(word, words)
        if problem:
            print(f"cl-bench: {problem}", file=sys.stderr)
            return 2
    for group in words or filter(with_packages, GROUPS):
        _list(group)
    return 0


def _problem(word: str, words: Sequence[str]) -> str:
    """Say why a word is not listed; empty where it is a group."""
    if with_packages(word) or subgroups(word):
        return ""
    group = words[0]
    if word in choices(group):
        return f"one choice is shown at a time: type cl-bench list {group} {word}"
    if word != group and choices(group):
        near = get_close_matches(word, choices(group), n=1)
        hint = f"did you mean {near[0]}?" if near else f"choices: {', '.join(choices(group))}"
        return f"there is no {group}={word}; {hint}"
    inside = [f"cl-bench list {group} {word}" for group in all_groups() if word in choices(group)]
    near = get_close_matches(word, all_groups(), n=1)
    if inside:
        return f"there is no group {word!r}; it is a choice: type {' or '.join(inside)}"
    hint = f"did you mean {near[0]}?" if near else f"groups: {', '.join(all_groups())}"
    return f"there is no group {word!r}; {hint}"


def _list(group: str) -> None:
    by_name = with_packages(group)
    if by_name:
        print(f"{group}=")
        width = max(map(len, by_name))
        package_width = max(len(package) for _, package in by_name.values())
        for name, (path, package) in by_name.items():
            print(f"  {name:<{width}}  {package:<{package_width}}  {describe(path)}")
    for inner in subgroups(group):
        if inner not in GROUPS:
            print(f"{inner}: {', '.join(choices(inner))}")


# One choice


def show(group: str, name: str) -> None:
    """Print what is known of one choice."""
    path, package = with_packages(group)[name]
    print(f"{group}={name}  ({package})\n{describe(path)}")
    files = _with_defaults(group, name)
    settings = _settings(group, name) if group in GROUPS[1:-1] else {}
    target = settings.pop(f"{_prefix(group)}._target_", None)
    if not settings and target is None:
        print(f"\n{path}\n{path.read_text().rstrip()}")
        return
    source, meanings = _documentation(str(target)) if target else ("", {})
    if source:
        print(f"\n{target}\n{source}")
    meanings |= {key: what for file in reversed(files) for key, what in _comments(file, group).items()}
    _print_settings(settings, meanings, _prefix(group))
    for line in (*_unused(str(target)), *_tuned(group, name)):
        print(line)


def _unused(target: str) -> Iterator[str]:
    """Yield lines on the settings of training that a strategy does not use."""
    from cl_bench.config.rules import unused_settings
    from cl_bench.config.sources import NotThereError

    with suppress(NotThereError):
        reasons: dict[str, list[str]] = {}
        for setting, reason in unused_settings(target).items():
            reasons.setdefault(reason, []).append(f"training.{setting}")
        if reasons:
            yield "\nWhat it does not use"
        for reason, settings in reasons.items():
            yield f"  {', '.join(settings)}: {reason}"


def _prefix(group: str) -> str:
    return group.replace("/", ".")


def _settings(group: str, name: str) -> dict[str, Any]:
    """Map the full name of each setting of a choice, and of those that it sets elsewhere, to its default."""
    from omegaconf import OmegaConf

    from cl_bench.config.compose import compose
    from cl_bench.records.identity import SAID

    words = [f"{group}={name}", *(["tuned=none"] if group != "tuned" else [])]
    config = compose(words, config_dirs=folders_given())
    everything = dict(_flat(OmegaConf.to_container(config, resolve=False)))  # type: ignore[arg-type]
    written = {key for file in _with_defaults(group, name) for key, _ in _assigned(file, group)}
    prefix = f"{_prefix(group)}."
    return {
        # what a function of ours computes stands as what it gives
        key: OmegaConf.select(config, key) if COMPUTED.match(str(value)) else value
        for key, value in everything.items()
        if (key.startswith(prefix) and key.removeprefix(prefix) not in NO_SETTINGS) or key in written
        if not (group == "benchmark" and key.startswith("benchmark.dataset."))
        and not set(key.split(".")) & set(SAID)
    }


def _with_defaults(group: str, name: str) -> list[Path]:
    """Return the file of a choice, then those of the same group that it begins with."""
    import yaml

    paths: list[Path] = []
    left = [name]
    while left:
        path = choices(group).get(left.pop(0))
        if path is not None and path not in paths:
            paths.append(path)
            defaults = (yaml.safe_load(path.read_text()) or {}).get("defaults", [])
            left += [each for each in defaults if isinstance(each, str) and each != "_self_"]
    return paths


def _assigned(path: Path, group: str) -> Iterator[tuple[str, str]]:
    """Yield the full name of each setting of a file, and the comment behind it."""
    text = path.read_text()
    parents: list[tuple[int, str]] = [] if "@package _global_" in text else [(-1, _prefix(group))]
    for line in _with_whole_comments(text.splitlines()):
        match = ASSIGNED.match(line)
        if match is None or line.lstrip().startswith(("#", "-")):
            continue
        indent = len(match["indent"])
        while parents and parents[-1][0] >= indent:
            parents.pop()
        names = [name for _, name in parents] + [match["key"]]
        if match["value"]:
            yield ".".join(names), match["comment"] or ""
        else:
            parents.append((indent, match["key"]))


def _with_whole_comments(lines: Iterable[str]) -> list[str]:
    """Put a comment that goes on below, in its own column, at the end of the line where it begins."""
    joined: list[str] = []
    column = -1  # of the comment that may go on
    for line in lines:
        comment = line.lstrip()
        if column > 0 and comment.startswith("#") and len(line) - len(comment) == column:
            joined[-1] += f" {comment.lstrip('# ')}"
            continue
        match = ASSIGNED.match(line)
        at = match.start("comment") if match and match["comment"] else 0
        column = line.rfind("#", 0, at)
        joined.append(line)
    return joined


def _comments(path: Path, group: str) -> dict[str, str]:
    return {key: comment for key, comment in _assigned(path, group) if comment}


def _documentation(target: str) -> tuple[str, dict[str, str]]:
    """Return what the source says: the docstring up to its arguments, and of each argument."""
    from cl_bench.config.signatures import arguments_told, bases
    from cl_bench.config.sources import NotThereError, locate

    try:
        definition = locate(target)
    except NotThereError:
        return "", {}
    if definition is None or not isinstance(definition.node, ast.ClassDef | ast.FunctionDef):
        return "", {}
    nodes = bases(definition) if isinstance(definition.node, ast.ClassDef) else [definition]
    docstrings = [
        ast.get_docstring(each.node) or ""
        for each in nodes
        if each is not None and isinstance(each.node, ast.ClassDef | ast.FunctionDef)
    ]
    meanings = dict(item for docstring in reversed(docstrings) for item in arguments_told(docstring))
    text = re.split(r"^(?:Args|Raises|Returns|Attributes):\n", docstrings[0], flags=re.MULTILINE)[0]
    return text.rstrip(), meanings


def _print_settings(settings: Mapping[str, Any], meanings: Mapping[str, str], prefix: str) -> None:
    print("\nSettings, with their defaults")
    written = {key: f"{key}={_value(value)}" for key, value in settings.items()}
    width = min(max(map(len, written.values()), default=0), 50)
    for key, text in written.items():
        own = key.removeprefix(f"{prefix}.") if key.startswith(f"{prefix}.") else ""
        meaning = meanings.get(key) or meanings.get(own, "")
        print(f"  {text:<{width}}  {meaning}".rstrip())
    if not written:
        print("  none of its own")


def _value(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def _tuned(group: str, name: str) -> Iterator[str]:
    """Yield lines on what was tuned for a strategy, or on a benchmark."""
    if group not in ("strategy", "benchmark"):
        return
    pattern = f"tuned/*/{name}.yaml" if group == "strategy" else f"tuned/{name}/*.yaml"
    files = [path for folder in folders() for path in sorted(folder.glob(pattern))]
    if files:
        yield "\nTuned on these benchmarks, or for these studies" if group == "strategy" else "\nTuned on it"
    for path in files:
        other = path.parent.name if group == "strategy" else path.stem
        yield f"  {other}: {_said(path)}"
    if group == "strategy" and name in choices("search"):
        from cl_bench.config.words import with_folders
        from cl_bench.tuning.search_files import space_of

        space = space_of(name, with_folders([], folders_given()), {})
        yield "\nWhat cl-bench tune searches"
        yield from (f"  {each.key}={each.text}" for each in space)


def _said(path: Path) -> str:
    """Write the settings of a file in a line; `as x` for those of another file."""
    import yaml

    content = yaml.safe_load(path.read_text()) or {}
    same = [
        f"as {each}" for each in content.get("defaults", []) if isinstance(each, str) and each != "_self_"
    ]
    flat = _flat({key: value for key, value in content.items() if key not in NO_SETTINGS})
    return " ".join([*same, *(f"{key}={_value(value)}" for key, value in flat)])


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
