"""Assignment 4, checked outside the student's process (see `outside.py`)."""

import numpy as np
from grading.outside import Call, Question

K = 3
LOW, MIDDLE, HIGH = 4.0, 6.0, 20.0  # lambda: below the K-th singular value, among them all, above the first


def inputs(rng):
    U, V = (np.linalg.qr(rng.normal(size=(m, 6)))[0] for m in (15, 6))
    sigma = np.array([9, 7, 5, 3, 2, 1]) * rng.uniform(0.95, 1.05, 6)
    X = U * sigma @ V.T
    A, B = rng.normal(size=(2, 6, K))
    return X, A, B


def calls(X, A, B):
    return {
        "low": Call("solve_2", (X, LOW, K), (2, 6, K)),
        "middle": Call("solve_2", (X, MIDDLE, 6), (2, 6, 6)),
        "high": Call("solve_2", (X, HIGH, 6), (2, 6, 6)),
        "losses": Call("losses", (X, A, B, LOW), (2,)),
        "d": Call("implied_d", (X, A, B), (K,)),
    }


def check_product(got, X, A, B):
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    A_2, B_2 = got["low"]
    return np.allclose(X @ A_2 @ B_2.T, U[:, :K] * (s[:K] - LOW) @ Vt[:K], rtol=1e-4, atol=1e-4)


def check_balance(got, X, A, B):
    A_2, B_2 = got["low"]
    return np.allclose((X @ A_2).T @ (X @ A_2), B_2.T @ B_2, rtol=1e-4, atol=1e-4)


def check_threshold(got, X, A, B):
    alive = (np.linalg.svd(X, compute_uv=False) > MIDDLE).sum()
    lengths = np.linalg.norm(got["middle"], axis=1)  # of the columns of A and of B
    return ((lengths > 1e-9).sum(axis=1) == alive).all() and np.isfinite(lengths).all() and not got["high"].any()


def check_loss_1(got, X, A, B):
    W = A @ B.T
    return np.isclose(got["losses"][0], np.sum((X - X @ W) ** 2) + LOW * np.sum(W**2), rtol=1e-4, atol=1e-4)


def check_loss_2(got, X, A, B):
    P = X @ A
    return np.isclose(got["losses"][1], np.sum((X - P @ B.T) ** 2) + LOW * (np.sum(P**2) + np.sum(B**2)), rtol=1e-4, atol=1e-4)


def check_implied(got, X, A, B):
    d = got["d"]
    return d.min() > 0 and np.allclose(np.linalg.norm(X @ A * d, axis=0), np.linalg.norm(B / d, axis=0), rtol=1e-4, atol=1e-4)


QUESTIONS = {
    "solve-product": Question(check_product, "X A B^T = U (sigma - lambda) V^T fails on fresh data"),
    "solve-balance": Question(check_balance, "(X A)^T (X A) = B^T B fails on fresh data"),
    "solve-threshold": Question(check_threshold, "the wrong directions are switched off on fresh data"),
    "loss-1": Question(check_loss_1, "objective 1 is wrong on fresh data"),
    "loss-2": Question(check_loss_2, "objective 2 is wrong on fresh data"),
    "implied-d": Question(check_implied, "d does not balance X A D and B D^-1 on fresh data"),
}
