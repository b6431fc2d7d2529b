"""Should one believe a profile? Checks that do not need the model to be right."""
