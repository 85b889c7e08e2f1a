"""The same engine on PostgreSQL, where `PEERCHARGE_TEST_POSTGRES` names an empty database.

PEERCHARGE_TEST_POSTGRES=postgresql+psycopg://postgres@127.0.0.1:5432/engine pytest ...
"""

from __future__ import annotations

import os

import pytest
from sqlalchemy import create_engine

from tests.durable.lot import drive, engine_of, found, nodes_of, sessions
from trading.chain import Network
from trading.engine.audit import audit
from trading.errors import StoreError
from trading.store import Mirror, open_database
from trading.store.schema import metadata

pytestmark = pytest.mark.node

URL = os.environ.get("PEERCHARGE_TEST_POSTGRES", "")


@pytest.mark.skipif(not URL, reason="PEERCHARGE_TEST_POSTGRES names no database")
def test_engine_on_postgres(network: Network) -> None:
    frame, consortium = sessions(10), found(network)
    with open_database(URL) as database:
        with pytest.raises(StoreError, match="in use by another process"), open_database(URL):
            pass
        engine = engine_of(database, consortium, frame)
        drive(engine, nodes_of(consortium, frame))
        assert set(engine.trades()["status"]) == {"settled"}
        assert audit(consortium, database=database).differences == ()
        mirror = Mirror(database, consortium)
        mirror.throw_away()
        mirror.follow()
        assert audit(consortium, database=database).differences == ()
    plain = create_engine(URL)
    metadata.drop_all(plain)
    with plain.begin() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
    plain.dispose()
