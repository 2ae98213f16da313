"""The search for settings on streams of its own, by validation images alone."""
