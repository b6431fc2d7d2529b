"""What looks wrong in a study, with evidence, and how it is left out by name."""
