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
from trading.operators.pseudonyms import Pseudonyms
from trading.operators.rules import RULES, Case, Finding, Rule, findings
from trading.operators.salts import read_salts, write_salts

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
    "Verdict",
    "Vote",
    "findings",
    "read_salts",
    "write_salts",
]
