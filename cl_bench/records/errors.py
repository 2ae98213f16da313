"""What the analysis raises."""


class AnalysisError(ValueError):
    """The results cannot be analysed; the message says which folder, why, and what to do."""


class NotMeasuredError(AnalysisError):
    """The results lack what is asked for; the message says what, and what to do to have it."""


class NonFiniteLossError(ArithmeticError):
    """The training loss became nan or infinite, or predictions nan."""
