"""`cl-bench export RUN -o FILE`: a trained binary network in one small file, for NumPy alone."""

import warnings
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from cl_bench.cli.options import with_options
from cl_bench.records.text import counted, one_line

ABOUT = """Write the most probable weights of a run's binary network, a bit each, as one .npz file. It is of
mlp or cnn, by a method of binary weights, and was run with training.save=[weights]. cl_bench/packed.py reads
the file and predicts with NumPy alone. Before anything is written its logits are compared with torch's."""


def main(arguments: Sequence[str]) -> int:
    """Export a network. The exit status is 0; 1 where it cannot be; 2 for a wrong command line."""
    parser = ArgumentParser(
        prog="cl-bench export", description=ABOUT, formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument("run", metavar="RUN", help="the folder of a run, or one that holds no other run")
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, required=True, help="ends in .npz; it is replaced"
    )
    parser.add_argument(
        "--after-task", metavar="N", type=int, help="of weights saved after each task (default: the last)"
    )
    parser.add_argument(
        "--trust", action="store_true", help="build classes, too, that no installed package names"
    )
    return with_options(parser, arguments, _export)


def _export(options: Namespace) -> int:
    from cl_bench.runner.assembly import NOISE
    from cl_bench.runner.export import CHECKED, export

    warnings.filterwarnings("ignore", message=NOISE)
    made = export(options.run, options.output, after_task=options.after_task, trust=options.trust)
    times = made.num_bytes_float / made.num_bytes
    print(one_line(f"{made.path}: {made.num_bytes:,} bytes"))
    print(f"The same network in float32: {made.num_bytes_float:,} bytes, {times:.1f} times as many")
    print(
        f"Compared with torch in double precision: logits of {CHECKED} random images and "
        f"{counted(made.num_heads, 'head')} differ by {made.difference:.0e} at most"
    )
    if made.num_test_samples:
        print(
            f"The run's tests average {counted(made.num_test_samples, 'weight sample')}; the file has the "
            "most probable weights alone"
        )
    print("\nTo predict, where cl_bench/packed.py or a copy of it is:")
    print("  from cl_bench.packed import logits, read")
    print(one_line(f"  network = read({str(made.path)!r})"))
    print("  logits(network, images)  # [N, C, H, W], pixels as in training; then the head, from 0")
    return 0
