"""Everything that a report shows, computed once and collected in frames."""
