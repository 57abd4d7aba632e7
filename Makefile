# mailsetup: `make demo` is all a fresh computer needs to try it. `make help` lists the rest.
#
# Variables: PYTHON (the Python that makes the virtual environment), VENV (where it goes), ARGS
# (more words for the command at the end, as in: make demo ARGS="--port 9000").

VENV ?= .venv
PYTHON ?=
ARGS ?=

# The newest first; the plain names last, for they may be anything.
CANDIDATES = $(PYTHON) python3.14 python3.13 python3.12 python3.11 python3 python
RECENT = import sys; sys.exit(sys.version_info < (3, 11))
IN_VENV = $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test check format benchmark screenshots messages clean

help:
	@echo "make demo       try it: the example site with a mail server, on this computer"
	@echo "make test       run the tests (without those that need real mail servers or a browser)"
	@echo "make check      formatting, lint, types, import order, migrations, templates"
	@echo "make format     put the code into the project's format"
	@echo "make benchmark  measure the transport against its peers (about ten minutes; ARGS=--quick)"
	@echo "make screenshots  take the README's pictures from the demo (needs Chromium)"
	@echo "make messages   collect the texts to translate, and compile the translations"
	@echo "make clean      delete the virtual environment and the demo's data"

demo: $(VENV)/site.stamp
	@exec $(IN_VENV)/python manage.py demo $(ARGS)

test: $(VENV)/dev.stamp
	$(IN_VENV)/python -X dev -m pytest -m "not servers and not browser" $(ARGS)

check: $(VENV)/dev.stamp
	$(IN_VENV)/ruff format --check .
	$(IN_VENV)/ruff check .
	$(IN_VENV)/mypy
	$(IN_VENV)/lint-imports
	$(IN_VENV)/djlint templates mailsetup/templates --lint --quiet --per-file-ignores "mails?/" "H021,H023"
	$(IN_VENV)/python manage.py makemigrations --check --dry-run --settings tests.settings

format: $(VENV)/dev.stamp
	$(IN_VENV)/ruff format .
	$(IN_VENV)/ruff check --fix .

benchmark: $(VENV)/dev.stamp
	@$(IN_VENV)/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	$(IN_VENV)/python -m benchmarks.transport $(ARGS)

screenshots: $(VENV)/dev.stamp
	$(IN_VENV)/python -m tests.browser.screenshots

messages: $(VENV)/dev.stamp
	@command -v msgfmt >/dev/null || { echo "make messages needs GNU gettext: apt install gettext, or brew install gettext."; exit 1; }
	$(IN_VENV)/python manage.py makemessages --settings tests.settings -l vi --no-obsolete --no-wrap --add-location file -i "$(VENV)" -i ".venv*" -i build -i tests
	$(IN_VENV)/python manage.py makemessages --settings tests.settings -l vi --no-obsolete --no-wrap --add-location file -i "$(VENV)" -i ".venv*" -i build -i tests -d djangojs
	$(IN_VENV)/python manage.py compilemessages --settings tests.settings -l vi -i "$(VENV)" -i ".venv*" -i build

clean:
	rm -rf "$(VENV)" .demo

# The stamps: a second run installs nothing, unless the list of requirements has changed.
$(VENV)/site.stamp: requirements.txt | $(VENV)/venv.stamp
	@echo "Installing the requirements into $(VENV) (once; about a minute) …"
	@$(IN_VENV)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt || { \
		echo; \
		echo "pip could not install the requirements; its reason stands above. It needs a"; \
		echo "connection to https://pypi.org, or to the package index that pip is set up for."; \
		exit 1; }
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt $(VENV)/site.stamp
	@echo "Installing what the tests need into $(VENV) …"
	@$(IN_VENV)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt || { \
		echo "pip could not install the requirements; its reason stands above."; exit 1; }
	@touch $@

$(VENV)/venv.stamp:
	@for name in $(CANDIDATES); do \
		if command -v $$name >/dev/null 2>&1 && $$name -c "$(RECENT)" 2>/dev/null; then found=$$name; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "No Python 3.11 or newer was found. Install one (https://www.python.org/downloads/),"; \
		echo "or name it: make demo PYTHON=/path/to/python3"; \
		exit 1; \
	fi; \
	echo "Making the virtual environment $(VENV) with $$found ($$($$found -V)) …"; \
	if ! $$found -c "import venv, ensurepip" 2>/dev/null; then \
		echo "This Python lacks its venv module. On Debian or Ubuntu: apt install python3-venv"; \
		exit 1; \
	fi; \
	if ! $$found -m venv "$(VENV)"; then \
		rm -rf "$(VENV)"; \
		echo "The virtual environment could not be made; the reason stands above."; \
		exit 1; \
	fi
	@touch $@
