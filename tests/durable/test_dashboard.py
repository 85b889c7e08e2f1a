"""The dashboard asks for metrics that engine and operator give, by their real names and labels."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.durable.lot import found, operator_keys
from tests.durable.small import operator_of, small_engine
from tests.tools import PATIENCE_S
from trading.chain import Network
from trading.engine.http import serve_engine
from trading.operators.http import serve_operator
from trading.store import open_database

pytestmark = pytest.mark.node

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "peercharge.json"
Samples = dict[str, set[str]]
"""Labels by the name of a sample."""


def samples_of(url: str) -> Samples:
    names: Samples = {}
    for family in text_string_to_metric_families(
        httpx.get(url + "/metrics", trust_env=False, timeout=PATIENCE_S).text
    ):
        for sample in family.samples:
            names.setdefault(sample.name, set()).update(sample.labels)
    return names


def test_every_metric_of_the_dashboard_exists(network: Network, tmp_path: Path) -> None:
    consortium = found(network)
    with (
        open_database(str(tmp_path / "engine.db")) as first,
        open_database(str(tmp_path / "operator.db")) as second,
    ):
        engine = small_engine(first, consortium)
        operator = operator_of(second, consortium, operator_keys()[0], None)
        with (
            serve_engine(engine, listen="127.0.0.1:0") as engine_url,
            serve_operator(operator, listen="127.0.0.1:0") as operator_url,
        ):
            given = {"$engine": samples_of(engine_url), "$operator": samples_of(operator_url)}
    asked = [
        target["expr"]
        for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
        for target in panel.get("targets", [])
    ]
    assert len(asked) >= 20
    shown: set[str] = set()
    for expression in asked:
        (name,) = re.findall(r"peercharge_\w+", expression)
        shown.add(name)
        who = [mark for mark in given if mark in expression] or list(given)
        for mark in who:
            assert name in given[mark], f"{mark} has no {name}"
            matched = re.search(name + r"\{(.*?)\}", expression)
            labels = set(re.findall(r"(\w+)=", matched[1])) if matched else set()
            assert labels - {"job"} <= given[mark][name], expression
    ours = {name for names in given.values() for name in names if not name.endswith("_created")}
    assert ours == shown, "what is measured is shown"
