# make book      build the website, executing every chapter
# make test      run all tests (builds the website first)
# make serve     build, then serve at http://localhost:8000
# make notebooks re-execute the chapters and save their outputs in place
# make experiments  re-run the multi-seed measurements of the robustness chapter (about 10 minutes, can be interrupted)
# make clean     remove everything that was made

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SITE := _build/html
NOTEBOOKS := $(wildcard book/*.ipynb)

.PHONY: book test serve notebooks experiments clean
.DELETE_ON_ERROR:

# The environment is made anew whenever what it is made from changes.
$(VENV)/ready: requirements.txt requirements-test.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("cosim needs Python 3.11 or newer")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-test.txt
	touch $@

book: $(VENV)/ready
	$(BIN)/jupyter-book clean . --all
	$(BIN)/jupyter-book build . -W -n --keep-going
	@echo "The book is at $(CURDIR)/$(SITE)/index.html"

test: book
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

serve: book
	$(BIN)/python -m http.server --directory $(SITE) 8000

# Only what is the same on every machine is saved: no timings, no editor state, no Python version.
notebooks: $(VENV)/ready
	$(BIN)/jupyter nbconvert --to notebook --inplace --execute \
		--ExecutePreprocessor.record_timing=False \
		--CoalesceStreamsPreprocessor.enabled=True \
		--ClearMetadataPreprocessor.enabled=True \
		--ClearMetadataPreprocessor.preserve_nb_metadata_mask=kernelspec \
		--ClearMetadataPreprocessor.preserve_cell_metadata_mask=tags \
		--ClearMetadataPreprocessor.preserve_cell_metadata_mask=mystnb \
		--ClearMetadataPreprocessor.preserve_cell_metadata_mask=jupyter \
		$(NOTEBOOKS)

experiments: $(VENV)/ready
	$(BIN)/python experiments/run.py

clean:
	rm -rf _build experiments/.work $(VENV) .pytest_cache *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +
