"""The command `cl-bench`: a module for each verb, and what they share."""

VERBS = (
    *("run", "tune", "report", "plot", "table", "metric", "cost", "export", "features", "check"),
    *("verify", "merge", "clean", "list", "new", "completion"),
)
