"""Which room of cl_bench may import which: tests/test_rooms.py holds it, docs/architecture.md shows it."""

NETS = {"models", "posteriors"}
MAY_IMPORT: dict[str, set[str]] = {
    "validation": set(),
    "deferred": set(),
    "packed": set(),  # may be copied, and read by NumPy alone
    "records": {"validation"},
    "models": set(),
    "posteriors": {"models"},
    "data": {"records"},
    "streams": {"validation", "deferred", "data"},
    "learner": {"validation", "deferred", "streams", *NETS},
    "strategies": {"validation", "deferred", "learner", *NETS},
    "evaluation": {"validation", "deferred", "records", "streams", "learner", *NETS},
    "config": {"validation", "deferred", "records", "data", "models", "streams", "learner"},
    "runner": {
        "version",
        "validation",
        "deferred",
        "packed",
        "records",
        "data",
        "models",
        "streams",
        "learner",
        "evaluation",
        "config",
    },
    "analysis": {"records", "moved"},
    "figures": {"records", "analysis"},
    "report": {"records", "analysis", "figures"},
    "tuning": {"validation", "records", "data", "learner", "config", "runner"},
    "conformance": {
        *("deferred", "records", "data", "streams", "learner", "strategies", "evaluation", *NETS),
        *("config", "runner", "tuning"),
    },
    "testing": {"deferred", "learner", "conformance"},  # the documented name of the last
    "moved": set(),  # old names
    "version": set(),
}
CLIENTS = {"cli", "python", "__main__", "__init__"}  # may import all
