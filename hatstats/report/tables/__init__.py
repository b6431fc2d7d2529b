"""Finished results laid out as tables, LaTeX and macros."""
