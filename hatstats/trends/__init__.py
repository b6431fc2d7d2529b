"""Does transfer change: trends over models, and claims about them."""
