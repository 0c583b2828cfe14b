"""Assignment 6: what goes wrong, and what it costs."""

from grading.seeded import Alternative, Mistake

MISTAKES = [
    Mistake("square root lost", "return np.sqrt(large / small)", "return large / small", {"price": 2}, "square root"),
    Mistake("smaller sum over the larger", "return np.sqrt(large / small)", "return np.sqrt(small / large)", {"price": 2}, "square root of 2"),
    Mistake("rho for the price", "return np.sqrt(large / small)", "return (large + small) / (large - small)", {"price": 2}, "square root"),
    Mistake("products counted, not added", "plus, minus = products[products > 0].sum(), -products[products < 0].sum()",
            "plus, minus = (products > 0).sum(), (products < 0).sum()", {"price": 2}, "square root of 2"),
    Mistake("always positive over negative", "small, large = min(plus, minus), max(plus, minus)",
            "small, large = (minus, plus) if min(plus, minus) > 0 else (0, plus)", {"price": 2}, "the sign of one of them"),
    Mistake("a safe sign costs nothing", "return np.inf", "return 1.0", {"price-safe": 1}, "np.inf"),
    Mistake("safe only if positive", "return np.inf", "return np.inf if minus == 0 else 1.0", {"price-safe": 1}, "whichever it is"),
    Mistake("weights for divisors", "d = np.where(against, 1, kappa)", "d = np.where(against, kappa, 1)", {"turn": 3}, "count less"),
    Mistake("kappa squared", "d = np.where(against, 1, kappa)", "d = np.where(against, 1, kappa**2)", {"turn": 3}, "must not exceed kappa"),
    Mistake("not all of kappa", "d = np.where(against, 1, kappa)", "d = np.where(against, 1, 0.8 * kappa)", {"turn": 3}, "other sign"),
    Mistake("only positive cosines turned", "against = products * products.sum() < 0", "against = products < 0", {"turn": 3}, "negative cosine too"),
    Mistake("one dimension for all", "against = products * products.sum() < 0", "against = np.arange(len(products)) == len(products) - 1",
            {"turn": 3}, "all the weight"),
    Mistake("added to the cosine", "return np.tanh(z - way), np.tanh(z + way)", "return gamma - way, gamma + way", {"bound": 2}, "tanh"),
    Mistake("cut off at 1", "return np.tanh(z - way), np.tanh(z + way)", "return max(-1, gamma - way), min(1, gamma + way)", {"bound": 2}, "artanh"),
    Mistake("kappa squared on Fisher's scale", "way = np.arctanh(gamma), np.log(kappa)", "way = np.arctanh(gamma), 2 * np.log(kappa)", {"bound": 2}, "artanh"),
    Mistake("another logarithm", "way = np.arctanh(gamma), np.log(kappa)", "way = np.arctanh(gamma), np.log10(kappa)", {"bound": 2}, "natural logarithm"),
    Mistake("highest first", "return np.tanh(z - way), np.tanh(z + way)", "return np.tanh(z + way), np.tanh(z - way)", {"bound": 2}, "lowest value comes first"),
    Mistake("lengths forgotten", "u = b / np.linalg.norm(b) + c / np.linalg.norm(c)", "u = b + c", {"push": 3}, "unit vectors"),
    Mistake("away from each other", "u = b / np.linalg.norm(b) + c / np.linalg.norm(c)", "u = b / np.linalg.norm(b) - c / np.linalg.norm(c)",
            {"push": 3}, "towards each other"),
    Mistake("kappa on top of the identity", "stretch = kappa - 1", "stretch = kappa", {"push": 3}, "must not exceed kappa"),
    Mistake("only the root of kappa", "stretch = kappa - 1", "stretch = np.sqrt(kappa) - 1", {"push": 3}, "upper end"),
]

ALTERNATIVES = [
    Alternative("the price from rho, the mean of d at 1, odds, the short way between", [
        ("plus, minus = products[products > 0].sum(), -products[products < 0].sum()\n    small, large = min(plus, minus), max(plus, minus)\n"
         "    if small == 0:\n        return np.inf\n    return np.sqrt(large / small)",
         "signs = set(np.sign(products)) - {0}\n    rho = abs(products.sum()) / np.abs(products).sum()\n"
         "    return np.inf if len(signs) < 2 else np.sqrt((1 + rho) / (1 - rho))"),
        ("d = np.where(against, 1, kappa)", "d = np.where(np.sign(b * c) == np.sign(b @ c), np.sqrt(kappa), 1 / np.sqrt(kappa))"),
        ("z, way = np.arctanh(gamma), np.log(kappa)\n    return np.tanh(z - way), np.tanh(z + way)",
         "o = (1 + gamma) / (1 - gamma)\n    return np.array([(r - 1) / (r + 1) for r in (o / kappa**2, o * kappa**2)])"),
        ("u = b / np.linalg.norm(b) + c / np.linalg.norm(c)  # between the two\n    u = u / np.linalg.norm(u)\n    stretch = kappa - 1\n"
         "    return np.eye(len(u)) + stretch * np.outer(u, u)",
         "v = b / np.linalg.norm(b) - c / np.linalg.norm(c)\n    return 5 * (np.eye(len(v)) - (1 - 1 / kappa) * np.outer(v, v) / (v @ v))"),
    ]),
    Alternative("np.matrix and lists", [
        ("return d\n", "return list(d)\n"),
        ("return np.tanh(z - way), np.tanh(z + way)", "return [np.tanh(z - way), np.tanh(z + way)]"),
        ("return np.eye(len(u)) + stretch * np.outer(u, u)", "return np.matrix(np.eye(len(u)) + stretch * np.outer(u, u))"),
    ]),
    Alternative("float32, and a column of its own for each", [
        ("return np.sqrt(large / small)", "return np.float32(np.sqrt(large / small))"),
        ("return np.tanh(z - way), np.tanh(z + way)", "return np.float32(np.tanh(z - way)), np.float32(np.tanh(z + way))"),
        ("return np.eye(len(u)) + stretch * np.outer(u, u)", "return (np.eye(len(u)) + stretch * np.outer(u, u)).astype(np.float32)"),
    ]),
]
