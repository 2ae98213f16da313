"""The pages of docs/how_to, as the menu and the page of questions list them."""

import re
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[1] / "how_to"
INDEX = "index.md"


GROUP = re.compile(r"^<!-- group: (.+) -->$", re.MULTILINE)  # in each page
ORDER = ["Data and streams", "Networks and training", "Runs", "Measures", "Tables and figures"]


def groups() -> dict[str, dict[str, str]]:
    """Map each group of pages to their file names and titles, in the alphabet of the titles.

    Raises:
        ValueError: for a page that names no group, or one that `ORDER` lacks.
    """
    found: dict[str, dict[str, str]] = {group: {} for group in ORDER}
    for path in FOLDER.glob("*.md"):
        text = path.read_text()
        named = GROUP.findall(text)
        if path.name == INDEX:
            continue
        if len(named) != 1 or named[0] not in found:
            raise ValueError(
                f"{path.name} must name one group of {ORDER}, as <!-- group: ... -->, got {named}"
            )
        found[named[0]][path.name] = text.splitlines()[0].removeprefix("# ")
    return {
        group: dict(sorted(pages.items(), key=lambda page: page[1].lower())) for group, pages in found.items()
    }


def menu() -> list[dict[str, Any]]:
    """The entries of the menu: all questions first, then those of each group."""
    entries = [
        {group: [{title: f"how_to/{name}"} for name, title in pages.items()]}
        for group, pages in groups().items()
    ]
    return [{"All questions": f"how_to/{INDEX}"}, *entries]


def how_to() -> str:
    """Write the links to all pages, as index.md has them; `python -m docs.hooks.how_to` renews them."""
    lists = [
        f"## {group}\n\n" + "\n".join(f"- [{title}]({name})" for name, title in pages.items())
        for group, pages in groups().items()
    ]
    return "\n\n".join(lists)


def citation() -> str:
    """Write CITATION.cff as an entry of BibTeX."""
    cff = yaml.safe_load((FOLDER.parents[1] / "CITATION.cff").read_text())
    authors = " and ".join(f"{{{author['name']}}}" for author in cff["authors"])
    fields = {
        "title": cff["title"],
        "author": authors,
        "version": cff["version"],
        "license": cff["license"],
    }
    lines = [f"  {key:<7} = {{{escaped(str(value))}}}," for key, value in fields.items()]
    return "\n".join(["```bibtex", "@software{cl_bench,", *lines, "}", "```"])


def escaped(text: str) -> str:
    return text.replace("_", r"\_")


def renew() -> None:
    """Put the list of today into index.md, below what stands above its first group."""
    path = FOLDER / INDEX
    above, _, _ = path.read_text().partition("\n## ")
    path.write_text(f"{above.rstrip()}\n\n{how_to()}\n")


if __name__ == "__main__":
    renew()
