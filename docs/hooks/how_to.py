"""The pages of docs/how_to, as the menu and the page of questions list them."""

from pathlib import Path

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
    """Write a list of links to all pages, for a page in their folder."""
    return "\n".join(f"- [{title}]({name})" for name, title in titles().items())
