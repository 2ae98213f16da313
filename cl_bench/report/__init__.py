"""The report as one HTML page that opens from disk, and its table for LaTeX. Reads numbers, never records."""
