"""Wrong things that a check once let pass, or might have: each must fail now."""

from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

import cosim
from cosim import claims

DATA = files("cosim") / "data"
TWENTY = np.ones(20)
# True by construction, whatever the model: kept for the reader, and not counted as evidence.
DEFINITIONS = ["case2-user-item", "eq4-user-item-omega-only", "even-split-cosine", "low-rank-case1-basis", "robust-sign-test",
               "sigma-are-not-eigenvalues", "experiment-effective-rank", "normalizing-after", "robust-number-of-draws"]


def published(panel):
    table = pd.read_csv(DATA / "figure1-published.csv", comment="#")
    return table[table["panel"] == panel].filter(regex="^c").to_numpy()


def constant_errors(panel, value, blocks=slice(None)):
    """The error of a similarity with one value everywhere, as figure-1 measures it."""
    return np.abs(published(panel) - value).ravel()[blocks].mean()


def best_constant(panel, blocks=slice(None)):
    return min(constant_errors(panel, value, blocks) for value in np.linspace(0, 1, 101))


def rescaling_costs(exponent):
    """What eq2-balanced-is-best compares, for a model balanced with a wrong exponent in place of 1/4."""
    rng = np.random.default_rng(0)
    X, A, B = rng.poisson(1.0, size=(60, 12)).astype(float), 0.1 * rng.normal(size=(12, 4)), rng.normal(size=(12, 4))
    d = (np.sum(B**2, axis=0) / np.sum((X @ A) ** 2, axis=0)) ** exponent
    model = cosim.rescale(cosim.Factors(A, B), d)
    alpha = np.sum((X @ model.A) ** 2, axis=0)
    tries = np.exp(rng.normal(size=(1000, 4)) * np.geomspace(0.01, 1, 4))
    found = [cosim.loss_factors(X, cosim.rescale(model, each), 4) for each in tries]
    return found, cosim.loss_factors(X, model, 4) + 4 * (tries - 1 / tries) ** 2 @ alpha


def powers():
    """AUC by power of sigma, and which powers the claim puts first."""
    runs = pd.read_csv(DATA / "simulation.csv", dtype={"setting": str}).query("study == 'sweep-power'")
    return runs.groupby("setting")["auc"].mean()


def rankings(lengths):
    """Two rankings of four items for a thousand users: by the cosine and by the dot product."""
    rng = np.random.default_rng(0)
    V = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]]) * np.array(lengths)[:, None]
    users = rng.normal(size=(1_000, 2))
    return cosim.cosine_similarity(users, V).argsort(axis=1), (users @ V.T).argsort(axis=1)


DIAGONAL = slice(None, None, 6)
BY_POWER = powers()
WITHOUT_3 = ["1", "1.5", "2", "2.5"]
WEAK = np.array([60.0, 20.0, 12.0, 9.0, 5.0])
D = np.linspace(0.5, 2, 50)


@pytest.mark.parametrize("claim, left, right", [
    ("fig1-panel3-diagonal", constant_errors(3, 0.02, DIAGONAL), best_constant(3, DIAGONAL)),
    ("fig1-panel3-k-beats-flat", constant_errors(3, 0.02), best_constant(3)),
    ("fig1-flat-misses-2-4", [constant_errors(2, 0.02), constant_errors(4, 0.02)], [best_constant(2), best_constant(4)]),
    ("fig1-panel5-rank", 4 * TWENTY, 3),
    ("robust-best-power", BY_POWER.drop(WITHOUT_3).max(), BY_POWER[WITHOUT_3].min()),
    ("robust-tasks-disagree", [0.7 * TWENTY, 0.06 * TWENTY], [0.97 * TWENTY, 0.06 * TWENTY]),
    ("equal-leverages-same-ranking", *rankings([1, 1, 1, 1.5])),
    ("normalizing-after", np.array([[0, 0.3], [0.3, 0]]), np.array([[0, 0.2], [0.2, 0]])),
    ("normalizing-after-differs", 0.4, 0.39 * TWENTY),
    *(("eq2-balanced-is-best", *rescaling_costs(exponent)) for exponent in (0.15, 0.2, 0.3)),
    ("descent-balances", WEAK, WEAK * [1, 1, 1, 1, 1.14]),
    ("descent-balances", WEAK, WEAK * [1, 1, 1, 1, 1.001]),
    ("heldout-closer-at-k5", 0.008, 0.008 / 2),
    ("cosine-training-fixes-d", 0.005, np.append(np.full(19, 0.02), 0.0)),
    ("ln-fixes-d", 0.005, np.append(np.full(19, 0.02), 0.0)),
    ("shared-encoder-fixes-d", np.diag(D**2), np.diag(D)),
    ("full-rank-neighbours-change", np.append(0.3 * TWENTY, 0.5), 0.5),
    ("case2-not-identity", 0.1, np.append(0.2 * TWENTY, 0.0)),
    ("case2-ranking-changes", 0.1, np.append(0.5 * TWENTY, 0.05)),
    ("low-rank-ranking-changes", 0.5, np.append(0.8 * TWENTY, 0.5)),
    ("robust-leverage-clicks-head", 0.224 * TWENTY, 0.0003 * TWENTY),
    ("robust-leverage-standardized-tail", 0.1 * TWENTY, 0.02 * TWENTY),
    ("project-back-depends-on-lambda", 0.8, np.append(0.86 * TWENTY, 0.5)),
    ("equal-tastes-hide-clusters", [0.54, 0.55, 0.8], 0.75),
    ("eq6-nothing-left", [1, 1, 0], [1, 0, 0]),
    ("eq6-diagonal", np.diag([500.0, 7.0]), np.diag([500.0, 7.1])),
    ("mf-bias-limited", np.append(np.full(4, 0.004), 0.18), 0.01),
    ("softmax-centred", np.eye(3), np.eye(3) + 1e-3),
    ("project-back-level", 0.65, np.append(0.7 * TWENTY, 0.1)),
    ("eq5-factors-differ", np.full((12, 12), 0.5), np.full((12, 12), 0.5)),
    ("mf-full-size-item-dot", np.arange(1.0, 901), np.where(np.arange(900) < 9, 3, 1) * np.arange(1.0, 901)),
])
def test_a_wrong_thing_fails(claim, left, right):
    with pytest.raises(AssertionError, match=f"^{claim} fails"):
        claims.check(claim, left, right)


@pytest.mark.parametrize("claim", DEFINITIONS)
def test_what_is_true_by_construction_is_no_evidence(claim):
    assert claims.ledger()["claims"][claim]["kind"] == "definition"
