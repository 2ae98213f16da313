"""Numbers and figures of a results folder -> tables, sentences and the page that opens from disk."""
