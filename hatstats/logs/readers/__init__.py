"""One small file for each log format, its columns declared as data."""
