# Every target that needs Python sets up .venv by itself; .ci/setup does nothing when it is ready.
PYTHON := .venv/bin/python

# The matrices are small: several BLAS threads in one process only wait for one another.
export OMP_NUM_THREADS ?= 1

.PHONY: help setup report analyses paper test test-slow fuzz kills mutants lint docs bench calibrate lock \
	audit tools clean

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile

setup: ## make .venv ready (the other targets do it too)
	@sh .ci/setup

report: setup ## the main job on real data: results/gsm_symbolic/report.html
	.venv/bin/hatstats report data/gsm_symbolic --quick --out results/gsm_symbolic

analyses: setup ## every script of analyses/, to results/analyses, with the time of each
	@set -e; for name in $$(sed -n 's/^| `\([a-z_]*\)` |.*/\1/p' analyses/README.md); do \
		echo "== $$name"; \
		$(PYTHON) -m analyses.$$name --out results/analyses/$$name; \
	done

paper: setup ## an example of a paper that takes its numbers from the main job (needs pdflatex and bibtex)
	.venv/bin/hatstats report data/euroeval --out results/euroeval
	cd paper && for step in pdflatex bibtex pdflatex pdflatex; do \
		case $$step in bibtex) bibtex paper;; *) pdflatex -interaction=nonstopmode -halt-on-error paper;; esac \
		|| exit 1; \
	done

test: setup ## the test suite but for the slow proofs, on all cores
	$(PYTHON) -m pytest --numprocesses auto --dist loadfile -m "not slow"

test-slow: setup ## the slow proofs: simulations, refits, whole scripts, other samplers, a fresh environment
	$(PYTHON) -m pytest --numprocesses auto --dist loadfile -m slow

fuzz: tools ## 10,000 odd studies and 10,000 mutated logs (hours; goes on where it stopped), then bytes of each reader: BYTES=n inputs
	$(PYTHON) -m tests.fuzz --out .cache/fuzz
	.venv-tools/bin/python -c 'import atheris' 2>/dev/null || .venv-tools/bin/python -m pip install --quiet atheris
	PYTHONPATH=.:$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
		.venv-tools/bin/python -m tests.fuzz.bytes --out .cache/fuzz/bytes --runs $(or $(BYTES),2000)

kills: setup ## report, convert and bayes killed 200 times: old results stay whole (about half an hour)
	$(PYTHON) -W ignore -m tests.interruption.kills --kills 200

mutants: tools ## would tests notice a wrong line? of changed files; ALL=1: all; SAMPLE=n SEED=n: a sample
	.venv-tools/bin/python -m mutmut --version >/dev/null 2>&1 || .venv-tools/bin/python -m pip install --quiet mutmut
	PYTHONPATH=$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
		.venv-tools/bin/python tests/mutants.py $(if $(ALL),--all) $(if $(SAMPLE),--sample $(SAMPLE)) \
		$(if $(SEED),--seed $(SEED))

lint: setup ## style and types
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy hatstats analyses bench data

docs: setup ## the reference as a site: docs/_build/html/index.html
	rm -rf docs/_reference  # pages of names that are no more
	$(PYTHON) -m sphinx -W --keep-going -q -b html docs docs/_build/html

bench: setup ## ratios: start-up, main job, bootstrap, fits, posteriors, reduction of logs beside others'
	$(PYTHON) -m bench.startup
	$(PYTHON) -m bench.stages
	$(PYTHON) -m bench.bootstrap
	$(PYTHON) -m bench.latent
	$(PYTHON) -m bench.joint
	$(PYTHON) -m bench.reml
	$(PYTHON) -m bench.hierarchical
	$(PYTHON) -m bench.reduction

calibrate: setup ## slow proofs (hours): drift, coverage, dispersion, hard worlds, trends, plans, posteriors
	$(PYTHON) -m hatstats.calibration --out docs/calibration

lock: ## resolve the newest versions into requirements.lock (needs uv)
	uv pip compile pyproject.toml --extra all --extra test --group build --universal --python-version 3.12 \
		--generate-hashes --no-emit-index-url --upgrade --quiet \
		--custom-compile-command "make lock" --output-file requirements.lock

tools: setup # an environment of its own for what checks the project and is no part of it
	test -x .venv-tools/bin/python || $(PYTHON) -m venv .venv-tools
	.venv-tools/bin/python -m pip --version >/dev/null 2>&1 || .venv-tools/bin/python -m ensurepip

audit: tools ## known vulnerabilities of the locked versions (needs the network)
	test -x .venv-tools/bin/pip-audit || .venv-tools/bin/python -m pip install --quiet pip-audit
	.venv-tools/bin/pip-audit --requirement requirements.lock --require-hashes --disable-pip \
		--vulnerability-service osv || { echo "Read above: vulnerabilities that were found, or that \
	the database of advisories (api.osv.dev, port 443), which make audit needs, was not reached."; exit 1; }

clean: ## remove .venv and every cache, keep results
	rm -rf .venv .venv-tools docs/_build docs/_reference docs/reference.rst .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache
