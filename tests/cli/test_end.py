"""A command ends its process at once: what was written is on disk, and the exit status is the command's."""

import subprocess
import sys

import pytest


def ended(code, **streams):
    program = f"import cl_bench.__main__ as command\n{code}\ncommand.program()"
    return subprocess.run([sys.executable, "-c", program], text=True, timeout=60, check=False, **streams)


def test_a_file_that_nobody_closed_is_whole(tmp_path):
    place = tmp_path / "lines.txt"
    code = f"""
import io
file = open({str(place)!r}, "w")
of_nothing, at_its_end = io.TextIOWrapper(io.BytesIO()), open({str(place)!r})
of_nothing.detach(), at_its_end.close()
def main():
    file.write("the last line")
    return 3
command.main = main
"""
    assert ended(code).returncode == 3
    assert place.read_text() == "the last line"


def test_what_runs_at_the_end_runs_and_a_thread_is_waited_for():
    code = """
import atexit, threading, time
def late():
    time.sleep(0.1)
    print("the thread")
def main():
    threading.Thread(target=late).start()
    return 0
atexit.register(print, "the end")
command.main = main
"""
    found = ended(code, stdout=subprocess.PIPE)
    assert (found.returncode, found.stdout) == (0, "the thread\nthe end\n")


def test_a_stream_that_is_closed_is_no_error():
    code = "import sys; sys.stderr = None; command.main = lambda: 0"  # as Python has it then
    assert ended(code).returncode == 0


# a profiler of Python 3.11, and the place where those of 3.12 are entered
PROFILER = "sys.setprofile(lambda *_: None)"
MONITORING = "from types import SimpleNamespace as Has; sys.monitoring = Has(get_tool={3: 'mine'}.get)"


@pytest.mark.parametrize("watching", [PROFILER, MONITORING], ids=["profile", "monitoring"])
def test_a_profiler_has_the_last_word(watching):
    code = f"import sys; command.main = lambda: 3; {watching}"
    found = ended(
        f"import atexit; atexit.register(print, 'the end')\n{code}\ntry: command.program()\n"
        "except SystemExit as end: print('goes on', end.code); sys.exit(0)",
        stdout=subprocess.PIPE,
    )
    assert (found.returncode, found.stdout) == (0, "goes on 3\nthe end\n")
