"""What the analysis raises."""


class AnalysisError(ValueError):
    """The results cannot be analysed; the message says which folder, why, and what to do."""
