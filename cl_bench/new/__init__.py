"""`cl-bench new`: a small package with a strategy of one's own, ready to install."""
