"""What a reader of docs/how_to does: write the files that a page shows, give its commands, run its Python.

All blocks of a page are followed in their order, in an empty folder, by one fork of this process.
"""

import os
import re
import subprocess
import sys
import traceback
from pathlib import Path

import terminals
from shown_blocks import BLOCK, HOW_TO, ROOT, joined, text_of, words

from cl_bench.cli.main import main

LEFT_OUT = re.compile(r"# not run in tests: \S+")
LONGEST = 60  # lines: about a screen
__all__ = ["HOW_TO", "LEFT_OUT", "LONGEST", "follow", "left_out"]


def left_out(page: Path) -> list[str]:
    """The lines of a page that say why no test runs them."""
    return [line for line in page.read_text().splitlines() if LEFT_OUT.search(line)]


def follow(page: Path, folder: Path) -> tuple[int, str]:
    """Follow a page in an empty folder: the exit status, 0 where all went well, and what was printed."""
    terminals.import_all()
    output = folder.with_suffix(".txt")
    number = os.fork()
    if number == 0:
        status = 1
        try:
            _be_the_reader(folder, output)
            status = _follow(page)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    _, waited = os.waitpid(number, 0)
    return os.waitstatus_to_exitcode(waited), output.read_text()


def _be_the_reader(folder: Path, output: Path) -> None:
    """A process in that folder that finds modules there, and writes to a file."""
    with output.open("w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    sys.stdout, sys.stderr = open(1, "w", buffering=1), open(2, "w", buffering=1)  # noqa: SIM115
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), str(ROOT), os.environ.get("PYTHONPATH", "")])


def _follow(page: Path) -> int:
    namespace = {"__name__": "__main__"}
    for language, title, text in BLOCK.findall(text_of(page)):
        if title:
            Path(title).parent.mkdir(parents=True, exist_ok=True)
            Path(title).write_text(text)
        elif language == "python":
            kept = "\n".join(line for line in text.splitlines() if not LEFT_OUT.search(line))
            exec(compile(kept, page.name, "exec"), namespace)
        elif language == "sh":
            for line in joined(text).splitlines():
                status = _give(line)
                if status:
                    print(f"exit status {status} of: {line}")
                    return status
    return 0


def _give(line: str) -> int:
    """Give a command; `cl-bench` is answered here, where Avalanche is imported."""
    command = re.sub(r"(^|\s+)# .*$", "", line).strip()
    if not command or LEFT_OUT.search(line):
        return 0
    print(f"$ {command}")
    if re.match(r"([A-Z_]+=\S+ )*cl-bench ", command) and not re.search(r"[|;&<>`]|\$\(", command):
        variables, (_, *arguments) = words(command)
        arguments = [path for each in arguments for path in _found(each)]
        os.environ.update({name: value for name, value in variables.items() if name != "PYTHONPATH"})
        try:
            return main(arguments)
        except SystemExit as left:  # Hydra's --help
            return left.code if isinstance(left.code, int) else 0
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(["bash", "-c", command], env=environment, check=False).returncode


def _found(word: str) -> list[str]:
    """What a shell makes of a word of a command: the paths that fit it, or the word."""
    return sorted(map(str, Path().glob(word))) or [word] if re.search(r"[*?]", word) else [word]
