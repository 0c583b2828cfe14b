"""Assignment 4: what goes wrong, and what it costs."""

from grading.seeded import Alternative, Mistake

MISTAKES = [
    Mistake("shrunk by lambda squared", "1 - lam / s)", "1 - (lam / s) ** 2)", {"solve-product": 3}, "sigma - lambda"),
    Mistake("threshold at lambda squared", "np.maximum(0, 1 - lam / s)", "np.where(s > lam**2, 1 - lam / s, 0)",
            {"solve-product": 3, "solve-threshold": 3}, "lambda"),
    Mistake("no max(0, .)", "np.maximum(0, 1 - lam / s)", "1 - lam / s", {"solve-threshold": 3}, "NaN"),
    Mistake("absolute value for max(0, .)", "np.maximum(0, 1 - lam / s)", "np.abs(1 - lam / s)", {"solve-threshold": 3}, "zero"),
    Mistake("roots on the wrong factors", "A = V_k * np.sqrt(left / s)\n    B = V_k * np.sqrt(left * s)",
            "A = V_k * np.sqrt(left * s)\n    B = V_k * np.sqrt(left / s)", {"solve-balance": 2}, "divided by sigma"),
    Mistake("all of the shrinking in A", "A = V_k * np.sqrt(left / s)\n    B = V_k * np.sqrt(left * s)",
            "A = V_k * left\n    B = V_k * (left > 0)", {"solve-balance": 2}, "differ"),
    Mistake("smallest singular values kept", "singular[:k], rows[:k].T", "singular[-k:], rows[-k:].T", {"solve-product": 3}, "largest"),
    Mistake("square root of B lost", "B = V_k * np.sqrt(left * s)", "B = V_k * left * s",
            {"solve-product": 3, "solve-balance": 2}, "sigma"),
    Mistake("penalty on the factors in objective 1", "return error + lam * product,", "return error + lam * factors,",
            {"loss-1": 1}, "objective 1"),
    Mistake("penalty on A, not on the users XA", "factors = (P**2).sum()", "factors = (A**2).sum()", {"loss-2": 2}, "not A"),
    Mistake("lambda on one factor only", "error + lam * factors", "error + (P**2).sum() + lam * (B**2).sum()", {"loss-2": 2}, "18"),
    Mistake("square root lost in d", "return np.sqrt(b / a)", "return b / a", {"implied-d": 3}, "smallest at"),
    Mistake("d upside down", "return np.sqrt(b / a)", "return np.sqrt(a / b)", {"implied-d": 3}, "smallest at"),
    Mistake("lengths of A, not of the users XA", "np.linalg.norm(X @ A, axis=0)", "np.linalg.norm(A, axis=0)", {"implied-d": 3}, "X A = 4"),
]

ALTERNATIVES = [
    Alternative("eigenvectors, other signs, a loop over the dimensions, minimization by scipy", [
        ("singular, rows = np.linalg.svd(X, full_matrices=False)[1:]\n    s, V_k = singular[:k], rows[:k].T",
         "squares, vectors = linalg.eigh(X.T @ X)\n    s, V_k = np.sqrt(squares[::-1][:k]), -vectors[:, ::-1][:, :k]"),
        ("left = np.maximum(0, 1 - lam / s)", "left = np.where(s > lam, (s - lam) / s, 0)"),
        ("error = ((X - P @ B.T) ** 2).sum()", "error = linalg.norm(X - X @ (A @ B.T)) ** 2"),
        ("return np.sqrt(b / a)",
         "from scipy.optimize import minimize_scalar\n"
         "    best = lambda a, b: minimize_scalar(lambda t: (a * np.exp(t)) ** 2 + (b / np.exp(t)) ** 2, tol=1e-14).x\n"
         "    start = [b_l ** 0.5 / a_l ** 0.5 for a_l, b_l in zip(a, b)]\n"
         "    return np.array([s * np.exp(round(best(a_l * s, b_l / s), 6)) for s, a_l, b_l in zip(start, a, b)])"),
    ]),
    Alternative("latent dimensions in another order", [
        ("A = V_k * np.sqrt(left / s)\n    B = V_k * np.sqrt(left * s)\n    return A, B",
         "R = np.eye(k)[::-1]\n    return V_k * np.sqrt(left / s) @ R, V_k * np.sqrt(left * s) @ R"),
    ]),
    Alternative("np.matrix and lists", [
        ('    return A, B',
         '    return np.matrix(A), np.matrix(B)'),
        ('return np.sqrt(b / a)',
         'return list(np.sqrt(b / a))'),
    ]),
    Alternative("float32", [
        ('    return A, B',
         '    return A.astype(np.float32), B.astype(np.float32)'),
        ('return np.sqrt(b / a)',
         'return np.sqrt(b / a).astype(np.float32)'),
    ]),
]
