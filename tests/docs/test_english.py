"""README and docs are read once: their sentences are short, what is searched for is found, no line is cut."""

import json
import re
import tomllib

import english
import pytest
from english import AVERAGE, LONGEST, PAGES, faults, length, marks, measured, sentences
from shown_blocks import ROOT, blocks

STYLE = (ROOT / "docs" / "stylesheets" / "wide.css").read_text()
# of mkdocs-material at 1280 px, in its rem of 20 px: the menu at the left, the margins of a page, the size of
# code; a character of a monospaced font is at most 0.602 of its size wide
REM, MENU, MARGINS, CODE, PADDING, CHARACTER = 20, 12.1, 1.2 + 0.8, 0.8 * 0.85, 2 * 1.1765, 0.602
# what people look for, and a section that has a how-to, or says that it is not here
SOUGHT = {
    "wandb": "results_format/#trackers",
    "tensorboard": "results_format/#trackers",
    "torchvision": "add_your_own/#data",
    "numpy": "add_your_own/#data",
    "own dataset": "getting_started/#data",
    "own model": "faq/#how-do-i-use-my-own-model",
    "weight decay": "check/#an-example-weight-decay",
    "GPU": "cluster/#a-gpu",
    "cite": "faq/#how-do-i-cite-cl_bench",
    "early stopping": "faq/#how-do-i-use-early-stopping",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_read_once(page):
    assert not faults(measured(page.read_text()))


def test_a_page_of_long_sentences_is_told():
    long = "A word " + "and a word " * 15 + "more."
    found = faults(measured(f"{long}\n\nOne: two; three: four.\n\n| {long} |\n"))
    assert [each.split(":")[0] for each in found] == [
        f"{length(long)} words",
        f"{length(long)} words",
        "3 colons and semicolons",
        f"{(length(long) + 4) / 2:.1f} words a sentence on average, at most {AVERAGE}",
    ]
    assert length(long) > LONGEST


def test_sentences_end_at_stops_items_and_paragraphs_and_nowhere_else():
    text = (
        "# No sentence\n\nVan de Ven et al. 2019 had 0.5 (e.g. `a. b`). `code` begins\none.\n\n"
        "- An item\n- **Bold.** And [a link](a.md#a.b)!\n\n| a cell. Two |\n|---|\n\n```sh\nno. prose\n```\n"
    )
    page = measured(text)
    assert page.prose == [
        "Van de Ven et al. 2019 had 0.5 (e.g. `a. b`).",
        "`code` begins one.",
        "An item",
        "**Bold.",
        "And a link!",
    ]
    assert page.cells == ["a cell.", "Two"]


def test_words_of_code_count_and_a_formula_is_one():
    (sentence,) = sentences("Here `cl-bench run -m` and `#!math a + b = c` are 7.")
    assert length(sentence) == 8
    assert marks("One: `a: b` (c; d)") == 2


def test_pages_are_all_that_are_measured():
    assert {page.name for page in english.PAGES} >= {path.name for path in (ROOT / "docs").glob("*.md")}


@pytest.mark.parametrize("words", SOUGHT)
def test_what_is_searched_for_is_found(site, words):
    index = json.loads((site / "search" / "search_index.json").read_text())
    (section,) = [each for each in index["docs"] if each["location"] == SOUGHT[words]]
    text = re.sub("<[^>]*>", " ", f"{section['title']} {section['text']}").lower()
    found = {each.strip(".?") for each in re.split(index["config"]["separator"], text)}
    assert {*words.lower().split()} <= found


def fits() -> int:
    """The characters of code that a page of the site has room for at 1280 px."""
    (grid,) = re.findall(r"\.md-grid \{ max-width: ([\d.]+)rem; \}", STYLE)
    column = min(float(grid) * REM, 1280) - (MENU + MARGINS) * REM
    return int((column / (CODE * REM) - PADDING) / CHARACTER)


def test_no_line_of_code_is_cut():
    lines = {
        (each.page, line) for each in blocks() if each.language != "math" for line in each.text.splitlines()
    }
    assert not [line for line in lines if len(line[1]) > fits()]


def test_code_as_wide_as_the_project_s_own_is_not_cut():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert fits() >= settings["tool"]["ruff"]["line-length"]
