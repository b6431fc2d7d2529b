"""Finished results drawn with matplotlib."""
