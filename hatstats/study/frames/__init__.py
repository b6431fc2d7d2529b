"""Frames of any library, with the column names people use, to the columns of a study."""
