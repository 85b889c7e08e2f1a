"""The HTTP API over an engine's database: `create_app` and what it is made of."""

from trading.web.app import create_app
from trading.web.auth import DiscoveredKeys, Role, Tokens
from trading.web.door import EngineDoor
from trading.web.issuer import DevelopmentIssuer, refuse_unless_loopback
from trading.web.limits import RateLimit
from trading.web.nodes import Nodes, OperatorDoor, nodes_at
from trading.web.runs import Runs
from trading.web.source import Source
from trading.web.studies import Studies

__all__ = [
    "DevelopmentIssuer",
    "DiscoveredKeys",
    "EngineDoor",
    "Nodes",
    "OperatorDoor",
    "RateLimit",
    "Role",
    "Runs",
    "Source",
    "Studies",
    "Tokens",
    "create_app",
    "nodes_at",
    "refuse_unless_loopback",
]
