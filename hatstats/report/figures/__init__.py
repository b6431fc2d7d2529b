"""Finished results drawn with matplotlib; the public names stand in `hatstats.plot`."""
