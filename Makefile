# Reelmill. `make` lists the targets; each sets up what it needs first.
.DEFAULT_GOAL := help
.PHONY: help setup demo test coverage check crash crash-test soak cluster-test airflow-days s3-test deep wheel wheel-test secrets compose-test lint airflow catalog docs kafka bench clean
SHELL := /bin/bash
PYTHON ?= python3.11
# Debian 12's own Python 3.11 is `python3`.
PYTHON := $(shell command -v $(PYTHON) || command -v python3)
# Nothing of ours reports home.
export DO_NOT_TRACK := 1

help:  ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):[^#]*## /\1\t/' | expand -t 14

# Where Python may not keep what it has compiled, each process would compile all that it imports: half of its start.
COMPILED := $(if $(PYTHONDONTWRITEBYTECODE),--compile-bytecode)

# What packages do not bring (Python's venv, Java, libgomp) is found and installed first, all at once, in one apt line,
# before anything is downloaded. The lock file decides every version; uv itself is one of the locked packages.
.venv/.synced: pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	  { echo "Reelmill needs Python 3.11: install it, or name it with make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m jobs.host.needs $(NEEDS)
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv || \
	  { rm -rf .venv; echo "Reelmill cannot make a virtual environment in .venv: see above"; exit 1; }
	@test -x .venv/bin/uv || .venv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$$(sed -n '/^name = "uv"$$/{n;s/.*"\(.*\)"/\1/p}' uv.lock)"
	@echo "installing the locked packages into .venv, about 2 GB"
	@mkdir -p .venv/tmp && TMPDIR="$$PWD/.venv/tmp" .venv/bin/uv sync --frozen $(COMPILED) && rm -rf .venv/tmp
	@touch $@

setup: .venv/.synced  ## install the locked packages, Java, Spark's jars and hls.js
	@$(JARS_TOO) .venv/bin/reelmill setup; code=$$?; wait; exit $$code

demo: setup  ## see the platform do its job on a small simulated world
	@.venv/bin/reelmill demo

# Two workers have two cores, so threads of BLAS would only wait for each other.
test coverage check: export OPENBLAS_NUM_THREADS := 1

# Tests read a topic, from a broker of their own, whose jars come beside the others.
test coverage: JARS_TOO = .venv/bin/python -m jobs.command.broker --only-jars & REELMILL_EVENTS=kafka://127.0.0.1:9092/events

# All that is missing is installed in one apt line, a browser for the tests too; they may come after a `make demo`.
test: NEEDS = --tests
test: setup  ## run the tests
	@$(PYTHON) -m jobs.host.needs $(NEEDS)
	@.venv/bin/python -m pytest

coverage: NEEDS = --tests
coverage: setup  ## run the tests, and print which lines of each module they did not run
	@$(PYTHON) -m jobs.host.needs $(NEEDS)
	@mkdir -p .cache/coverage
	@.venv/bin/coverage erase
	@.venv/bin/coverage run -m pytest -m "not timed"; passed=$$?; .venv/bin/coverage combine -q; .venv/bin/coverage report; exit $$passed

# Of tests/dags one file imports Dagster, which takes a third of what collecting all others does.
check: lint  ## lint, and the tests that need no Spark, Airflow, clips or browser and take no seconds each: for daily work
	@.venv/bin/python -m jobs.host.npm
	@.venv/bin/python -m pytest -q -m "not (jvm or airflow or clips or browser or slow)" --ignore tests/dags

crash: setup  ## kill the nightly pipeline ten times at random moments, for half an hour, and compare what it ends in
	@KILLS=$(or $(KILLS),10) .venv/bin/python -m pytest -n0 -s --timeout 3600 -m crash tests/faults

# A compiler, for the clock that its processes go by; a broker's jars.
crash-test: JARS_TOO = .venv/bin/python -m jobs.command.broker --only-jars & REELMILL_EVENTS=kafka://127.0.0.1:9092/events
crash-test: setup  ## harm what takes events in for SECONDS=600 by the spool and as long by Kafka, and look whether anything is lost; SEED repeats one
	@command -v cc > /dev/null || { echo "make crash-test compiles a clock of its own: install a C compiler (Debian: gcc)"; exit 1; }
	@CRASH_SECONDS=$(or $(SECONDS),600) CRASH_SEED=$(SEED) .venv/bin/python -m pytest -n0 -s --timeout 36000 -m histories tests/faults/test_histories.py

soak: setup  ## ask an endpoint for all kinds of things for SECONDS=3600 while feeds are published ten times, and look whether anything grows, fails or comes twice; SEED repeats one
	@SOAK_SECONDS=$(or $(SECONDS),3600) SOAK_SEED=$(SEED) .venv/bin/python -m pytest -n0 -s --timeout 36000 -m soak tests/faults/test_soak.py

cluster-test: setup  ## run a night on a Spark cluster of two workers, kill one, and compare the tables with a local run's
	@.venv/bin/python -m pytest -n0 -s --timeout 7200 -m cluster tests/bench/test_cluster.py

# A compiler, for the clock that its Airflow goes by; a browser, as for the tests.
airflow-days: NEEDS = --tests
airflow-days: setup  ## run three simulated days in a real Airflow, on which things go wrong; PICTURES=yes takes those of the docs
	@$(PYTHON) -m jobs.host.needs $(NEEDS)
	@command -v cc > /dev/null || { echo "make airflow-days compiles a clock of its own: install a C compiler (Debian: gcc)"; exit 1; }
	@.venv/bin/python -m pytest -n0 -s --timeout 7200 -m days tests/end_to_end/test_airflow_days.py

# An S3 server in one program over a folder, Apache-2.0, which checks conditions atomically.
S3_SERVER := github.com/versity/versitygw/cmd/versitygw@v1.8.0

s3-test: setup  ## build an S3 server (it needs Go 1.25), and keep the lake and the media of a night in it
	@command -v go > /dev/null || { echo "make s3-test builds $(S3_SERVER), which needs Go 1.25 or newer"; exit 1; }
	@test -x .cache/bin/versitygw || GOBIN="$$PWD/.cache/bin" go install $(S3_SERVER)
	@REELMILL_LAKE=s3://bucket .venv/bin/reelmill setup
	@.venv/bin/python -m pytest -n0 -s --timeout 7200 -m s3 tests/end_to_end/test_bucket.py

deep: setup  ## install TensorFlow too, for the learned tower, and run its tests
	@.venv/bin/uv sync --frozen $(COMPILED) --extra deep
	@.venv/bin/python -m pytest -n0 -q tests/ranking/sources/test_tower.py tests/ranking/sources/test_source_laws.py

# pip takes the newest of everything; the constraints are the versions of the lock file.
wheel: .venv/.synced  ## build dist/reelmill-*.whl, with the locked versions beside it as dist/constraints.txt
	@rm -rf dist
	@.venv/bin/python -m jobs.host.npm
	@.venv/bin/uv build --quiet --wheel
	@.venv/bin/uv export --quiet --frozen --no-dev --no-hashes --no-emit-project --no-header > dist/constraints.txt

wheel-test: wheel setup  ## install the wheel into a new environment elsewhere, and use it there, for minutes
	@.venv/bin/python -m pytest -n0 --timeout 3600 -m packaged tests/end_to_end/test_wheel.py

# One for each variable that docker-compose.yml requires: 32 bytes by chance, as Airflow wants its key for connections.
ENV ?= .env
secrets:  ## write the secrets of docker-compose.yml into .env, once, for its owner alone to read
	@test ! -e "$(ENV)" || { echo "$(ENV) is there, and stays as it is"; exit 1; }
	@umask 077; grep -oE '\$$\{[A-Z_]+:\?' docker-compose.yml | tr -d '$${:?' | sort -u | while read -r name; do \
	  echo "$$name=$$(head -c 32 /dev/urandom | base64 | tr '+/' '-_')"; done > "$(ENV).new" && mv "$(ENV).new" "$(ENV)"
	@echo "wrote $(ENV): the password of Airflow's admin is AIRFLOW_ADMIN_PASSWORD"

compose-test: setup  ## build the containers, use them from nothing, and remove them again, for long
	@.venv/bin/python -m pytest -n0 -s --timeout 7200 -m compose tests/end_to_end/test_compose.py

lint: .venv/.synced  ## ruff, mypy, import-linter
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

airflow: setup  ## open Airflow with the DAGs
	@.venv/bin/python -m jobs.command.orchestrators airflow

catalog: setup  ## open the Dagster catalogue
	@.venv/bin/python -m jobs.command.orchestrators catalog

docs: setup  ## write pages about every table, column, rule and job, to be read without a server
	@.venv/bin/reelmill contracts docs

kafka: setup  ## run a Kafka broker for events, at 127.0.0.1:9092 or PORT, and say the setting that uses it
	@.venv/bin/python -m jobs.command.broker --port $(or $(PORT),9092)

# These need a file of counts, a home with held-out ratings, or hours.
BY_HAND := bench/trending_panel.py bench/candidates.py bench/holdout_ndcg.py bench/days.py bench/cluster.py

bench: setup  ## print how fast and how good it is, each against a plain alternative
	@for script in $(filter-out $(BY_HAND),$(wildcard bench/*.py)); do echo "== $$script"; .venv/bin/python $$script || exit 1; done
	@echo "left out, as --help says what they need: $(BY_HAND)"

clean:  ## remove what a run wrote (./var), not what setup installed
	rm -rf var
