"""The border: what a run measures, as rows in text files. What trains writes them, what judges reads them."""

from cl_bench.records.row_files import RecordsError, append
from cl_bench.records.rows import FILES, HEADER, NUM_BINS, CalibrationBin, Foreign, Probe, Record, State, read

__all__ = [
    "FILES",
    "HEADER",
    "NUM_BINS",
    "CalibrationBin",
    "Foreign",
    "Probe",
    "Record",
    "RecordsError",
    "State",
    "append",
    "read",
]
