# `make lab` opens the workshop; `make test` runs what CI runs. Both set themselves up, once.
PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-warn-script-location
# uv installs in seconds what takes pip minutes. Where it fails, as it can with a mirror that only pip is set up for, pip
# does it. Unlike pip, uv compiles no modules, and each process that the workshop starts would compile what it imports.
UV = $(shell command -v uv || echo $(BIN)/uv)
INSTALL = "$(UV)" pip install --quiet --python $(BIN)/python
COMPILE = $(BIN)/python -W ignore -m compileall -qq -j 0 $(VENV)/lib || true
# A set-up that was moved, copied, or whose Python is no longer there, is made again.
_ := $(shell [ ! -e $(VENV)/.lab ] || $(BIN)/python -I -c 'import os.path, workshop_lib; \
	assert os.path.samefile(workshop_lib.__path__[0], "workshop_lib")' 2>/dev/null || rm -f $(VENV)/.lab)
# Jupyter does not start without a home that it can write to; a user in a container may have none.
ifneq ($(shell [ -w "$$HOME" ] && echo yes),yes)
export HOME := $(CURDIR)/.workshop
endif
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
JS := workshop_lib/teams/finance workshop_lib/demos/inspector
NPM := npm install --prefer-offline --fetch-retry-mintimeout=500 --fetch-retry-maxtimeout=2000 --loglevel=error --no-progress --no-audit --no-fund --no-package-lock --no-update-notifier
TESTS := tests/unit tests/integration tests/notebooks tests/browser
PYTEST := $(BIN)/python -m pytest -n auto --dist loadscope --no-loadscope-reorder
WITHOUT_JS := The JavaScript parts are left out; everything else works without them.

.PHONY: lab ready test test-all test-outside matrix style js notebooks chaos bench demos book slides screenshots executed rehearse size doctor reset pins clean

# ARGS are handed on to JupyterLab: make lab ARGS="--no-browser --port 8890". It opens before everything is ready: what
# the first pages do without is done while you read them.
lab: $(VENV)/.lab
	@nice -n 19 $(MAKE) --silent ready &
	$(BIN)/jupyter lab $(AS_ROOT) --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb $(ARGS)

# What make lab needs, without opening anything: for an image, or before a flight.
ready:
	@$(MAKE) --silent -j 2 $(VENV)/.compiled js

# Style, types, layers, size; unit and integration tests; every solution strictly; the browser's main path.
test: style
	$(PYTEST) -m "not full" $(TESTS) $(ARGS)

# And every right and wrong answer, every stub, a restart in the middle of every notebook, and what test-outside runs.
test-all: style
	$(PYTEST) $(TESTS) $(ARGS)

# Every solution against Temporal Servers that no notebook started: with stock settings, and with the workshop's.
test-outside: $(VENV)/.dev js
	$(PYTEST) tests/notebooks/test_outside.py tests/integration/server/test_outside.py $(ARGS)

# Every solution behind a proxy, on one slow core, on a stock service, as nobody …: what came of each.
matrix: $(VENV)/.dev js
	$(PYTEST) tests/notebooks/test_run.py::test_a_solution_passes_every_check $(ARGS)

style: $(VENV)/.dev js
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell solutions README.md CONTRIBUTING.md workshop_lib tests instructor
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python solutions/make_notebooks.py --check
	$(BIN)/python tests/size.py

# What the JavaScript parts need, once, where Node.js is there: a Worker (260 MB), and the MCP Inspector (41 MB).
js:
	@if node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null && command -v npm >/dev/null; \
	then $(MAKE) --silent $(JS:%=%/node_modules/.package-lock.json); \
	else echo "Node.js 20 or newer, with npm, is not there. $(WITHOUT_JS)"; fi

# npm writes the file with a dot last. Two at once, as of `make lab` and of `make test` typed meanwhile, would leave half
# of the packages, and say nothing: so one waits for the other. The lock ends with the process that has it.
define LOCKED
import contextlib, fcntl, os, sys
lock = os.open("package.json", os.O_RDONLY)
os.set_inheritable(lock, True)
with contextlib.suppress(OSError):  # some network drives have no locks
    fcntl.flock(lock, fcntl.LOCK_EX)
os.execvp(sys.argv[1], sys.argv[1:])
endef
export LOCKED

%/node_modules/.package-lock.json: %/package.json
	@echo "Installing the JavaScript parts in $*"
	@cd $* && { $(PYTHON) -c "$$LOCKED" sh -c '[ node_modules/.package-lock.json -nt package.json ] || { \
		$(NPM) >/dev/null && touch node_modules/.package-lock.json; }' || echo "npm failed. $(WITHOUT_JS)"; }

# Learners open notebooks/; people edit solutions/. This cuts the answers out.
notebooks: $(VENV)/.lab
	$(BIN)/python solutions/make_notebooks.py

# Long sweeps: a hundred orders through every failure, agents killed at every step, a restart after every cell.
chaos: $(VENV)/.dev js
	WORKSHOP_CHAOS=40 $(PYTEST) tests/chaos tests/notebooks/test_restart.py $(ARGS)

bench: $(VENV)/.dev
	$(BIN)/python tests/benchmarks/bench.py

# The four demos side by side. HTML=FILE writes the table to a page, too.
demos: $(VENV)/.compiled
	$(BIN)/python -m workshop_lib demos $(if $(HTML),--html "$(HTML)")

# The whole workshop, executed, as a site to read; and the talk's slides with what it printed and drew.
book: executed build/npm/mermaid
	cp build/npm/mermaid/dist/mermaid.min.js build/book/_static
	cd build/book && $(CURDIR)/$(BIN)/sphinx-build -q . html
	@echo "Open build/book/html/index.html"

slides: executed build/npm/reveal.js
	rm -rf build/slides && mkdir -p build/slides && cp instructor/slides.css build/slides
	cp -r build/npm/reveal.js build/slides/reveal
	$(BIN)/python instructor/make_slides.py build/book build/slides/index.html
	@echo "Open build/slides/index.html"

# Every notebook in JupyterLab, light and dark, in two widths, to be looked at; what is hard to read is listed.
screenshots: $(VENV)/.dev js build/npm/axe-core
	$(BIN)/python tests/browser/screenshots.py $(ARGS)

# Before a class: the sections of one of the three ways, in order, and the demos, on this machine.
WAY := 2 hours
rehearse: $(VENV)/.compiled
	$(BIN)/python -m workshop_lib rehearse "$(WAY)"

executed: $(VENV)/.dev js
	rm -rf build/book && mkdir -p build/book && cp -r instructor/book/. notebooks/*.ipynb build/book && cp solutions/*.ipynb build/book
	WORKSHOP_STRICT=1 $(PYTEST) --nbmake --nbmake-timeout=1800 --overwrite build/book $(ARGS)

# One package each, without what it depends on: the files in dist need nothing else.
build/npm/mermaid: PACKAGE := mermaid@11.17.2
build/npm/axe-core: PACKAGE := axe-core@4.14.1
build/npm/reveal.js: PACKAGE := reveal.js@5.2.1
build/npm/%:
	@mkdir -p $@ && cd $@ && npm pack --silent $(PACKAGE) >/dev/null && tar xzf *.tgz --strip-components 1 && rm *.tgz \
		|| { rm -rf $(CURDIR)/$@; echo "$(PACKAGE) needs Node.js, npm and, once, the network."; exit 1; }

size:
	@$(PYTHON) tests/size.py

doctor: $(VENV)/.lab
	$(BIN)/python -m workshop_lib doctor

# Forget all workflows, ledgers and progress.
reset: $(VENV)/.lab
	$(BIN)/python -m workshop_lib reset

# Resolve the pins anew, for every supported Python and platform at once. Needs the network.
pins: $(VENV)/.dev
	$(BIN)/uv pip compile --universal --python-version 3.11 --no-header --no-annotate --quiet --upgrade \
		--extra governance pyproject.toml --output-file requirements.txt
	$(BIN)/uv pip compile --universal --python-version 3.11 --no-header --no-annotate --quiet --extra dev \
		--extra governance --constraint requirements.txt pyproject.toml --output-file requirements-dev.txt

clean:
	rm -rf $(VENV) .workshop $(JS:%=%/node_modules)

define CHECK
import sys
v = sys.version_info[:2]
if not (3, 11) <= v < (3, 15):
    sys.exit("This workshop needs Python 3.11 to 3.14, and `$(PYTHON)` is %d.%d. Try: make PYTHON=python3.12 lab" % v)
try:
    import ensurepip
except ImportError:
    sys.exit("`$(PYTHON)` cannot make a virtual environment. On Debian, type: sudo apt install python%d.%d-venv" % v)
endef
export CHECK

# What is begun and not finished, such as an interrupted set-up, is begun again.
$(VENV)/.lab: requirements.txt pyproject.toml
	@[ -e $@ ] || { [ ! -e $(VENV) ] || echo "$(VENV) was not finished, and is made again."; rm -rf $(VENV); }
	@[ -e $@ ] || $(MAKE) --silent $(VENV)/.made
	@rm -f $@
	@echo "2 of 2: installing $$(grep -c == requirements.txt) packages"
	@$(INSTALL) --requirement requirements.txt --editable . || { echo "uv failed. Trying pip, which takes longer."; \
		$(PIP) --requirement requirements.txt && $(PIP) --no-deps --editable .; }
	@# JupyterLab asks about news and looks for updates when it opens: a popup, and a call to the network.
	@mkdir -p $(VENV)/etc/jupyter/labconfig
	@echo '{"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": true}}' \
		>$(VENV)/etc/jupyter/labconfig/page_config.json
	@mkdir -p $(VENV)/etc/ipython  # what every kernel reads when it starts
	@echo 'get_config().InteractiveShellApp.extensions = ["workshop_lib.cells.unknown_names"]' \
		>$(VENV)/etc/ipython/ipython_kernel_config.py
	@touch $@

$(VENV)/.compiled: $(VENV)/.lab
	@$(COMPILE)
	@touch $@

$(VENV)/.made:
	@$(PYTHON) -c "$$CHECK"
	@echo "1 of 2: making $(VENV) with $$($(PYTHON) --version)"
	@if command -v uv >/dev/null; then uv venv --quiet --seed --python $(PYTHON) $(VENV); else \
		$(PYTHON) -m venv $(VENV) && { $(PIP) --only-binary :all: --constraint requirements-dev.txt uv || true; }; fi
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.lab
	@echo "Installing what the tests need"
	@$(INSTALL) --requirement requirements-dev.txt || $(PIP) --requirement requirements-dev.txt
	@$(COMPILE)
	@touch $@
