"""What is published: the sdist builds the wheel, and the wheel alone runs a study, a report and all else."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """sdist and, made from it, wheel."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """call("cl-bench", ...) in an environment that has the wheel, from a folder that is not the checkout.

    The dependencies are those of this environment, by a path file: no second torch is downloaded. A package
    of this environment comes after those of the new one, and an editable cl_bench is not seen.
    """
    root = tmp_path_factory.mktemp("elsewhere")
    venv.create(root / "env", with_pip=False)
    python = root / "env" / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps"]
    subprocess.run([*command, "--no-index", str(built[1])], check=True, capture_output=True)
    (place,) = (root / "env").glob("lib/python*/site-packages")
    (place / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    work = root / "work"
    work.mkdir()
    without = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def call(*words):
        program = python.with_name(words[0])
        done = subprocess.run(
            [program, *words[1:]], cwd=work, env=without, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    call.work, call.place = work, place
    return call


def tracked(*folders):
    """What git has there."""
    listed = subprocess.run(
        ["git", "ls-files", *folders], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return listed.stdout.splitlines()


def test_the_sdist_has_every_file_of_the_package(built):
    with tarfile.open(built[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert not set(tracked("cl_bench", "conf")) - names
    assert {"README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "pyproject.toml"} <= names


def test_the_wheel_has_every_file_of_the_package(built):
    with zipfile.ZipFile(built[1]) as archive:
        names = set(archive.namelist())
    assert not set(tracked("cl_bench")) - names
    assert not {f"cl_bench/{path}" for path in tracked("conf")} - names
    assert any(name.endswith(".jinja") for name in names)
    assert "cl_bench/report/templates/page.html" in names


def test_the_wheel_alone_is_what_runs(installed):
    shown = installed("python", "-c", "import cl_bench; print(cl_bench.__file__)")
    assert Path(shown.strip()).is_relative_to(installed.place)


def test_the_digits_study_runs_from_the_wheel(installed):
    few = ("seed=0", "benchmark=split_digits", "strategy=finetune,ewc", "training.epochs=1")
    shown = installed("cl-bench", "run", "experiment=digits", *few, "hydra/launcher=basic")
    assert "average accuracy" in shown
    assert len(list((installed.work / "results" / "digits").glob("*/records.csv"))) == 2
    assert "report.html" in installed("cl-bench", "report", "results/digits")
    assert (installed.work / "results" / "digits" / "report.html").stat().st_size > 100_000


def test_the_other_commands_work_from_the_wheel(installed):
    assert "ewc" in installed("cl-bench", "list", "strategy")
    installed("cl-bench", "new", "my_method", "--kind", "replay")
    assert (installed.work / "my_method" / "my_method" / "strategy.py").exists()
    assert "0 failed" in installed("cl-bench", "check", "l2")
