"""conf/tuned: what was searched by hand is guarded and told as what `cl-bench tune` wrote."""

import hashlib
import re
from functools import cache
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from cl_bench.config.compose import compose
from cl_bench.config.places import conf_folder
from cl_bench.config.tuned import check_not_tuned_on, provenance

TUNED = sorted(Path(conf_folder()).glob("tuned/*/*.yaml"))


@cache
def content(path):
    """Of hundreds of trials: read once."""
    return yaml.safe_load(path.read_text())


SEARCHED = [path for path in TUNED if "tuning" in content(path)]


def choice(path):
    return f"{path.parent.name}/{path.stem}"


def composed(path, *settings):
    return compose([f"strategy={path.stem}", "benchmark=permuted_mnist", f"tuned={choice(path)}", *settings])


@pytest.mark.parametrize("path", TUNED, ids=choice)
def test_what_names_tuning_seeds_in_words_names_them_for_the_guard(path):
    lines = [line.lstrip("# ") for line in path.read_text().splitlines() if line.startswith("#")]
    named = {int(seed) for seed in re.findall(r"seeds? (\d{4})\b", " ".join(lines))}
    guarded = set(content(path).get("tuning", {}).get("streams", {}))
    assert named <= guarded


@pytest.mark.parametrize("path", SEARCHED, ids=choice)
def test_a_seed_that_settings_were_tuned_on_is_not_reported(path):
    config = composed(path, "seed=0")

    def check(settings):
        """With these settings besides, as if composed with them: nothing else of it depends on a seed."""
        check_not_tuned_on(None, OmegaConf.merge(config, settings))

    for seed in content(path)["tuning"]["streams"]:
        with pytest.raises(ValueError, match=f"were tuned on, got seed={seed}, which shares its seed with"):
            check({"seed": seed})
        with pytest.raises(ValueError, match="were tuned on, got seed=0, which shares its seed with"):
            check({"seed_for": {"order": seed}})
        check({"seed": seed, "training": {"test_on": "validation"}})
    check_not_tuned_on(None, config)


def test_files_that_a_tuned_file_builds_on_guard_and_are_told_too():
    config = compose(["experiment=bayesbinn_permuted_mnist", "strategy=bayesbinn", "seed=1000"])
    with pytest.raises(ValueError, match="must not be one that its settings were tuned on, got seed=1000"):
        check_not_tuned_on(None, config)
    folders = ("bayesbinn_permuted_mnist", "comparison_permuted_mnist")
    names = [f"tuned/{folder}/bayesbinn.yaml" for folder in folders]
    assert provenance(config) == {
        name: hashlib.sha256((Path(conf_folder()) / name).read_bytes()).hexdigest() for name in names
    }
