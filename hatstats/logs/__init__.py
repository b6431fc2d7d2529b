"""How evaluation logs become a study: files found, rows read, trials counted."""
