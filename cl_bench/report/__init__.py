"""Numbers and figures of a results folder -> tables, sentences and the page that opens from disk."""

from cl_bench.report.table_formats import latex_table

__all__ = ["latex_table"]
