# What a user and a developer run; `make help` lists it. Everything happens in .venv, made on first use.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin

# A command imports two thousand files. Where this is set, each process compiles all of them, half a minute every time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help nightly native test check format bench peers qlib proof chaos clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /: /'

# One file stands for the whole environment: it is made again when what it is made from changes. Nothing is compiled ahead:
# most of what comes along is never imported. uv installs in half a minute what takes pip four; it does not read pip's
# settings, so pip does it where those name an index of their own, and where uv cannot.
PIP := $(RUN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c infra/constraints.txt
$(VENV)/.installed: pyproject.toml infra/constraints.txt
	@test -x $(RUN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing nightdesk into $(VENV) (half a minute to four minutes) ..."
	@{ ! $(RUN)/python -m pip config list | grep -q '[.]index-url=' && $(PIP) uv \
	  && $(RUN)/uv pip install --quiet --python $(RUN)/python -c infra/constraints.txt -e '.[dev]'; } >$(VENV)/install.log 2>&1 \
	  || $(PIP) -e '.[dev]' 2>$(VENV)/install.log || { cat $(VENV)/install.log; exit 1; }
	@touch $@

nightly: $(VENV)/.installed ## one night on the bundled sample: ingest, check, train, forecast, report
	@$(RUN)/nightdesk nightly

native: $(VENV)/.installed ## the servers of docker-compose.yml without Docker: start them, run a night, stop them
	@$(RUN)/python infra/native.py night

test: $(VENV)/.installed ## all tests but the slow proofs and the chaos
	@$(RUN)/python -m pytest -n 4 --dist loadscope --no-loadscope-reorder --durations 25

check: $(VENV)/.installed ## format, lint, types, layers
	@$(RUN)/ruff format --check .
	@$(RUN)/ruff check .
	@$(RUN)/mypy
	@$(RUN)/lint-imports

format: $(VENV)/.installed ## put the code into shape
	@$(RUN)/ruff format .
	@$(RUN)/ruff check --fix .

bench: $(VENV)/.installed ## measure on this machine and write BENCHMARKS.md (an hour and a half; keep the machine quiet)
	@$(RUN)/python -m tests.benchmarks --install --write

# They want other versions than nightdesk: each has an environment of its own, and make bench finds it there.
peers: ## fetch pyqlib and mlforecast, which make bench measures beside nightdesk (two to ten minutes)
	@for peer in qlib mlforecast; do test -x .peers/$$peer/bin/python || $(PYTHON) -m venv .peers/$$peer; done
	@.peers/qlib/bin/python -m pip install --quiet --disable-pip-version-check pyqlib==0.9.7
	@.peers/mlforecast/bin/python -m pip install --quiet --disable-pip-version-check mlforecast==1.1.0 pyarrow==26.0.1

# Its requirements and ours exclude each other, yet it runs on ours: pyqlib alone, and what else it imports.
qlib: $(VENV)/.installed ## pyqlib for the test that compares Alpha158 with it (ten seconds)
	@$(RUN)/python -m venv --clear --without-pip .peers/beside
	@$(RUN)/python -m pip install --quiet --no-deps --disable-pip-version-check --target=.peers/beside/own pyqlib==0.9.7 redis==8.1.0 python-redis-lock==4.0.1 dill==0.4.1
	@place=$$(.peers/beside/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))") \
	  && echo "$(CURDIR)/.peers/beside/own" >$$place/ours.pth \
	  && $(RUN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" >>$$place/ours.pth

proof: $(VENV)/.installed ## the slow proofs, and at the end what each of them found (up to an hour)
	@$(RUN)/python -m pytest tests -m proof -n 2 --dist loadscope --timeout 3600 -rP --show-capture=stdout

chaos: $(VENV)/.installed ## a hundred nights under faults and kills, and the slow tests of faults (an hour)
	@$(RUN)/python -m pytest tests/flows -m chaos --timeout 7200 -s

clean: ## remove the environment and caches, never the state
	rm -rf $(VENV) .peers .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
