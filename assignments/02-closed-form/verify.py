"""Assignment 2 checked outside the student's process: `probe` runs next to the student's functions and only
collects numbers; `verify` judges them where the student's code has never been. Needs numpy only.
"""

import numpy as np

LAM, K = 2.5, 3


def inputs(seed):
    """Fresh data, the same on both sides."""
    rng = np.random.default_rng([seed, 2])
    X = rng.normal(size=(14, 6)) * rng.uniform(0.5, 2, 6)
    lams = rng.uniform(0.1, 50, 7)
    A, B = rng.normal(size=(2, 6, K))
    return X, lams, A, B


def spectrum(X):
    squares, V = np.linalg.eigh(X.T @ X)
    return np.sqrt(np.maximum(squares[::-1], 0)), V[:, ::-1]


def gains(sigma, lam):
    return np.square(sigma) / (np.square(sigma) + lam)


def probe(ns, seed):
    X, lams, A, B = inputs(seed)
    sigma = spectrum(X)[0]
    arrays = {}

    def keep(name, call):
        try:
            arrays[name] = np.array(call(), dtype=float)
        except Exception:
            pass  # what is missing is judged by `verify`

    keep("sigma", lambda: ns["spectrum"](X.copy())[0])
    keep("V", lambda: ns["spectrum"](X.copy())[1])
    keep("gains", lambda: ns["gains"](sigma.copy(), LAM))
    keep("loss", lambda: ns["loss"](X.copy(), A.copy(), B.copy(), LAM))
    # Questions 3 and 4 are marked on their own, as in the notebook.
    own = {name: ns.get(name) for name in ("spectrum", "gains")}
    ns.update(spectrum=spectrum, gains=gains)
    keep("path", lambda: ns["gain_path"](sigma.copy(), lams.copy()))
    keep("full", lambda: np.stack(ns["solve"](X.copy(), LAM, 6)))
    keep("low", lambda: np.stack(ns["solve"](X.copy(), LAM, K)))
    ns.update(own)
    return arrays


def check_spectrum(got, X, lams, A, B):
    sigma, V = got["sigma"], got["V"]
    right_shape = sigma.shape == (6,) and V.shape == (6, 6)
    return right_shape and np.allclose(sigma, spectrum(X)[0]) and np.allclose(V.T @ V, np.eye(6)) and np.allclose(
        X.T @ X @ V, V * sigma**2, atol=1e-8)


def check_gains(got, X, lams, A, B):
    square = spectrum(X)[0] ** 2
    return np.allclose(got["gains"] * (square + LAM), square)


def check_path(got, X, lams, A, B):
    sigma = spectrum(X)[0]
    return got["path"].shape == (7, 6) and np.allclose(got["path"], [gains(sigma, lam) for lam in lams])


def check_equation(got, X, lams, A, B):
    W, G = got["full"][0] @ got["full"][1].T, X.T @ X
    return np.allclose((G + LAM * np.eye(6)) @ W, G)


def check_rank(got, X, lams, A, B):
    W, W_full = (factors[0] @ factors[1].T for factors in (got["low"], got["full"]))
    top = spectrum(X)[1][:, :K]
    return got["low"].shape == (2, 6, K) and np.allclose(W, top @ (top.T @ W_full))


def check_split(got, X, lams, A, B):
    return np.allclose(got["low"][0], got["low"][1])


def check_loss(got, X, lams, A, B):
    W = A @ B.T
    return got["loss"].shape == () and np.isclose(got["loss"], np.sum((X - X @ W) ** 2) + LAM * np.sum(W**2))


CHECKS = {
    "spectrum": (check_spectrum, "X^T X V = V sigma^2 fails on fresh data"),
    "gains": (check_gains, "w (sigma^2 + lambda) = sigma^2 fails on fresh data"),
    "path": (check_path, "the path of gains is wrong on fresh data"),
    "solve-equation": (check_equation, "(X^T X + lambda I) W = X^T X fails on fresh data"),
    "solve-rank": (check_rank, "W_k = V_k V_k^T W fails on fresh data"),
    "solve-split": (check_split, "A and B are not the even split on fresh data"),
    "loss": (check_loss, "the loss is wrong on fresh data"),
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
