# make book      build the website, executing every chapter that has changed, or all if the package has
# make draft     the same, but only the pages that have changed: to look at what one is writing
# make test      run all tests (builds the website from the saved outputs first)
# make offline  build, then pack the site into _build/cosim-book.zip, to read without a network
# make pdf       build, then print the book into _build/cosim-book.pdf (without the pages of the ledger)
# make epub      the whole book as _build/cosim-book.epub, with the outputs that are saved in the notebooks
# make serve     build, then serve at http://localhost:8000
# make notebooks re-execute the chapters and save their outputs in place
# make experiments  re-run the multi-seed studies that chapters read, or some: STUDIES="losses" (can be interrupted)
# make benchmarks   what cosim costs next to what one would use instead (some minutes; pip install implicit first)
# make mutations  plant mistakes and count which claims they turn red, or in some: CHAPTERS="index" (can be interrupted)
# make assignments  the student notebooks, one zip each, into release/ (see the chapter for teachers)
# make grade     grade SUBMISSIONS=folder into OUT=folder; what is done already is not done again
# make grade-trial  grade 100 made-up students and compare with what they were seeded with (9 minutes of a processor)
# make grade-measure  how sure the checks are, over 10,000 seeds or SEEDS (an hour or two)
# make similar   which hand-ins in SUBMISSIONS have code in common, into OUT/similar.csv
# make solutions  the model solutions as notebooks, without hidden tests, into release/
# make slides    lecture slides, into slides/ (other chapters: CHAPTERS="experiment remedies")
# make clean     remove everything that was made

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SITE := _build/html
NOTEBOOKS := $(wildcard book/*.ipynb)

.PHONY: book draft executed test offline pdf epub serve notebooks experiments benchmarks mutations assignments grade grade-trial grade-measure similar solutions slides clean
.DELETE_ON_ERROR:

# The environment is made anew whenever what it is made from changes.
$(VENV)/ready: requirements.txt requirements-grading.txt requirements-test.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("cosim needs Python 3.11 or newer; name one that you have: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-test.txt
	touch $@

# A chapter is executed anew when it, the package or the environment has changed: with one BLAS thread each, the
# longest first. Only what is the same on every machine is kept: no timings, no Python version.
JOBS ?= 2
EXECUTED := _build/executed
LONGEST := remedies audit optimizers full-rank digits second-objective two-objectives experiment robustness past-one-machine
CHAPTERS_RUN = $(patsubst book/%,$(EXECUTED)/%,$(wildcard $(LONGEST:%=book/%.ipynb)) $(NOTEBOOKS))
PACKAGE := $(shell find cosim -type f -not -path "*/__pycache__/*" -not -path "cosim/ledger/*")
LEDGER := $(wildcard cosim/ledger/*.toml)
WHOLE_LEDGER := $(shell grep -l "claims.ledger()" book/*.ipynb)
export OPENBLAS_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1

# nbconvert takes as long to start as a short chapter to run: what has changed is listed first, then run a few at a time; one
# process more than JOBS, for the time in which a kernel starts.
EXECUTE = $(BIN)/jupyter nbconvert --log-level=WARN --to notebook --execute --output-dir $(EXECUTED) \
	--ExecutePreprocessor.record_timing=False \
	--NotebookExporter.preprocessors=nbconvert.preprocessors.CoalesceStreamsPreprocessor \
	--ClearMetadataPreprocessor.enabled=True \
	--ClearMetadataPreprocessor.preserve_nb_metadata_mask=kernelspec \
	--ClearMetadataPreprocessor.preserve_cell_metadata_mask=tags \
	--ClearMetadataPreprocessor.preserve_cell_metadata_mask=mystnb \
	--ClearMetadataPreprocessor.preserve_cell_metadata_mask=jupyter

define execute
@mkdir -p $(EXECUTED)
@: > $(EXECUTED)/changed
@$(MAKE) --no-print-directory --silent $(1)
xargs -n 3 -P $$(($(JOBS) + 1)) -r $(EXECUTE) < $(EXECUTED)/changed
endef

$(EXECUTED)/%.ipynb: book/%.ipynb $(PACKAGE) $(VENV)/ready
	echo $< >> $(EXECUTED)/changed

# Of the ledger, a chapter needs its own claims, or all of them.
$(LEDGER:cosim/ledger/%.toml=$(EXECUTED)/%.ipynb): $(EXECUTED)/%.ipynb: cosim/ledger/%.toml
$(WHOLE_LEDGER:book/%=$(EXECUTED)/%): $(LEDGER)

executed: $(VENV)/ready
	$(call execute,$(CHAPTERS_RUN))

# Sphinx alone executes nothing (_config.yml): it shows the outputs of $(EXECUTED) if told where they are, else the saved ones.
# It starts from nothing, so that it warns of all pages.
book: executed
	rm -rf $(SITE) _build/.doctrees
	COSIM_EXECUTED=$(EXECUTED) $(BIN)/jupyter-book build . -W -n --keep-going
	@echo "The book is at $(CURDIR)/$(SITE)/index.html"

# Of the chapters and pages, what has changed since the last time.
draft: executed
	COSIM_EXECUTED=$(EXECUTED) $(BIN)/jupyter-book build . -n

# The site that is tested shows the saved outputs: the tests execute every chapter once, and compare.
test: $(VENV)/ready
	rm -rf $(SITE) _build/.doctrees
	$(BIN)/jupyter-book build . -W -n --keep-going
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder

offline: book
	$(BIN)/python -c "import shutil; shutil.make_archive('_build/cosim-book', 'zip', '_build', 'html')"

# Printed from the site as it is built.
pdf: book
	$(BIN)/python book/_ext/print_book.py $(SITE) _build/cosim-book.pdf

# jupyter-book has no builder for this; Sphinx has. It reads conf.py, which is made from _config.yml. What extensions add
# after the packing must not be there when the next book is packed.
epub: $(VENV)/ready
	rm -rf _build/epub
	$(BIN)/jupyter-book config sphinx . > /dev/null
	PYTHONPATH=book/_ext $(BIN)/sphinx-build -q -W --keep-going -d _build/.doctrees-epub -b epub \
		-D html_math_renderer=mathml . _build/epub; status=$$?; rm -f conf.py; exit $$status
	cp _build/epub/cosim-book.epub _build/

serve: book
	$(BIN)/python -m http.server --directory $(SITE) 8000

# Files keep their times when they are copied, so that a chapter that was just saved counts as executed.
notebooks: $(VENV)/ready
	$(call execute,$(NOTEBOOKS:book/%=$(EXECUTED)/%))
	cp -p $(NOTEBOOKS:book/%=$(EXECUTED)/%) book

experiments: $(VENV)/ready
	$(BIN)/python experiments/run.py $(STUDIES)

benchmarks: $(VENV)/ready
	$(BIN)/python benchmarks/costs.py

mutations: $(VENV)/ready
	$(BIN)/python mutations/plant.py $(CHAPTERS)

# For a course of your own: MASTERS=folder with the masters, CLASS=class list (CSV) and SECRET=file for data of each student's own.
RELEASE ?= release
FROM = $(if $(MASTERS),--masters "$(MASTERS)")
LIMITS = $(if $(NOTEBOOK_SECONDS),--seconds "$(NOTEBOOK_SECONDS)") $(if $(CELL_SECONDS),--cell-seconds "$(CELL_SECONDS)") $(if $(MEMORY),--memory "$(MEMORY)") \
	$(if $(WORKERS),--workers "$(WORKERS)")
LATE = $(if $(FREE_DAYS),--free-days "$(FREE_DAYS)") $(if $(LATE_CAP),--late-cap "$(LATE_CAP)") $(if $(ONLY),--only "$(ONLY)")
CLASSROOM = $(FROM) $(if $(CLASS),--class "$(CLASS)") $(if $(SECRET),--secret "$(SECRET)")

assignments: $(VENV)/ready
	$(BIN)/python -m grading.release "$(RELEASE)" $(CLASSROOM)

grade: $(VENV)/ready
	@test -n "$(SUBMISSIONS)" -a -n "$(OUT)" || { echo "usage: make grade SUBMISSIONS=folder OUT=folder [CLASS=list.csv SECRET=file] [MASTERS=folder]"; exit 2; }
	$(BIN)/python -m grading.grade "$(SUBMISSIONS)" "$(OUT)" $(CLASSROOM) $(LIMITS) $(LATE)

grade-trial: $(VENV)/ready
	rm -rf _trial
	$(BIN)/python -m grading.trial _trial $(FROM)

grade-measure: $(VENV)/ready
	$(BIN)/python -m grading.measure $(FROM) $(if $(SEEDS),--seeds "$(SEEDS)")

similar: $(VENV)/ready
	@test -n "$(SUBMISSIONS)" -a -n "$(OUT)" || { echo "usage: make similar SUBMISSIONS=folder OUT=folder [CLASS=list.csv] [MASTERS=folder]"; exit 2; }
	$(BIN)/python -m grading.similar "$(SUBMISSIONS)" "$(OUT)" $(FROM) $(if $(CLASS),--class "$(CLASS)")

solutions: $(VENV)/ready
	$(BIN)/python -m grading.release --solutions "$(RELEASE)" $(FROM)

slides: $(VENV)/ready
	$(BIN)/python -m grading.slides slides $(CHAPTERS)

clean:
	rm -rf _build book/ledger release slides _trial experiments/.work mutations/.work $(VENV) .pytest_cache *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +
