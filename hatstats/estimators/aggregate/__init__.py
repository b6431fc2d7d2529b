"""Transfer from accuracies alone, as excess over a line fitted between models."""
