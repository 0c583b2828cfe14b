"""Assignment 2, checked outside the student's process (see `outside.py`)."""

import numpy as np
from grading.outside import Call, Question

LAM, K = 2.5, 3


def inputs(rng):
    X = rng.normal(size=(14, 6)) * rng.uniform(0.5, 2, 6)
    sigma = np.sort(rng.uniform(0.5, 9, 6))[::-1]
    lams = rng.uniform(0.1, 50, 7)
    A, B = rng.normal(size=(2, 6, K))
    return X, sigma, lams, A, B


def calls(X, sigma, lams, A, B):
    return {
        "sigma": Call("spectrum", (X,), (6,), part=0),
        "V": Call("spectrum", (X,), (6, 6), part=1),
        "gains": Call("gains", (sigma, LAM), (6,)),
        "path": Call("gain_path", (sigma, lams), (7, 6)),
        "full": Call("solve", (X, LAM, 6), (2, 6, 6)),
        "low": Call("solve", (X, LAM, K), (2, 6, K)),
        "loss": Call("loss", (X, A, B, LAM), ()),
    }


def spectrum(X):
    squares, V = np.linalg.eigh(X.T @ X)
    return np.sqrt(np.maximum(squares[::-1], 0)), V[:, ::-1]


def gains(sigma, lam):
    return np.square(sigma) / (np.square(sigma) + lam)


def check_spectrum(got, X, sigma, lams, A, B):
    s, V = got["sigma"], got["V"]
    return np.allclose(s, spectrum(X)[0], rtol=1e-4, atol=1e-4) and np.allclose(V.T @ V, np.eye(6), rtol=1e-4, atol=1e-4) and np.allclose(X.T @ X @ V, V * s**2, rtol=1e-4, atol=1e-3)


def check_gains(got, X, sigma, lams, A, B):
    return np.allclose(got["gains"] * (sigma**2 + LAM), sigma**2, rtol=1e-4, atol=1e-4)


def check_path(got, X, sigma, lams, A, B):
    return np.allclose(got["path"], gains(sigma, lams[:, None]), rtol=1e-4, atol=1e-4)


def check_equation(got, X, sigma, lams, A, B):
    W, G = got["full"][0] @ got["full"][1].T, X.T @ X
    return np.allclose((G + LAM * np.eye(6)) @ W, G, rtol=1e-4, atol=1e-4)


def check_rank(got, X, sigma, lams, A, B):
    W, W_full = (factors[0] @ factors[1].T for factors in (got["low"], got["full"]))
    top = spectrum(X)[1][:, :K]
    return np.allclose(W, top @ (top.T @ W_full), rtol=1e-4, atol=1e-4)


def check_split(got, X, sigma, lams, A, B):
    return np.allclose(got["low"][0], got["low"][1], rtol=1e-4, atol=1e-4)


def check_loss(got, X, sigma, lams, A, B):
    W = A @ B.T
    return np.isclose(got["loss"], np.sum((X - X @ W) ** 2) + LAM * np.sum(W**2), rtol=1e-4, atol=1e-4)


TOOLS = {"spectrum": spectrum, "gains": gains}
QUESTIONS = {
    "spectrum": Question(check_spectrum, "X^T X V = V sigma^2 fails on fresh data"),
    "gains": Question(check_gains, "w (sigma^2 + lambda) = sigma^2 fails on fresh data"),
    "path": Question(check_path, "the path of gains is wrong on fresh data", {"gains": gains}),
    "solve-equation": Question(check_equation, "(X^T X + lambda I) W = X^T X fails on fresh data", TOOLS),
    "solve-rank": Question(check_rank, "W_k = V_k V_k^T W fails on fresh data", TOOLS),
    "solve-split": Question(check_split, "A and B are not the even split on fresh data", TOOLS),
    "loss": Question(check_loss, "the loss is wrong on fresh data"),
}
