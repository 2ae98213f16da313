"""The table that README shows is the one that its command prints."""

import re
import subprocess
import sys

import pytest
from shown_blocks import blocks, commands

(SHOWN,) = [
    block.text for block in blocks("text") if block.page == "README.md" and "average accuracy" in block.text
]
(COMMAND,) = [
    each
    for each in commands()
    if "-m strategy=finetune,ewc,vcl,bayesbinn benchmark=permuted_digits seed" in each
]
NUMBER = re.compile(r"-?\d+\.\d")


def printed(folder, *more):
    words = [sys.executable, "-m", "cl_bench", *COMMAND.split()[1:], f"results_dir={folder}", *more]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def head(text):
    """The lines above the methods, without the width of columns."""
    return [" ".join(line.split()) for line in text.partition("-----")[0].splitlines()]


def test_the_table_has_the_columns_that_are_shown(tmp_path):
    small = (
        "training.epochs=1",
        "model.hidden=[8]",
        "benchmark.num_train=100",
        "seed=0,1",
        "strategy=finetune,ewc",
    )
    assert head(printed(tmp_path, *small)) == head(SHOWN)


@pytest.mark.slow
def test_the_numbers_are_those_that_are_shown(tmp_path):
    """Within a point: processors differ in the last bits."""
    found = "\n".join(printed(tmp_path).splitlines()[: len(SHOWN.splitlines())])
    assert NUMBER.sub("", found).split() == NUMBER.sub("", SHOWN).split()
    ours, shown = ([float(each) for each in NUMBER.findall(text)] for text in (found, SHOWN))
    assert ours == pytest.approx(shown, abs=1)
