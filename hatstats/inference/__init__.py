"""How sure are we: pure arrays, knows nothing of languages or models."""
