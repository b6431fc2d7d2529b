"""The other measures of transfer, beside HAT."""
