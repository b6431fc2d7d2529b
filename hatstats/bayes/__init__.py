"""One posterior over models, benchmarks and languages."""
