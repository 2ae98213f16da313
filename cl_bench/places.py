"""Where the package's own files lie."""

from pathlib import Path


def conf_folder() -> Path:
    """The folder conf/: inside the package where it is installed, beside it in a checkout."""
    here = Path(__file__).resolve().parent
    return next(path for path in (here / "conf", here.parent / "conf") if path.is_dir())
