"""The files of a new package, rendered from the templates beside this file.

`templates/common` is part of every package, `templates/<kind>` of one; a path's NAME becomes the package's
name, and the suffix .jinja is dropped. The documentation shows the same files.
"""

import keyword
import sys
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from cl_bench.config.choices import choices

TEMPLATES = Path(__file__).resolve().parent / "templates"
SUFFIX = ".jinja"
KINDS = tuple(sorted(path.name for path in TEMPLATES.iterdir() if path.is_dir() and path.name != "common"))


def render(name: str, *, kind: str) -> dict[str, str]:
    """Render the package's files: path inside its folder -> text.

    Raises:
        ValueError: for a name that cannot be one of a module and a strategy, and for an unknown kind.
    """
    check_name(name)
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind=}")
    words = {
        "name": name,
        "kind": kind,
        "distribution": name.replace("_", "-"),
        "class_name": "".join(word[:1].upper() + word[1:] for word in name.split("_")),
    }
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
    files = {}
    for folder in (TEMPLATES / "common", TEMPLATES / kind):
        for path in sorted(folder.rglob(f"*{SUFFIX}")):
            target = path.relative_to(folder).as_posix().removesuffix(SUFFIX).replace("NAME", name)
            files[target] = environment.from_string(path.read_text()).render(words)
    return files


def check_name(name: str) -> None:
    """Check a name of a module, of a strategy and (with capitals) of a class."""
    if not (name.isidentifier() and name.isascii() and name == name.lower() and name.strip("_")):
        raise ValueError(
            "the name must be one that Python can import, in small letters, digits and _, such as my_method, "
            f"got {name!r}"
        )
    if keyword.iskeyword(name) or name in sys.stdlib_module_names or name in ("cl_bench", "tests"):
        raise ValueError(f"the name {name!r} is taken by Python or by cl_bench: choose another one")
    if name in choices("strategy"):
        raise ValueError(
            f"strategy={name} exists already and would hide the new one: choose another name (cl-bench list "
            "strategy shows them all)"
        )


def write(name: str, *, kind: str, into: Path) -> Path:
    """Write the package into the folder `into`/`name`, and return that.

    Raises:
        ValueError: as `render`.
        FileExistsError: where there is something already; nothing is written then.
    """
    files = render(name, kind=kind)
    folder = into / name
    if folder.exists():
        raise FileExistsError(f"{folder} exists already: remove it, or choose another name or -o DIR")
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder
