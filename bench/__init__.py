"""How long things take, measured and not remembered."""
