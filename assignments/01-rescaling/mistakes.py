"""Assignment 1: what goes wrong, and what it costs."""

from grading.seeded import Alternative, Mistake

MISTAKES = [
    Mistake("multiplied for divided", "B_new = B / d", "B_new = B * d", {"rescale-product": 2}, "product"),
    Mistake("only A rescaled", "B_new = B / d", "B_new = B.copy()", {"rescale-product": 2}, "product"),
    Mistake("d ignored", "A_new = A * d\n    B_new = B / d", "A_new, B_new = A.copy(), B.copy()",
            {"rescale-d": 1}, "multiplied by d"),
    Mistake("D and its inverse swapped", "A_new = A * d\n    B_new = B / d", "A_new, B_new = A / d, B * d",
            {"rescale-d": 1}, "multiplied by d"),
    Mistake("arguments overwritten", "A_new = A * d", "A_new = A\n    A_new *= d", {"rescale-d": 1}, "leave its arguments"),
    Mistake("columns normalized", "axis=1, keepdims=True", "axis=0, keepdims=True", {"cosine": 2}, "row"),
    Mistake("no square root", "np.sqrt((B**2).sum(axis=1, keepdims=True))", "(B**2).sum(axis=1, keepdims=True)",
            {"cosine": 2}, "length"),
    Mistake("example hard-coded", "return E @ E.T",
            "h = np.sqrt(0.5)\n    return np.array([[1, h, 0], [h, 1, h], [0, h, 1]])", {"cosine": 2}, "items"),
    Mistake("an item is its own neighbour", "row[item] = -np.inf", "pass", {"nearest": 1}, "itself"),
    Mistake("own similarity set to 0", "row[item] = -np.inf", "row[item] = 0", {"nearest": 1}, "leave the diagonal out"),
    Mistake("a d that was not tried", "if nearest(cosine(B / d), item) != before:", "if True:", {"swap": 3}, "nearest neighbour"),
    Mistake("d is not finite", "factor in (10, 0.1)", "factor in (np.inf, 0.1)", {"swap": 3}, "finite"),
]

ALTERNATIVES = [
    Alternative("scipy's distance, explicit matrices, random search", [
        ("lengths = np.sqrt((B**2).sum(axis=1, keepdims=True))\n    E = B / lengths\n    return E @ E.T",
         "from scipy.spatial.distance import cdist\n    return 1 - cdist(B, B, 'cosine')"),
        ("row = np.array(S[item], dtype=float)\n    row[item] = -np.inf\n    return int(np.argmax(row))",
         "order = np.argsort(-np.asarray(S)[item])\n    return order[0] if order[0] != item else order[1]"),
        ("A_new = A * d\n    B_new = B / d\n    return A_new, B_new",
         "D = np.diag(d)\n    return [A @ D, B @ np.linalg.inv(D)]"),
        ("k = B.shape[1]\n    for dimension in range(k):\n        for factor in (10, 0.1):\n            d = np.ones(k)\n"
         "            d[dimension] = factor\n            if nearest(cosine(B / d), item) != before:\n                return d",
         "search = np.random.default_rng(1)\n    while True:\n        d = list(np.exp(1.5 * search.normal(size=B.shape[1])))\n"
         "        if nearest(cosine(rescale(B, B, d)[1]), item) != before:\n            return d"),
    ]),
    Alternative("np.matrix and lists", [
        ('A_new = A * d\n    B_new = B / d',
         'A_new = np.matrix(A) @ np.diag(d)\n    B_new = np.matrix(B) @ np.diag(1 / np.asarray(d))'),
        ('                return d',
         '                return list(d)'),
    ]),
    Alternative("float32", [
        ('return E @ E.T',
         'return (E @ E.T).astype(np.float32)'),
        ('A_new = A * d\n    B_new = B / d',
         'A_new = (A * d).astype(np.float32)\n    B_new = (B / d).astype(np.float32)'),
    ]),
]
