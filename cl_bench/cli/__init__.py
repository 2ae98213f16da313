"""The command `cl-bench`: a module for each verb, and what they share."""
