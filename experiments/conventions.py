"""Conventions that fix the free matrix, and scores of "healthy" embeddings, against the clusters of the simulation.

All tables of one seed are tables of one model: objective 1 at Section 4's setting, with the same predictions.
"""

import numpy as np
import simulation
from scipy import stats

import cosim

SEEDS = range(20)
POWERS = (-2, -1, -0.5, 0, 0.5, 1, 1.5, 2)  # V S^p
RANDOM = 4  # diagonals drawn at random
SPREAD = 10  # their entries, up to this factor from 1
COLUMNS = ["study", "setting", "seed", "method", "auc", "precision", "auc_head", "auc_tail", "within", "between",
           "mean_cosine", "effective_rank", "isotropy", "hubness"]
LIBRARIES = ["numpy", "scipy"]
NUMERICS = ["_checks", "gauge", "models", "recovery", "remedies", "similarity", "simulate"]
USES = ["simulation"]
SETTINGS = dict(seeds=list(SEEDS), users=simulation.N, items=simulation.P, lambda_1=simulation.LAM1, k=simulation.K,
                neighbours=simulation.M, powers=list(POWERS), random=RANDOM, spread=SPREAD)


def effective_rank(E):
    """Exponential of the entropy of the singular values, as shares (Roy and Vetterli 2007)."""
    s = np.linalg.svd(E, compute_uv=False)
    return np.exp(stats.entropy(s / s.sum()))


def isotropy(E):
    """Smallest over largest value of the partition function at the principal directions (Mu and Viswanath 2018)."""
    _, _, Vt = np.linalg.svd(E, full_matrices=False)
    Z = np.exp(E @ np.vstack([Vt, -Vt]).T).sum(axis=0)
    return Z.min() / Z.max()


def hubness(S):
    """Skewness of how often an item is among the ten nearest of another (Radovanovic et al. 2010)."""
    S = S.round(10)
    np.fill_diagonal(S, -np.inf)
    nearest = np.argpartition(-S, simulation.M, axis=1)[:, :simulation.M]
    return stats.skew(np.bincount(nearest.ravel(), minlength=len(S)))


def measured(E, clicks):
    """Truth and health of one item table."""
    E = simulation.unit(E)
    S = E @ E.T
    above = np.triu_indices(len(S), 1)
    same = (clicks.cluster[:, None] == clicks.cluster)[above]
    return dict(within=S[above][same].mean(), between=S[above][~same].mean(), mean_cosine=S[above].mean(),
                effective_rank=effective_rank(E), isotropy=isotropy(E), hubness=hubness(S),
                **simulation.quality(S, clicks.cluster),
                **simulation.head_and_tail(S, clicks.cluster, np.asarray(clicks.X.sum(axis=0))))


def without_first(E):
    """The centred table without its first principal direction."""
    Z = E - E.mean(axis=0)
    first = np.linalg.svd(Z, full_matrices=False)[2][0]
    return Z - np.outer(Z @ first, first)


def tables(A, B, P):
    """Every convention of the chapter: name -> item table."""
    yield "B^T B = I", cosim.split_product(A, B, 0)[1]
    yield "A^T A = B^T B", cosim.split_product(A, B, 0.5)[1]
    yield "P^T P = B^T B", cosim.split_product(P, B, 0.5)[1]
    yield "P^T P = I", cosim.project_back(B, P)
    yield "unit variance", cosim.unit_variance(B)
    yield "zero mean, unit variance", cosim.standardize(B)
    yield "whitened", cosim.whiten(B)


def conventions(setting, seed):
    """Each convention, and mean removal after three of them."""
    clicks = simulation.draw(seed, {})
    A, B = cosim.solve_product(cosim.spectrum(clicks.X, simulation.K), simulation.LAM1, simulation.K)
    for method, E in tables(A, B, clicks.X @ A):
        treated = {"as it is": E}
        if method in ("B^T B = I", "A^T A = B^T B", "P^T P = I"):
            treated |= {"centred": E - E.mean(axis=0), "first direction dropped": without_first(E)}
        for treatment, F in treated.items():
            yield dict(study="conventions", setting=treatment, seed=seed, method=method, **measured(F, clicks))


def scalings(setting, seed):
    """Diagonal scalings of one model, some of them random."""
    clicks = simulation.draw(seed, {})
    spec = cosim.spectrum(clicks.X, simulation.K)
    rng = np.random.default_rng([seed, 3])
    found = {f"V S^{p:g}": spec.V * spec.sigma**p for p in POWERS}
    found |= {f"V D, random {i}": spec.V * np.exp(rng.uniform(-1, 1, simulation.K) * np.log(SPREAD)) for i in range(RANDOM)}
    for method, E in found.items():
        yield dict(study="scalings", setting=setting, seed=seed, method=method, **measured(E, clicks))


def tasks():
    """Every (function, setting, seed) of the run."""
    yield from ((name, "default", seed) for name in ("conventions", "scalings") for seed in SEEDS)
