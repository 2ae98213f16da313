"""The command `cl-bench`: a module for each verb, and what they share."""

VERBS = (
    *("run", "tune", "report", "plot", "metric", "check", "verify", "merge", "clean", "list", "new"),
    "features",
    "completion",
)
