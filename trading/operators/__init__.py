"""Operator nodes: what each checks on its own data, and how it confirms or rejects."""

from trading.operators.node import (
    CONDUCTS,
    MANNERS,
    Conduct,
    Manner,
    OperatorNode,
    Verdict,
    Vote,
    session_tag,
)
from trading.operators.rules import RULES, Case, Finding, Rule, findings

__all__ = [
    "CONDUCTS",
    "MANNERS",
    "RULES",
    "Case",
    "Conduct",
    "Finding",
    "Manner",
    "OperatorNode",
    "Rule",
    "Verdict",
    "Vote",
    "findings",
    "session_tag",
]
