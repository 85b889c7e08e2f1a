"""Operator nodes: what each checks on its own data, and how it confirms or rejects."""

from trading.operators.node import CONDUCTS, Conduct, OperatorNode, Verdict, Vote, session_tag
from trading.operators.rules import RULES, Case, Finding, Rule, findings

__all__ = [
    "CONDUCTS",
    "RULES",
    "Case",
    "Conduct",
    "Finding",
    "OperatorNode",
    "Rule",
    "Verdict",
    "Vote",
    "findings",
    "session_tag",
]
