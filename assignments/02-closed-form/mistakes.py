"""Assignment 2: what goes wrong, and what it costs."""

from grading.seeded import Alternative, Mistake

MISTAKES = [
    Mistake("Vt for V", "return sigma, Vt.T", "return sigma, Vt", {"spectrum": 2}, "column"),
    Mistake("eigenvalues for singular values", "return sigma, Vt.T", "return sigma**2, Vt.T", {"spectrum": 2}, "singular values"),
    Mistake("smallest first", "return sigma, Vt.T", "return sigma[::-1], Vt.T[:, ::-1]", {"spectrum": 2}, "largest first"),
    Mistake("sigma for sigma squared", "lam / sigma**2", "lam / sigma", {"gains": 3}, "squared"),
    Mistake("lambda inside the root", "1 / (1 + lam / sigma**2)", "1 / np.sqrt(1 + lam / sigma**2)", {"gains": 3}, "no root"),
    Mistake("root of lambda", "lam / sigma**2", "np.sqrt(lam) / sigma**2", {"gains": 3}, "one half"),
    Mistake("one column per penalty", "return np.array(rows)", "return np.array(rows).T", {"path": 2}, "2 x 3"),
    Mistake("penalties sorted", "for lam in lams", "for lam in sorted(lams)", {"path": 2}, "order"),
    Mistake("square root lost", "np.sqrt(w_k)", "w_k", {"solve-equation": 3}, "root"),
    Mistake("gains forgotten", "V_k * np.sqrt(w_k)", "V_k + 0", {"solve-equation": 3}, "gain"),
    Mistake("last directions kept", "V[:, :k], w[:k]", "V[:, -k:], w[-k:]", {"solve-rank": 2}, "largest"),
    Mistake("uneven split", "A = V_k * np.sqrt(w_k)\n    B = A.copy()", "A, B = V_k * w_k, V_k.copy()", {"solve-split": 1}, "equal"),
    Mistake("penalty on the factors", "penalty = np.sum(W**2)", "penalty = np.sum(A**2) + np.sum(B**2)", {"loss": 3}, "1/2"),
    Mistake("norms not squared", "error = np.sum((X - X @ W) ** 2)", "error = np.linalg.norm(X - X @ W)", {"loss": 3}, "squares"),
    Mistake("mean for sum", "error = np.sum(", "error = np.mean(", {"loss": 3}, "sum"),
]

ALTERNATIVES = [
    Alternative("eigenvectors of the Gram matrix, broadcasting, traces", [
        ("U, sigma, Vt = np.linalg.svd(X, full_matrices=False)\n    return sigma, Vt.T",
         "squares, V = np.linalg.eigh(X.T @ X)\n    return np.sqrt(np.maximum(squares[::-1], 0)), V[:, ::-1]"),
        ("1 / (1 + lam / sigma**2)", "sigma**2 / (sigma**2 + lam)"),
        ("rows = [gains(sigma, lam) for lam in lams]\n    return np.array(rows)",
         "s = np.asarray(sigma)[None, :] ** 2\n    return s / (s + np.asarray(lams)[:, None])"),
        ("A = V_k * np.sqrt(w_k)\n    B = A.copy()", "A = V_k @ np.diag(w_k**0.5)\n    B = V_k @ np.diag(w_k) ** 0.5"),
        ("error = np.sum((X - X @ W) ** 2)\n    penalty = np.sum(W**2)",
         "R = X - (X @ A) @ B.T\n    error = np.linalg.norm(R, 'fro') ** 2\n    penalty = np.trace((A.T @ A) @ (B.T @ B))"),
    ]),
    Alternative("np.matrix and lists", [
        ('return sigma, Vt.T',
         'return list(sigma), np.matrix(Vt).T'),
        ('V[:, :k], w[:k]',
         'np.asarray(V)[:, :k], np.asarray(w)[:k]'),
        ('    B = A.copy()',
         '    A = np.matrix(A)\n    B = A.copy()'),
        ('return np.array(rows)',
         'return [list(row) for row in rows]'),
        ('1 / (1 + lam / sigma**2)',
         '1 / (1 + lam / np.asarray(sigma) ** 2)'),
    ]),
    Alternative("float32", [
        ('return sigma, Vt.T',
         'return sigma.astype(np.float32), Vt.T.astype(np.float32)'),
        ('    B = A.copy()',
         '    A = A.astype(np.float32)\n    B = A.copy()'),
    ]),
]
