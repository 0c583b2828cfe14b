"""The ledger of claims, and the check that a chapter runs.

`ledger/` holds every claim, one file for each chapter that checks some: where the paper makes it, its statement
in words and symbols, the relation that is checked, its tolerance and its status.
"""

import tomllib
from functools import cache
from importlib import resources
from types import MappingProxyType

import numpy as np

from ._checks import real_array, require


@cache
def ledger():
    """Read the ledger.

    Returns
    -------
    mapping
        "claims": claim id -> its fields and its "chapter"; "equations": equation number -> where it
        is in code. Read-only; `ledger/README.md` explains the fields.
    """
    package, claims = resources.files(__package__), {}
    for file in sorted(package.joinpath("ledger").iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            chapter = file.name.removesuffix(".toml")
            for name, claim in tomllib.loads(file.read_text(encoding="utf-8")).items():
                require(name not in claims, "ledger", "free of claims that stand twice", name)
                claims[name] = {**claim, "chapter": chapter}
    equations = tomllib.loads(package.joinpath("equations.toml").read_text(encoding="utf-8"))
    return MappingProxyType({"claims": claims, "equations": equations})


def check(claim_id: str, left, right) -> None:
    r"""Check a claim of the ledger against numbers; print one line if it holds.

    With :math:`s = \max(|left|, |right|)` over all entries and the claim's tolerance t:

    ====  =============================================  =======================================
    ==    :math:`\max |left - right| \le t s`            equal up to a relative tolerance
    <=    :math:`\max (left - right) \le t s`            a bound, up to rounding
    <     :math:`\max (left - right) < -t`               smaller by a margin, in left's unit
    !=    :math:`\max |left - right| > t s`              different by a relative margin
    ====  =============================================  =======================================

    Source: this project; the ledger names the paper's place for each claim.

    Parameters
    ----------
    claim_id : str
        A key of the ledger.
    left, right : float or array
        The two sides; of one shape, or one of them a number.

    Raises
    ------
    KeyError
        If the ledger has no such claim.
    ValueError
        If the shapes differ, or a side is empty, not finite or not made of numbers.
    AssertionError
        If the claim fails; the message gives the measured difference.

    Examples
    --------
    >>> check("case1-identity", np.eye(2), np.eye(2))
    case1-identity holds (==, 1e-10): At full rank and D = w^(1/2), the item–item cosine is the identity.
    """
    claims = ledger()["claims"]
    if claim_id not in claims:
        raise KeyError(f"claim_id must be in the ledger; got {claim_id!r}")
    claim = claims[claim_id]
    left, right = real_array(left, "left"), real_array(right, "right")
    require(left.shape == right.shape or 0 in (left.ndim, right.ndim), "left and right",
            "of one shape, or one of them a number", f"{left.shape} and {right.shape}")
    require(left.size and right.size and np.isfinite(left).all() and np.isfinite(right).all(),
            "left and right", "finite and not empty", f"{left} and {right}")

    relation, tolerance = claim["relation"], claim["tolerance"]
    if not _holds(left, right, relation, tolerance):
        raise AssertionError(
            f"{claim_id} fails: left {relation} right is off; largest |left - right| = "
            f"{np.abs(left - right).max():.3g}, largest left - right = {(left - right).max():.3g}, "
            f"tolerance {tolerance:g}. Claim: {claim['statement']}")
    print(f"{claim_id} holds ({relation}, {tolerance:g}): {claim['statement']}")


def _holds(left, right, relation, tolerance):
    scale = max(np.abs(left).max(), np.abs(right).max())
    difference = left - right
    return {
        "==": np.abs(difference).max() <= tolerance * scale,
        "<=": difference.max() <= tolerance * scale,
        "<": difference.max() < -tolerance,
        "!=": np.abs(difference).max() > tolerance * scale,
    }[relation]
