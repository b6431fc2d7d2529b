"""Claims registered beforehand, their verdicts, and the same under other choices."""
