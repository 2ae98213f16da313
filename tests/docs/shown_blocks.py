"""The fenced blocks and the commands in README.md, CONTRIBUTING.md and docs/, as they are shown."""

import re
import shlex
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))  # for docs.hooks

from docs.hooks.parts import expand  # noqa: E402

HOW_TO = sorted((ROOT / "docs" / "how_to").glob("*.md"))  # each is followed as a whole, see how_to.py
OTHERS = [page for page in sorted((ROOT / "docs").rglob("*.md")) if page not in HOW_TO]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *OTHERS]
BLOCK = re.compile(r"^```(\w*)(?: title=\"([^\"]*)\")?\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`((?:cl-bench|make|pip|tensorboard) [^`]+)`")
# whatever is shown is run with these at its end
SMALL = (
    *("training.epochs=1", "training.batch_size=64", "model.hidden=[8]", "benchmark.num_train=100"),
    *("benchmark.num_tasks=2", "training.test_batch_size=200"),
)


class Block(NamedTuple):
    page: str
    language: str
    title: str  # of those that a hook makes: the file that is shown
    text: str


@cache
def text_of(page: Path) -> str:
    """The text of a page, with what the hooks put in."""
    return expand(page.read_text())


@cache
def _all_blocks() -> list[Block]:
    return [Block(page.name, *match) for page in PAGES for match in BLOCK.findall(text_of(page))]


def blocks(*languages: str) -> list[Block]:
    return [block for block in _all_blocks() if not languages or block.language in languages]


def commands() -> list[str]:
    """Every command of every shell block, each once, without its comment."""
    lines = [line for block in blocks("sh") for line in joined(block.text).splitlines()]
    stripped = [re.sub(r"\s+# .*$", "", line).strip() for line in lines]
    return list(dict.fromkeys(line for line in stripped if line and not line.startswith("#")))


def joined(text: str) -> str:
    """Join each line that ends in a backslash with the next one."""
    return re.sub(r"\\\n\s*", "", text)


def mentioned() -> list[str]:
    """Commands within a sentence; dots stand for what is left out."""
    found = [each for page in [*PAGES, *HOW_TO] for each in INLINE.findall(BLOCK.sub("", text_of(page)))]
    return list(dict.fromkeys(" ".join(each.split()) for each in found))


def words(command: str) -> tuple[dict[str, str], list[str]]:
    """The variables that a command sets for itself, and its words."""
    rest = shlex.split(command)
    variables = {}
    while rest and re.fullmatch(r"[A-Z_]+=.*", rest[0]):
        name, _, value = rest.pop(0).partition("=")
        variables[name] = value
    return variables, rest
