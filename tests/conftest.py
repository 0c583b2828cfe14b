"""The order of the files, for processes that end together, and what each of them took."""

from collections import Counter

import pytest

# A process takes the next file when it is done with one: a long file that comes last is waited for.
LONGEST_FIRST = ["test_site.py", "test_site_desktop.py", "test_grading.py", "test_grading_real.py", "test_cosine_range.py", "test_viewers.py", "test_assignments.py",
                 "test_ebook.py", "test_finding.py", "test_oddities.py", "test_classroom.py", "test_experiments.py", "test_mutations.py",
                 "test_audit.py", "test_models.py", "remedies.ipynb", "full-rank.ipynb", "second-objective.ipynb",
                 "audit.ipynb", "two-objectives.ipynb", "robustness.ipynb", "test_explorer.py", "experiment.ipynb"]
SHOWN = 12


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    place = {name: i for i, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


def pytest_terminal_summary(terminalreporter):
    """Seconds by file, the longest first."""
    spent = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            spent[getattr(report, "nodeid", "").partition("::")[0]] += getattr(report, "duration", 0)
    terminalreporter.section("seconds by file")
    for path, seconds in spent.most_common(SHOWN):
        terminalreporter.line(f"{seconds:7.1f}  {seconds / (spent.total() or 1):4.0%}  {path}")
    terminalreporter.line(f"{spent.total():7.1f}        in all")
