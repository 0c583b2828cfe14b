"""Audit your own embeddings.

`measure` has the numbers, `findings` and `known` what they say, `report` shows it, `files` reads, `command` runs all.
"""

from .findings import audit
from .report import Audit, Finding, sentences

__all__ = ["Audit", "Finding", "audit", "sentences"]
