"""Languages: which spellings are one, and what is known of each."""
