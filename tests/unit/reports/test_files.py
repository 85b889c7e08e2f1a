from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.reports import days
from trading.engine import DayResult
from trading.errors import OptionError
from trading.reports import FIGURES, write_day

HEADS = {
    "trades.csv": "interval_start,trade_id,batch_id,buyer_id,seller_id,energy_wh,"
    "price_ueur_per_kwh,cost_ueur,seller_price_ueur_per_kwh,income_ueur,status",
    "vehicles.csv": "session_id,role,arrival,departure,battery_capacity_wh,soc_arrival,"
    "soc_departure,need_wh,from_peers_wh,from_grid_wh,to_peers_wh,missing_wh,paid_peers_ueur,"
    "paid_grid_ueur,earned_ueur,replacement_cost_ueur",
    "load.csv": "time,grid_only_w,with_p2p_w,p2p_w",
    "chain.csv": "block,time,transaction,event,batch_id,actor,detail",
    "scenarios.csv": "scenario,v2g_share,trades,blocked,peers_wh,grid_wh,peak_w,drivers_cost_ueur,"
    "buyers_gain_ueur,sellers_gain_ueur,missing_wh,replacement_cost_ueur",
    "baselines.csv": "label,cost_ueur,peak_w,grid_wh,missing_wh",
}
KEYS = (
    *("energy_traded_wh", "trades", "pending", "confirmed", "settled", "rejected", "cancelled"),
    *("expired", "blocked", "dust_wh", "missing_wh", "cost_grid_only_ueur", "cost_with_p2p_ueur"),
    *("peak_grid_only_w", "peak_with_p2p_w", "gas_used", "gas_per_trade", "network", "chain_id"),
    *("contract_address", "guarantee", "seed", "version"),
)


def files_in(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, troubled_day: DayResult) -> Path:
    folder = tmp_path_factory.mktemp("out") / "day"
    assert write_day(troubled_day, folder) == folder / "report.html"
    return folder


def test_exactly_these_files_are_written(folder: Path) -> None:
    figures = [f"figures/{entry.file_name}" for entry in FIGURES.values()]
    assert set(files_in(folder)) == {*HEADS, *figures, "summary.json", "report.html"}


@pytest.mark.parametrize("name", HEADS)
def test_columns_are_fixed(name: str, folder: Path) -> None:
    assert (folder / name).read_text().splitlines()[0] == HEADS[name]


def test_rows_are_those_of_the_result(folder: Path, troubled_day: DayResult) -> None:
    for name, table in (
        ("trades.csv", troubled_day.trades),
        ("vehicles.csv", troubled_day.accounts.vehicles),
        ("load.csv", troubled_day.accounts.load),
    ):
        assert len((folder / name).read_text().splitlines()) == len(table) + 1


def test_keys_of_the_summary_are_in_order(folder: Path) -> None:
    assert tuple(json.loads((folder / "summary.json").read_text())) == KEYS


def test_the_same_day_gives_the_same_bytes(
    folder: Path, tmp_path: Path, troubled_day: DayResult
) -> None:
    write_day(troubled_day, tmp_path)
    assert files_in(tmp_path) == files_in(folder)


def test_a_day_without_batches_is_written_with_all_columns(tmp_path: Path) -> None:
    write_day(days.make_day(days.one_stay()), tmp_path)
    for name, head in HEADS.items():
        assert (tmp_path / name).read_text().splitlines()[0] == head


def test_nothing_is_written_when_the_folder_cannot_be(
    tmp_path: Path, troubled_day: DayResult
) -> None:
    (tmp_path / "trades.csv").mkdir()
    with pytest.raises(OptionError, match="no folder named"):
        write_day(troubled_day, tmp_path)
    assert files_in(tmp_path) == {}
