"""Pseudonyms: nothing on chain joins two stays, and only a salt leads from an account to a stay."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pandas as pd
import pytest
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from trading.chain import open_network
from trading.engine.consensus import Consensus, operators_of
from trading.engine.desk import SettlementDesk
from trading.engine.enrolment import LOT, Cast, found
from trading.errors import ConfigError, OptionError
from trading.lot import LotRules, Stays, Terms, simulate_lot
from trading.market import PRIORITIES
from trading.operators import (
    Pseudonyms,
    SaltsFile,
    demonstration_salts,
    erase_salts,
    keep_salts,
    read_salts,
    write_salts,
)
from trading.operators.pseudonyms import drawn_salt

SESSIONS = ["2019-10-29 CA-303", "2019-10-30 CA-303"]
SALTS = st.binary(min_size=32, max_size=32)


def drawn() -> dict[str, bytes]:
    return {session: drawn_salt() for session in SESSIONS}


def test_tag_is_the_hash_of_salt_and_session() -> None:
    salt = bytes(range(32))
    assert Pseudonyms({"stay": salt}.get).tag("stay") == "0x" + keccak(salt + b"stay").hex()


@given(one=SALTS, other=SALTS, session=st.text(max_size=40))
def test_same_session_has_another_tag_under_another_salt(
    one: bytes, other: bytes, session: str
) -> None:
    tags = {Pseudonyms({session: salt}.get).tag(session) for salt in (one, other)}
    assert len(tags) == len({one, other})


def test_drawn_salts_differ_and_a_seeds_are_repeated() -> None:
    assert len({*drawn().values(), *drawn().values()}) == 4
    tags = [Pseudonyms(demonstration_salts(seed)).tag(SESSIONS[0]) for seed in (7, 7, 8)]
    assert tags[0] == tags[1] != tags[2]


def test_an_erased_salt_leaves_a_tag_that_nobody_knows(tmp_path: Path) -> None:
    path = tmp_path / "salts.json"
    known = Pseudonyms(keep_salts(path, SESSIONS).get)
    tag = known.tag(SESSIONS[0])
    assert known.by_tag(SESSIONS)[tag] == SESSIONS[0]
    assert erase_salts(path, [SESSIONS[0], "never there"]) == 1
    left = Pseudonyms(read_salts(path).get)
    assert left.by_tag(SESSIONS) == {known.tag(SESSIONS[1]): SESSIONS[1]}
    assert left.find(SESSIONS[0]) is None
    with pytest.raises(OptionError, match="whose salt is held here"):
        left.tag(SESSIONS[0])
    # Guessing the session does not help either, and a new salt gives another tag.
    assert tag != Pseudonyms(keep_salts(path, SESSIONS).get).tag(SESSIONS[0])


def test_salts_are_32_bytes_and_never_shown() -> None:
    with pytest.raises(OptionError, match="32 bytes") as caught:
        Pseudonyms({"stay": b"\xabcdef"}.get).tag("stay")
    assert "abcd" not in str(caught.value)


def test_file_comes_back_as_written_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "salts.json"
    assert read_salts(path) == {}
    salts = drawn()
    write_salts(salts, path)
    assert read_salts(path) == keep_salts(path, SESSIONS) == salts
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    erase_salts(path, [SESSIONS[0]])
    assert salts[SESSIONS[0]].hex() not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["salts.json"]


def test_a_salt_is_on_the_disk_before_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "salts.json"
    before = keep_salts(path, SESSIONS[:1])
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        keep_salts(path, SESSIONS)
    assert read_salts(path) == before


def test_a_file_that_grows_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "salts.json"
    file = SaltsFile(path)
    assert file.salt_of(SESSIONS[0]) is None
    salts = keep_salts(path, SESSIONS[:1])
    assert file.salt_of(SESSIONS[0]) == salts[SESSIONS[0]]
    salts = keep_salts(path, SESSIONS)
    assert file.salt_of(SESSIONS[1]) == salts[SESSIONS[1]]
    erase_salts(path, SESSIONS[:1])
    assert file.salt_of(SESSIONS[0]) is None
    path.unlink()
    assert file.salt_of(SESSIONS[1]) is None


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"version": 2}', '{"version": 1, "salts": []}']
    + [json.dumps({"version": 1, "salts": {"stay": salt}}) for salt in ("12", 5, "g" * 64)],
)
def test_file_of_something_else_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "salts.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"salts\.json"):
        read_salts(path)


def two_days() -> pd.DataFrame:
    """One buyer and one seller that come on two days: four stays of two vehicles."""
    rows = []
    for day in (29, 30):
        arrival = pd.Timestamp(f"2019-10-{day}T08:00Z")
        for vehicle, soc, need_wh in (("buyer", 0.3, 15_000), ("seller", 0.9, 0)):
            rows.append(
                {
                    "session_id": f"{vehicle} {day}",
                    "arrival": arrival,
                    "departure": arrival + pd.Timedelta(hours=4),
                    "estimated_departure": pd.NaT,
                    "battery_capacity_wh": 60_000,
                    "soc_arrival": soc,
                    "soc_source": "declared",
                    "need_wh": need_wh,
                    "charge_power_w": 6_656,
                    "discharge_power_w": 6_656,
                    "reserve_soc": 0.0,
                }
            )
    frame = pd.DataFrame(rows)
    frame["estimated_departure"] = pd.to_datetime(frame["estimated_departure"], utc=True)
    return frame


def test_operators_with_the_salts_know_the_stays_and_the_others_find_strangers() -> None:
    rules, terms, sessions = LotRules(), Terms(), two_days()
    stays = Stays(sessions, rules)
    cast = Cast.demonstration(3, operators=4, stays=stays)
    genesis = int(pd.Timestamp("2019-10-29T06:00Z").timestamp())
    with open_network("embedded", genesis_time=genesis) as network:
        enrolment = found(
            network,
            cast,
            stays=stays,
            terms=terms,
            price=terms.peer_price(rules.guarantee, rules.efficiency),
            quorum=3,
        )
        accounts = [enrolment.consortium.account(n) for n in enrolment.accounts().values()]
        nodes = operators_of(
            Consensus(), cast, enrolment, lambda: sessions, rules=rules, terms=terms
        )
        stranger = operators_of(
            Consensus(operators=1, quorum=1),
            _without_salts(cast),
            enrolment,
            lambda: sessions,
            rules=rules,
            terms=terms,
        )[3]
        desk = SettlementDesk(
            consortium=enrolment.consortium,
            engine=cast.engine,
            accounts=enrolment.accounts(),
            operators=[*nodes[:3], stranger],
            stays=stays,
            terms=terms,
            lot=LOT,
        )
        simulate_lot(
            sessions, rules=rules, terms=terms, mechanism=PRIORITIES["pro-rata"], agree=desk.agree
        )
        desk.close()
        trades = desk.trades()
    # One vehicle's two days share neither tag nor account nor owner.
    assert len({account.tag for account in accounts}) == 4
    assert len({account.owner for account in accounts}) == 4
    assert set(trades["status"]) == {"settled"}
    assert set(trades["interval_start"].astype(str).str[:10]) == {"2019-10-29", "2019-10-30"}
    rejected = [v for v in stranger.verdicts if v.vote == "rejected"]
    assert rejected
    assert {finding.rule for verdict in rejected for finding in verdict.findings} >= {"parties"}
    assert "belongs to no session known here" in rejected[0].reason


def _without_salts(cast: Cast) -> Cast:
    return Cast(
        authority=cast.authority,
        operators=cast.operators,
        engine=cast.engine,
        lot_operator=cast.lot_operator,
        drivers=cast.drivers,
        pseudonyms=Pseudonyms({}.get),
    )
