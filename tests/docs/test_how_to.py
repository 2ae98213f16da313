"""Every page of docs/how_to is followed in an empty folder, and does what it says."""

import re

import pytest
from how_to import HOW_TO, LONGEST, follow, left_out
from shown_blocks import BLOCK

from docs.hooks.how_to import how_to

PAGES = [page for page in HOW_TO if page.name != "index.md"]


@pytest.fixture
def nowhere(tmp_path):
    folder = tmp_path / "reader"
    folder.mkdir()
    return folder


def test_the_list_of_pages_is_whole():
    (index,) = [page for page in HOW_TO if page not in PAGES]
    assert index.read_text().endswith(f"\n\n{how_to()}\n"), "python -m docs.hooks.how_to renews it"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_followed_in_an_empty_folder(page, nowhere):
    status, printed = follow(page, nowhere)
    assert status == 0, printed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_a_screen_and_most_of_it_is_run(page):
    text = page.read_text()
    assert len(text.splitlines()) <= LONGEST
    assert [block for language, _, block in BLOCK.findall(text) if language in ("sh", "python")]
    assert len(left_out(page)) <= 4
    assert re.match(r"# [A-Z]", text), "a page begins with its title"


def test_a_page_that_fails_is_told(nowhere):
    page = nowhere / "page.md"
    for text in ("```sh\ncl-bench fly\n```\n", "```python\nassert 1 == 2\n```\n", "```sh\nls nothing\n```\n"):
        page.write_text(f"# A page\n\n{text}")
        assert follow(page, nowhere)[0] != 0


def test_files_commands_and_python_of_a_page_see_each_other(nowhere):
    page = nowhere / "page.md"
    blocks = [
        '```python title="of/mine.py"\nthree = 3\n```',
        "```sh\ncat of/mine.py \\\n    > copy.py\n"
        "ls nothing  # not run in tests: it is not there\ncl-bench list strategy\n```",
        "```python\nfrom of.mine import three\n```",
        "```python\nassert three == 3\nassert open('copy.py').read() == 'three = 3\\n'\n```",
    ]
    page.write_text("\n\n".join(["# A page", *blocks]) + "\n")
    status, printed = follow(page, nowhere)
    assert status == 0, printed
    assert "bayesbinn" in printed
