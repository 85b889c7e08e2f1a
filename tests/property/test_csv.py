"""What is written is read back the same, and the same table is the same bytes."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pandera.pandas as pa
from hypothesis import given
from hypothesis import strategies as st

from trading.data.csv import read_table, write_table
from trading.tables import UTC_TIME

SCHEMA = pa.DataFrameSchema(
    {
        "id": pa.Column(str),
        "energy_wh": pa.Column("int64"),
        "soc": pa.Column(float),
        "level": pa.Column(float, nullable=True),
        "time": pa.Column(UTC_TIME),
        "maybe": pa.Column(UTC_TIME, nullable=True),
    }
)

# All but surrogates, which are not text, and NUL, which a file of text does not hold.
texts = st.text(st.sampled_from("a\r\n\",' é"), max_size=5) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5
)
times = st.datetimes(
    dt.datetime(1900, 1, 2), dt.datetime(2200, 12, 30), timezones=st.just(dt.UTC)
) | st.datetimes(
    dt.datetime(1900, 1, 2),
    dt.datetime(2200, 12, 30),
    timezones=st.timezones(),
    allow_imaginary=False,
).map(lambda time: time.replace(microsecond=0))


@given(
    rows=st.lists(
        st.tuples(
            texts,
            st.integers(-(2**63), 2**63 - 1),
            st.floats(allow_nan=False, allow_infinity=False),
            st.none() | st.floats(allow_nan=False, allow_infinity=False),
            times,
            st.none() | times,
        ),
        min_size=1,
        max_size=6,
    )
)
def test_a_table_survives_being_written_and_read(rows: list[tuple[object, ...]]) -> None:
    columns = dict(zip(SCHEMA.columns, zip(*rows, strict=True), strict=True))
    frame = pd.DataFrame(
        {
            "id": pd.Series(columns["id"], dtype="str"),
            "energy_wh": pd.Series(columns["energy_wh"], dtype="int64"),
            "soc": pd.Series(columns["soc"], dtype="float64"),
            "level": pd.Series(columns["level"], dtype="float64"),
            "time": pd.to_datetime(pd.Series(columns["time"], dtype=object), utc=True).astype(
                UTC_TIME
            ),
            "maybe": pd.to_datetime(pd.Series(columns["maybe"], dtype=object), utc=True).astype(
                UTC_TIME
            ),
        }
    )
    with TemporaryDirectory() as folder:
        first, second = Path(folder) / "first.csv", Path(folder) / "second.csv"
        write_table(frame, first)
        table = read_table(first, SCHEMA)
        write_table(table, second)
        assert first.read_bytes() == second.read_bytes()
    pd.testing.assert_frame_equal(table, frame, check_exact=True)
