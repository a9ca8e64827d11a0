# `make` alone says what there is. The environment is made by the first target that needs it, and again when the
# lock file or the project's metadata change.

PYTHON_IN = .venv/bin/python
READY = .venv/ready
ARGS =

.DEFAULT_GOAL = help
.PHONY: help demo test prove torture fuzz lint bench audit sbom lock clean
.SUFFIXES:

help:
	@echo 'make demo    flights through Kafka, Redis and a model: live, with a killed replica, checked at the end'
	@echo 'make test    the tests, on real servers: each kind of fault once; 10 minutes on two cores'
	@echo 'make prove   the long proofs: more modes, longer outages, the image, random faults, and mutants to be noticed'
	@echo 'make torture random faults until 200 replicas were killed in each mode of delivery; about an hour'
	@echo 'make fuzz    the decoder on 100 million mutants of events, beside fastavro; about an hour of one core'
	@echo 'make lint    style, types, imports and dead code'
	@echo 'make bench   throughput and latency beside other ways to do it'
	@echo 'make audit   known vulnerabilities of the locked packages, by the package index'
	@echo 'make sbom    what the image has of Python packages, as CycloneDX: build/sbom.cdx.json'
	@echo 'make lock    resolve the dependencies anew'
	@echo 'make clean   remove what these made'
	@echo
	@echo "Options of the command go into ARGS: make demo ARGS='--events 20000'"

demo: $(READY)
	@.venv/bin/scorer demo $(ARGS)

PYTEST = $(PYTHON_IN) -m pytest --numprocesses auto --dist worksteal

# Compiles the kernels on two cores, once: otherwise each worker of a fresh clone compiles all of them.
KERNELS = $(PYTHON_IN) -c 'import scorer.avro.encode.explanations' & $(PYTHON_IN) -c 'import scorer.drift, scorer.scoring.explaining' & wait

test: $(READY)
	@$(PYTHON_IN) -m compileall -q -j 0 scorer
	@$(KERNELS)
	@$(PYTEST) -m 'not prove' $(ARGS)

prove: $(READY)
	@$(KERNELS)
	@$(PYTEST) -m prove $(ARGS)

torture: $(READY)
	@$(PYTHON_IN) -m tests.torture $(ARGS)

fuzz: $(READY)
	@$(KERNELS)
	@$(PYTHON_IN) -m tests.fuzz $(ARGS)

lint: $(READY)
	$(PYTHON_IN) -m ruff check --quiet .
	$(PYTHON_IN) -m ruff format --check --quiet .
	$(PYTHON_IN) -m mypy
	.venv/bin/lint-imports
	$(PYTHON_IN) -m vulture

bench: $(READY)
	@$(PYTHON_IN) -m benchmarks $(ARGS)

audit: $(READY)
	@$(PYTHON_IN) .ci/audit.py

sbom: $(READY)
	@$(PYTHON_IN) deploy/sbom.py -o build/sbom.cdx.json

COMPILE = .venv/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	--custom-compile-command 'make lock'

lock: $(READY)
	$(COMPILE) --extra dev --output-file requirements.lock
	$(COMPILE) --constraint requirements.lock --output-file deploy/requirements.lock
	$(COMPILE) --constraint requirements.lock --extra objects --output-file deploy/requirements-objects.lock
	$(COMPILE) --constraint requirements.lock --extra serve --output-file deploy/requirements-serve.lock
	$(COMPILE) --constraint requirements.lock --extra onnx --output-file deploy/requirements-onnx.lock
	$(COMPILE) --constraint requirements.lock --extra otel --output-file deploy/requirements-otel.lock
	$(COMPILE) --constraint requirements.lock --extra demo --output-file deploy/requirements-demo.lock

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements.lock pyproject.toml .ci/environment
	@.ci/environment
