"""The site builds without a warning, and its made parts have all that there is."""

import json
import re
from pathlib import Path

import pytest
import yaml
from shown_blocks import HOW_TO, ROOT, text_of

from cl_bench import records
from cl_bench.config.choices import choices
from docs.hooks import reference
from docs.hooks.docstrings import to_markdown
from docs.hooks.parts import IN_A_CHECKOUT, PARTS, expand
from docs.hooks.strategy_parts import target_of

DOCS = ROOT / "docs"


def page(site, name):
    return (site / name / "index.html").read_text()


def test_every_page_of_the_folder_is_in_the_menu(site):
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if path not in HOW_TO}
    menu = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), flags=re.MULTILINE)
    assert set(menu) == pages
    first = page(site, "how_to")
    for path in HOW_TO:
        assert path.stem == "index" or f'href="{path.stem}/"' in first


def test_every_strategy_has_a_section_with_equation_or_source(site):
    shown = page(site, "strategies")
    for name in choices("strategy"):
        assert f'<h2 id="{name}">' in shown
        assert f"conf/strategy/{name}.yaml" in shown
    for words in (
        "Kirkpatrick et al. 2017",
        "theta*_k,i",
        "Source: Meng, Bachmann, Khan",
        "Nguyen et al. 2018",
    ):
        assert words in shown


def test_a_strategy_s_class_is_found_where_it_is_written():
    assert target_of("ewc") == target_of("online_ewc") == "cl_bench.strategies.ewc.EWC"
    assert target_of("bayesbinn_published_fixed_prior") == "cl_bench.strategies.bayesbinn.BayesBiNN"
    assert target_of("avalanche") == "cl_bench.strategies.avalanche.stock"


def test_every_strategy_stands_in_the_tables_of_methods():
    for name in choices("strategy"):
        assert f"`{name}`" in (ROOT / "README.md").read_text()
        assert f"`{name}`" in (DOCS / "strategies.md").read_text()


def test_every_study_has_a_section_with_its_result_or_says_that_it_has_none(site):
    shown = page(site, "studies")
    for name in choices("experiment"):
        section = shown.partition(f'<h2 id="{name}">')[2].partition("<h2 ")[0]
        assert "Reference result" in section or "No reference result" in section
        assert f"cl-bench run experiment={name}\n" in text_of(DOCS / "studies.md")
    assert "93.5 ± 0.4" in shown


def test_numbers_of_studies_are_those_of_the_reference_results():
    text = text_of(DOCS / "studies.md")
    assert "| `ewc` | 5 | 94.9 ± 0.2 | 2.2 ± 0.2 |" in text
    assert "bayesbinn_published epochs=5 | 57.92 | 60.8 | 3 | inside the spread of single runs" in text


def test_every_column_of_a_run_s_files_is_explained():
    for kind, file in records.FILES.items():
        rows = PARTS["columns"](kind.__name__).splitlines()[2:]
        assert [row.split("`")[1] for row in rows] == list(kind._fields)
        assert all(row.split("|")[3].strip() for row in rows), (
            f"a column of {file} has no comment in records/rows.py"
        )


def test_every_key_of_run_json_is_explained(few_results):
    text = (DOCS / "results_format.md").read_text()
    for path in few_results.glob("*/run.json"):
        assert not [key for key in json.loads(path.read_text()) if f"`{key}`" not in text]


def test_every_file_of_a_run_and_of_a_report_is_explained(few_results, tmp_path):
    from cl_bench.report.build import report

    text = (DOCS / "results_format.md").read_text()
    (tmp_path / "few").symlink_to(few_results)
    made = [path.name for path in report(tmp_path / "few").paths if path.suffix in (".csv", ".tex", ".html")]
    assert {"summary.csv", "report.html"} <= set(made)
    assert not [name for name in made if name not in text]
    assert not [path.name for path in few_results.glob("*-*/*") if path.is_file() and path.name not in text]


def test_formulas_are_drawn_without_a_script_and_nothing_comes_from_elsewhere(site):
    shown = page(site, "concepts")
    assert shown.count('<math xmlns="http://www.w3.org/1998/Math/MathML" display="block"') >= 9
    for path in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(https?://[^"]*)"', path.read_text())
        assert not loaded, path


def test_the_examples_are_the_templates(site):
    shown = page(site, "add_your_own")
    for kind in ("Penalty", "Replay", "Bayesian"):
        assert f"My{kind}" in shown


PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_images_show_in_a_checkout_too(path):
    for shown in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", path.read_text()):
        assert (path.parent / shown).is_file(), shown


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_commands_quote_what_zsh_and_bash_expand(path):
    """Brackets are patterns to zsh, which stops where no file fits; braces with a comma are lists to both."""
    for block in re.findall(r"```sh\n(.*?)```", path.read_text(), flags=re.DOTALL):
        bare = re.sub(r'"[^"]*"|\'[^\']*\'|#.*', "", block)
        assert not re.search(r"\S*\[\S*|\{\S*,\S*\}", bare), block


def test_studies_say_which_methods_no_study_has():
    ran = {row["strategy"] for row in reference.rows("summary.csv")}
    said = (DOCS / "studies.md").read_text().partition("has these methods:\n\n")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", said)) == set(choices("strategy")) - ran - {"avalanche"}


def test_tests_that_pages_name_are_there():
    names = {
        name
        for path in DOCS.glob("*.md")
        for name in re.findall(r"`((?:tests/[\w/]*)?test_\w+\.py)`", path.read_text())
    }
    assert names
    assert not [name for name in names if not [*ROOT.glob(name), *ROOT.glob(f"tests/*/{name}")]]


def test_every_question_and_every_claim_of_the_kit_is_shown(site):
    from cl_bench.testing import CHECKS, Claims

    shown = page(site, "check")
    assert not [check.name for check in CHECKS if f"<code>{check.name}</code>" not in shown]
    assert not [name for name in Claims._fields if f"<code>{name}</code>" not in shown]


def test_a_part_that_does_not_exist_is_an_error():
    with pytest.raises(KeyError):
        expand("<!-- made: nothing -->")


@pytest.mark.parametrize("path", [*DOCS.glob("*.md"), *DOCS.glob("how_to/*.md")], ids=lambda path: path.name)
def test_in_a_checkout_a_page_says_where_its_made_parts_are(path):
    text = path.read_text()
    for mark in re.finditer(r"^<!-- made: .*$", text, flags=re.MULTILINE):
        above = text[: mark.start()].rstrip("\n").rpartition("\n")[2]
        assert above.startswith(IN_A_CHECKOUT), f"{mark[0]} needs a line above it: {IN_A_CHECKOUT}..."
        links = re.findall(r"\]\(([^)#]+)\)", above)
        assert links or "`cl-bench " in above
        assert all((path.parent / link).exists() for link in links)
    if "<!-- made" in text:
        assert IN_A_CHECKOUT not in expand(text)


def test_a_page_without_marks_stays_as_it_is():
    text = Path(DOCS / "faq.md").read_text()
    assert expand(text) == text


def test_docstrings_keep_their_signs():
    text = (
        "One theta*_i, two.\n\n    w = a * b\n\nArgs:\n    x, y: of `a*b`,\n        more\n    no name here\n"
    )
    assert to_markdown(text) == (
        "One theta\\*\\_i, two.\n\n```text\nw = a * b\n```\n\n"
        "**Args**\n\n- `x, y`: of `a*b`, more\n- no name here"
    )


def test_examples_of_docstrings_are_shown_as_python():
    assert to_markdown("One.\n\n>>> 1 + 1\n2\n\nTwo.") == "One.\n\n```pycon\n>>> 1 + 1\n2\n```\n\nTwo."


def test_citation_names_this_version():
    import cl_bench

    found = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors", "version"} <= set(found)
    assert found["version"] == cl_bench.__version__
    assert f"## {cl_bench.__version__} " in (ROOT / "CHANGELOG.md").read_text()
