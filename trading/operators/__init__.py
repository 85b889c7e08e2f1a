"""Operator nodes: what each checks on its own data, and how it confirms or rejects."""

from trading.operators.node import (
    CONDUCTS,
    MANNERS,
    Conduct,
    Manner,
    OperatorNode,
    Verdict,
    Vote,
)
from trading.operators.pseudonyms import Pseudonyms, SaltOf, TagOf, demonstration_salts
from trading.operators.rules import RULES, Case, Finding, Rule, findings
from trading.operators.salts import (
    SaltsFile,
    erase_salts,
    keep_salts,
    read_salts,
    write_salts,
)

__all__ = [
    "CONDUCTS",
    "MANNERS",
    "RULES",
    "Case",
    "Conduct",
    "Finding",
    "Manner",
    "OperatorNode",
    "Pseudonyms",
    "Rule",
    "SaltOf",
    "SaltsFile",
    "TagOf",
    "Verdict",
    "Vote",
    "demonstration_salts",
    "erase_salts",
    "findings",
    "keep_salts",
    "read_salts",
    "write_salts",
]
