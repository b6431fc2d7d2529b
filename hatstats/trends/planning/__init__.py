"""How many items, trials, languages and models a question needs."""
