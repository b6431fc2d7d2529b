"""One posterior over models, benchmarks and languages."""

from hatstats.bayes.caches import ensure_compile_folder

ensure_compile_folder()  # before any module of this room imports PyTensor
