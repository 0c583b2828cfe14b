"""What `import cosim` brings, counted in modules: seconds depend on the machine."""

import subprocess
import sys

import pytest

import cosim

HEAVY = ["matplotlib", "pandas", "scipy.linalg", "scipy.stats", "seaborn", "sklearn"]


def modules(code):
    """Names of the modules that a fresh process has after this code."""
    run = subprocess.run([sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
                         capture_output=True, encoding="utf-8", check=True)
    return set(run.stdout.split())


def test_importing_costs_little_more_than_numpy_and_scipy():
    base, ours = modules("import numpy, scipy.sparse"), modules("import cosim")
    assert not ours.intersection(HEAVY)
    assert len(ours) <= 1.1 * len(base), sorted(ours - base)


@pytest.mark.parametrize("use, brings", [
    ("cosim.show_similarity", "matplotlib"), ("cosim.explore", "matplotlib"),
    ("cosim.spectrum([[1]])", "scipy.linalg"), ("cosim.same_cluster_auc([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [0, 0, 1])", "scipy.stats")])
def test_what_is_needed_later_comes_later(use, brings):
    assert brings in modules(f"import cosim\n{use}")


def test_every_public_name_is_there():
    assert all(hasattr(cosim, name) for name in cosim.__all__)
    names = {}
    exec("from cosim import *", names)
    assert set(cosim.__all__) <= names.keys()


def test_an_unknown_name_is_an_error():
    with pytest.raises(AttributeError, match="module 'cosim' has no attribute 'show'"):
        cosim.show
