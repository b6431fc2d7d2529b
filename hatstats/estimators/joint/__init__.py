"""A parametric likelihood of the counts of an item in all its languages."""
