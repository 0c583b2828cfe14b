"""Assignment 3: what goes wrong, and what it costs."""

from grading.seeded import Alternative, Mistake

MISTAKES = [
    Mistake("case 1: D and its inverse swapped", "return V * half * d, V * half / d", "return V * half / d, V * half * d",
            {"case-1-identity": 3}, "orthogonal"),
    Mistake("case 1: square root of D lost", "d = half ", "d = w ", {"case-1-identity": 3}, "orthogonal"),
    Mistake("case 1: no rescaling", "d = half ", "d = 1 ", {"case-1-identity": 3}, "orthogonal"),
    Mistake("case 1: square root of Eq. 5 lost", "half = np.sqrt(w)", "half = w", {"case-1-model": 2}, "objective 1"),
    Mistake("case 1: A not rescaled", "return V * half * d, V * half / d", "return V * half, V * half / d",
            {"case-1-model": 2}, "divides B"),
    Mistake("case 2: D and its inverse swapped", "return V * root * inverse, V * root / inverse",
            "return V * root / inverse, V * root * inverse", {"case-2-users": 2}, "rotation"),
    Mistake("case 2: square root of D lost", "inverse = 1 / root", "inverse = 1 / weight", {"case-2-users": 2}, "rotation"),
    Mistake("case 2: B not rescaled", "V * root / inverse", "V * root", {"case-2-model": 1}, "divides B"),
    Mistake("case 2: lambda in units of sigma", "weight = 1 / (1 + lam / sigma**2)", "weight = 1 / (1 + lam / sigma)",
            {"case-2-model": 1}, "objective 1"),
    Mistake("case 1: W and the identity", "return V * half * d, V * half / d", "return V * w @ V.T, np.eye(len(V))", {"case-1-model": 2}, "diagonal D"),
    Mistake("case 2: the identity and W", "return V * root * inverse, V * root / inverse", "return np.eye(len(V)), V * weight @ V.T",
            {"case-2-model": 1}, "diagonal D"),
    Mistake("only the first item compared", "(by_dot == by_cosine).all(axis=1)", "by_dot[:, -1] == by_cosine[:, -1]",
            {"order": 3}, "all items"),
    Mistake("places counted instead of users", "(by_dot == by_cosine).all(axis=1)", "by_dot == by_cosine", {"order": 3}, "users"),
    Mistake("users of X, not of XA", "P = X @ A", "P = X[:, :A.shape[1]]", {"order": 3}, "order"),
    Mistake("only users normalized", "cosine(P, B)", "(P / np.linalg.norm(P, axis=1)[:, None]) @ B.T", {"order": 3}, "1/2"),
]

ALTERNATIVES = [
    Alternative("factors written down directly, another sign and rotation of the users, pairs compared", [
        ("w = 1 / (1 + lam / sigma**2)\n    half = np.sqrt(w)\n    d = half  # D = dMat(w)^(1/2)\n    return V * half * d, V * half / d",
         "return V @ np.diag(sigma**2 / (sigma**2 + lam)), 1.0 * V"),
        ("weight = 1 / (1 + lam / sigma**2)\n    root = np.sqrt(weight)\n    inverse = 1 / root  # D = dMat(w)^(-1/2)\n"
         "    return V * root * inverse, V * root / inverse",
         "return -V, -V * (sigma**2 / (sigma**2 + lam))"),
        ("agrees = (by_dot == by_cosine).all(axis=1)\n    return agrees.mean()",
         "return sum(list(a) == list(b) for a, b in zip(by_dot, by_cosine)) / len(X)"),
    ]),
    Alternative("one factor more for all dimensions", [
        ("d = half ", "d = 3 * half "),
        ("inverse = 1 / root", "inverse = 0.5 / root"),
    ]),
    Alternative("np.matrix and float32", [
        ('return V * half * d, V * half / d',
         'return np.matrix(V * half * d), np.matrix(V * half / d)'),
        ('return V * root * inverse, V * root / inverse',
         'return (V * root * inverse).astype(np.float32), (V * root / inverse).astype(np.float32)'),
    ]),
]
