"""The pages of docs/how_to, as the menu and the page of questions list them."""

from pathlib import Path

import yaml

FOLDER = Path(__file__).resolve().parents[1] / "how_to"
INDEX = "index.md"


def titles() -> dict[str, str]:
    """Map each page's file name to its title, in the alphabet of the titles; the list of them is left out."""
    found = {
        path.name: path.read_text().splitlines()[0].removeprefix("# ")
        for path in FOLDER.glob("*.md")
        if path.name != INDEX
    }
    return dict(sorted(found.items(), key=lambda item: item[1].lower()))


def menu() -> list[dict[str, str]]:
    """The entries of the menu: all questions first, then one by one."""
    pages = [{title: f"how_to/{name}"} for name, title in titles().items()]
    return [{"All questions": f"how_to/{INDEX}"}, *pages]


def how_to() -> str:
    """Write the list of links to all pages, as index.md has it; `python -m docs.hooks.how_to` renews it."""
    return "\n".join(f"- [{title}]({name})" for name, title in titles().items())


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
    """Put the list of today into index.md, below its first paragraph."""
    path = FOLDER / INDEX
    above, _, _ = path.read_text().partition("\n- [")
    path.write_text(f"{above.rstrip()}\n\n{how_to()}\n")


if __name__ == "__main__":
    renew()
