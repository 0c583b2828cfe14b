"""Assignment 4 checked outside the student's process: `probe` runs next to the student's functions and only
collects numbers; `verify` judges them where the student's code has never been. Needs numpy only.
"""

import numpy as np

K = 3


def inputs(seed):
    """Fresh data, the same on both sides; `low` is below the K-th singular value, `middle` among them all."""
    rng = np.random.default_rng([seed, 4])
    U, V = (np.linalg.qr(rng.normal(size=(m, 6)))[0] for m in (15, 6))
    sigma = np.array([9, 7, 5, 3, 2, 1]) * rng.uniform(0.95, 1.05, 6)
    X = U * sigma @ V.T
    A, B = rng.normal(size=(2, 6, K))
    return X, A, B, (4.0, 6.0)


def probe(ns, seed):
    X, A, B, (low, middle) = inputs(seed)
    arrays = {}

    def keep(name, call):
        try:
            arrays[name] = np.array(call(), dtype=float)
        except Exception:
            pass  # what is missing is judged by `verify`

    for name, lam, k in ("low", low, K), ("middle", middle, 6), ("high", 20.0, 6):
        keep(name, lambda: np.stack(ns["solve_2"](X.copy(), lam, k)))
    keep("losses", lambda: ns["losses"](X.copy(), A.copy(), B.copy(), low))
    keep("d", lambda: ns["implied_d"](X.copy(), A.copy(), B.copy()))
    return arrays


def check_product(got, X, A, B, lams):
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    A_2, B_2 = got["low"]
    return np.allclose(X @ A_2 @ B_2.T, U[:, :K] * (s[:K] - lams[0]) @ Vt[:K])


def check_balance(got, X, A, B, lams):
    A_2, B_2 = got["low"]
    return np.allclose((X @ A_2).T @ (X @ A_2), B_2.T @ B_2)


def check_threshold(got, X, A, B, lams):
    alive = (np.linalg.svd(X, compute_uv=False) > lams[1]).sum()
    lengths = np.linalg.norm(got["middle"], axis=1)  # of the columns of A and of B
    return ((lengths > 1e-9).sum(axis=1) == alive).all() and np.isfinite(lengths).all() and not got["high"].any()


def check_loss_1(got, X, A, B, lams):
    W = A @ B.T
    return np.isclose(got["losses"][0], np.sum((X - X @ W) ** 2) + lams[0] * np.sum(W**2))


def check_loss_2(got, X, A, B, lams):
    P = X @ A
    return np.isclose(got["losses"][1], np.sum((X - P @ B.T) ** 2) + lams[0] * (np.sum(P**2) + np.sum(B**2)))


def check_implied(got, X, A, B, lams):
    d = got["d"]
    return d.shape == (K,) and d.min() > 0 and np.allclose(
        np.linalg.norm(X @ A * d, axis=0), np.linalg.norm(B / d, axis=0))


CHECKS = {
    "solve-product": (check_product, "X A B^T = U (sigma - lambda) V^T fails on fresh data"),
    "solve-balance": (check_balance, "(X A)^T (X A) = B^T B fails on fresh data"),
    "solve-threshold": (check_threshold, "the wrong directions are switched off on fresh data"),
    "loss-1": (check_loss_1, "objective 1 is wrong on fresh data"),
    "loss-2": (check_loss_2, "objective 2 is wrong on fresh data"),
    "implied-d": (check_implied, "d does not balance X A D and B D^-1 on fresh data"),
}


def verify(arrays, seed):
    faults = {}
    for question, (check, message) in CHECKS.items():
        try:
            fine = check(arrays, *inputs(seed))
        except Exception:  # an array that is missing or has another shape
            fine = False
        if not fine:
            faults[question] = message
    return faults
