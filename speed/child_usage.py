"""`python -m speed.child_usage COMMAND...` runs the command silently and prints what it took as JSON.

It is a small process between, because a child counts the memory of the process that it was made by.
"""

import json
import resource
import subprocess
import sys


def main() -> int:
    quiet = subprocess.DEVNULL
    status = subprocess.run(sys.argv[1:], stdout=quiet, stderr=quiet).returncode
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes elsewhere
    print(json.dumps({"cpu_seconds": used.ru_utime + used.ru_stime, "peak_bytes": used.ru_maxrss * unit}))
    return status


if __name__ == "__main__":
    sys.exit(main())
