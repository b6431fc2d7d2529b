"""HAT by language, and by what is known of languages."""
