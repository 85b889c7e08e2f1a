"""A configuration becomes the scenarios that it says, or one message with every fault."""

from __future__ import annotations

import gzip
import re
import shutil
from dataclasses import fields
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.study.plans import SMALL, TWENTY_FOUR, plan_of
from trading.data import sample_path
from trading.errors import ConfigError
from trading.study import KEYS, Scenario, evaluate, read_plan
from trading.study.axes import NONE, drawn

EXAMPLE = Path(__file__).parents[3] / "trading" / "study" / "example.toml"
PAGE = EXAMPLE.parents[2] / "docs" / "sweep.md"
WEEKDAYS = ["2019-10-28", "2019-10-29", "2019-10-30", "2019-10-31", "2019-11-01"]


def test_an_empty_file_is_one_run_over_the_sample(tmp_path: Path) -> None:
    (scenario,) = plan_of("", tmp_path).scenarios
    assert (scenario.lot, scenario.from_date, scenario.to_date) == (
        "sample",
        "2019-10-28",
        "2019-11-03",
    )
    assert scenario.rules() == Scenario().rules()


def test_lists_are_crossed_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = SMALL + "[grid]\nmechanism = ['arrival', 'largest']\nseed = [3, 1, 2]\n"
    plan = plan_of(text, tmp_path)
    found = [(s.mechanism, s.seed) for s in plan.scenarios]
    assert found == list(product(["arrival", "largest"], [3, 1, 2]))
    assert {s.interval_s for s in plan.scenarios} == {3600}


def test_each_point_of_the_grid_gets_the_same_draws(tmp_path: Path) -> None:
    plan = plan_of(TWENTY_FOUR, tmp_path)
    assert len(plan.scenarios) == 3 * 2 * 4
    draws: dict[tuple[float, int], list[tuple[float, int]]] = {}
    for s in plan.scenarios:
        draw = (s.v2g_share, s.lot_tariff_ueur_per_kwh)
        draws.setdefault((s.seller_threshold, s.seed), []).append(draw)
    assert len({tuple(found) for found in draws.values()}) == 1


def test_draws_are_a_latin_hypercube(tmp_path: Path) -> None:
    text = """
    [sample]
    n = 50
    seed = 4
    [sample.ranges]
    v2g_share = { low = 0.5, high = 1.0 }
    wear_ueur_per_kwh = { low = 0, high = 99 }
    interval_s = [300, 600, 900, 1200, 1800]
    limits = [true, false]
    """
    scenarios = plan_of(text, tmp_path).scenarios
    assert len(scenarios) == 50
    # One value in each of 50 strips of equal width, and each choice as often as the others.
    assert sorted(int((s.v2g_share - 0.5) * 100) for s in scenarios) == list(range(50))
    assert sorted(s.wear_ueur_per_kwh // 2 for s in scenarios) == list(range(50))
    for interval_s in (300, 600, 900, 1200, 1800):
        assert sum(s.interval_s == interval_s for s in scenarios) == 10
    assert sum(s.limits for s in scenarios) == 25


def test_the_same_seed_draws_the_same_and_another_does_not(tmp_path: Path) -> None:
    digests = [
        plan_of(text, tmp_path).digest()
        for text in (TWENTY_FOUR, TWENTY_FOUR, TWENTY_FOUR.replace("seed = 7", "seed = 8"))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_comments_and_layout_do_not_make_another_plan(tmp_path: Path) -> None:
    digest = plan_of(TWENTY_FOUR, tmp_path).digest()
    assert plan_of("# why\n\n" + TWENTY_FOUR, tmp_path).digest() == digest


def test_a_thousand_draws_at_ten_points_have_ten_thousand_keys(tmp_path: Path) -> None:
    text = """
    [grid]
    seed = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    [sample]
    n = 1000
    [sample.ranges]
    v2g_share = { low = 0.0, high = 1.0 }
    """
    plan = plan_of(text, tmp_path)
    assert len({s.key() for s in plan.scenarios}) == 10_000


@given(
    low=st.integers(-1000, 1000),
    width=st.integers(1, 1000),
    step=st.integers(1, 50),
    u=st.floats(0, 1, exclude_max=True),
)
def test_a_draw_of_whole_numbers_is_a_step_within_the_range(low, width, step, u) -> None:
    value = drawn("seed", {"low": low, "high": low + width, "step": step}, u)
    assert low <= value <= low + width
    assert (value - low) % step == 0


def test_steps_of_a_fraction_are_written_as_people_write_them(tmp_path: Path) -> None:
    text = """
    [sample]
    n = 19
    [sample.ranges]
    v2g_share = { low = 0.1, high = 1.0, step = 0.05 }
    """
    found = sorted(s.v2g_share for s in plan_of(text, tmp_path).scenarios)
    assert found == [round(0.1 + 0.05 * i, 2) for i in range(19)]


# ---------------------------------------------------------------------- dates and lots


def test_a_table_of_days_is_a_run_for_each_day_with_sessions(tmp_path: Path) -> None:
    text = "[grid]\ndate = [{ from = '2019-10-01', days = 'weekdays' }]"
    found = [(s.from_date, s.to_date) for s in plan_of(text, tmp_path).scenarios]
    assert found == [(day, day) for day in WEEKDAYS]


def test_days_can_be_asked_to_have_so_many_sessions(tmp_path: Path) -> None:
    text = "[grid]\ndate = [{ at_least = 40 }, 2019-11-02]"
    found = [s.from_date for s in plan_of(text, tmp_path).scenarios]
    assert found == ["2019-10-29", "2019-11-01", "2019-11-02"]


def test_a_range_of_days_is_one_run(tmp_path: Path) -> None:
    plan = plan_of("[grid]\ndate = ['2019-10-28..2019-10-30', '2019-11-01']", tmp_path)
    found = [(s.from_date, s.to_date) for s in plan.scenarios]
    assert found == [("2019-10-28", "2019-10-30"), ("2019-11-01", "2019-11-01")]


def test_lots_are_read_beside_the_file_and_have_days_of_their_own(tmp_path: Path) -> None:
    lines = sample_path().read_text(encoding="utf-8").splitlines(keepends=True)
    tuesday = lines[:1] + [line for line in lines if line.startswith("2019-10-29")]
    (tmp_path / "tuesday.csv").write_text("".join(tuesday), encoding="utf-8")
    (tmp_path / "all.csv.gz").write_bytes(gzip.compress("".join(lines).encode(), mtime=0))
    text = """
    [grid]
    date = [{ days = "weekdays" }]
    [lots.small]
    sessions = "tuesday.csv"
    format = "acn"
    [lots.large]
    sessions = "all.csv.gz"
    format = "acn"
    timezone = "America/Los_Angeles"
    """
    found = [(s.lot, s.from_date) for s in plan_of(text, tmp_path).scenarios]
    assert found == [("small", "2019-10-29")] + [("large", day) for day in WEEKDAYS]
    only = plan_of("base.lot = 'small'\n" + text, tmp_path)
    assert {s.lot for s in only.scenarios} == {"small"}


def test_lots_and_days_can_bedrawn(tmp_path: Path) -> None:
    shutil.copy(sample_path(), tmp_path / "copy.csv")
    text = """
    [sample]
    n = 20
    [sample.ranges]
    lot = ["a", "b"]
    date = [{ days = "weekdays" }, "2019-11-03"]
    [lots.a]
    sessions = "sample"
    [lots.b]
    sessions = "copy.csv"
    format = "acn"
    """
    scenarios = plan_of(text, tmp_path).scenarios
    assert len(scenarios) == 20
    assert {s.lot for s in scenarios} == {"a", "b"}
    assert {s.from_date for s in scenarios} <= {*WEEKDAYS, "2019-11-03"}


def test_a_folder_can_move_without_its_scenarios_changing(tmp_path: Path) -> None:
    text = "[lots.a]\nsessions = 'a.csv'\nformat = 'acn'\n" + SMALL
    digests = []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        shutil.copy(sample_path(), tmp_path / name / "a.csv")
        digests.append(plan_of(text, tmp_path / name).digest())
    assert digests[0] == digests[1]


def test_no_limit_has_a_word_beside_limits(tmp_path: Path) -> None:
    text = """
    base.pricing = "none"
    grid.connection_w = ["none", 30_000]
    grid.price_ueur_per_kwh = [400_000, "middle"]
    """
    found = [
        (s.connection_w, s.price_ueur_per_kwh, s.pricing) for s in plan_of(text, tmp_path).scenarios
    ]
    assert found == list(product([None, 30_000], [400_000, None], [None]))


def test_scenarios_with_crossed_thresholds_are_refused_or_left_out(tmp_path: Path) -> None:
    grid = SMALL + "[grid]\nbuyer_threshold = [0.5, 0.8]\nseller_threshold = [0.7, 0.9]\n"
    with pytest.raises(ConfigError, match="needs T_b <= T_s"):
        plan_of(grid, tmp_path)
    plan = plan_of("skip_crossed_thresholds = true\n" + grid, tmp_path)
    found = [(s.buyer_threshold, s.seller_threshold) for s in plan.scenarios]
    assert found == [(0.5, 0.7), (0.5, 0.9), (0.8, 0.9)]
    assert plan.crossed == 1


# ---------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("grid = 3", "grid=3: expected a table"),
        ("[gird]\n", "gird: not a key; expected one of"),
        ("[gird]\n", "did you mean 'grid'?"),
        ("[grid]\nv2g_shares = [0.5]", "did you mean 'v2g_share'?"),
        ("[grid]\nv2g_share = 0.5", "grid.v2g_share=0.5: expected a list"),
        ("[grid]\nv2g_share = []", "grid.v2g_share=[]: expected a list of one value or more"),
        ("[grid]\nv2g_share = [0.5, 'all']", "grid.v2g_share[1]='all': expected a finite number"),
        ("[grid]\nv2g_share = [0.5, 0.5]", "grid.v2g_share[1]=0.5: expected each value once"),
        ("[grid]\nv2g_share = [0.5, 1.4]", "v2g_share=1.4: expected a share from 0 to 1"),
        ("[base]\nv2g_share = nan", "base.v2g_share=nan: expected a finite number"),
        ("[base]\nseed = 1.0", "base.seed=1.0: expected a whole number"),
        (f"[base]\nseed = {10**400}", "expected a whole number of at most 64 bits"),
        (f"[base]\nv2g_share = {10**400}", "expected a finite number"),
        ("[sample]\nn = 1000001\n[sample.ranges]\nseed = [1]", "expected at most 1000000"),
        ("[base]\nseed = true", "base.seed=True: expected a whole number"),
        ("[base]\nstrict = 1", "base.strict=1: expected true or false"),
        ("[base]\nprice_ueur_per_kwh = 'low'", "of at most 64 bits, or 'middle'"),
        ("[base]\nseed = 1\n[grid]\nseed = [1]", "seed: expected in one place, found in base and"),
        ("[base]\ninterval_s = 7", "base.interval_s='7 s': expected 1 to 60 minutes"),
        ("[base]\nmechanism = 'pro-rate'", "did you mean 'pro-rata'?"),
        ("[base]\nassignment = 'full-depature'", "did you mean 'full-departure'?"),
        ("[base]\nsessions = 'x.csv'", "base.sessions: not a key"),
        ("[base]\nlot = 'garage'", "base.lot='garage': expected one of sample"),
        ("[base]\ndate = '2019-13-01'", "base.date='2019-13-01': expected a day as"),
        ("[base]\ndate = '2019-11-03..2019-10-28'", "expected a day as"),
        ("[base]\ndate = 2020-01-01", "date='2020-01-01': expected days with sessions in lot"),
        ("[base]\ndate = { days = 'weekdays' }", "base.date="),
        ("[grid]\ndate = [{ days = 'holidays' }]", "date[0].days='holidays': expected one of all"),
        ("[grid]\ndate = [{ form = '2019-10-28' }]", "did you mean 'from'?"),
        ("[grid]\ndate = [{ at_least = 999 }]", "there are none"),
        ("[sample]\nn = 3", "expected n, how many draws, and [sample.ranges]"),
        ("[sample]\nn = 0\n[sample.ranges]\nseed = [1]", "sample.n=0: expected a whole number"),
        (
            "[sample]\nn = 2\n[sample.ranges]\nv2g_share = { low = 1.0, high = 0.0 }",
            "expected low below high",
        ),
        (
            "[sample]\nn = 2\n[sample.ranges]\nv2g_share = { low = 0.0, hihg = 1.0 }",
            "did you mean 'high'?",
        ),
        (
            "[sample]\nn = 2\n[sample.ranges]\nseed = { low = 0, high = 1.5 }",
            "sample.ranges.seed.high=1.5: expected a whole number",
        ),
        (
            "[sample]\nn = 2\n[sample.ranges]\nv2g_share = { low = 0.0, high = 1.0, step = 0.0 }",
            "step=0.0: expected a finite number above 0",
        ),
        (
            "[sample]\nn = 2\n[sample.ranges]\nmechanism = { low = 1, high = 2 }",
            "expected a list to choose from",
        ),
        ("[lots.a]\nformat = 'acn'", "expected the key sessions"),
        ("[lots.a]\nsessions = 'sample'\nformat = 'acn'", "lots.a.format='acn': expected none"),
        ("[lots.a]\nsessions = 'none.csv'\nformat = 'acn'", "none.csv: cannot be read"),
        ("[lots.a]\nsessions = 'sweep.toml'\nformat = 'xls'", "lots.a.format='xls': expected one"),
        ("[lots.a]\nsessions = 'sweep.toml'\nformat = 'acn'", "lots.a.sessions: "),
        ("[lots.a]\nsessions = 'sweep.toml'\nformt = 'acn'", "did you mean 'format'?"),
        ("skip_crossed_thresholds = 'yes'", "expected true or false"),
        (
            "skip_crossed_thresholds = true\n[base]\nbuyer_threshold = 0.9",
            "no scenario is left",
        ),
        ("[grid\n", "not TOML: "),
    ],
)
def test_a_fault_is_told_with_file_key_and_what_was_expected(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_of(text, tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'sweep.toml'}: ")
    assert said in str(caught.value)


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    text = "[base]\nseed = 'a'\nv2g_share = 'b'\n[grid]\nlimits = [2]\n"
    with pytest.raises(ConfigError) as caught:
        plan_of(text, tmp_path)
    assert len(caught.value.faults) == 3
    assert str(caught.value).count("\n") == 2


def test_a_value_that_fails_in_many_scenarios_is_told_once(tmp_path: Path) -> None:
    text = SMALL + "[grid]\nv2g_share = [0.5, 2.0]\nseed = [1, 2, 3]\n"
    with pytest.raises(ConfigError) as caught:
        plan_of(text, tmp_path)
    assert re.findall(r"grid\.v2g_share=2\.0: .*\(in 3 scenarios\)", str(caught.value))


def test_a_grid_beyond_any_machine_is_refused_before_it_is_made(tmp_path: Path) -> None:
    many = ", ".join(str(i) for i in range(1000))
    text = f"[grid]\nseed = [{many}]\ngate_lead_s = [{many}]\nsmallest_trade_wh = [{many[3:]}]\n"
    with pytest.raises(ConfigError, match="expected at most 1000000"):
        plan_of(text, tmp_path)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "sweep.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"sweep\.toml: "):
        read_plan(file)


# ---------------------------------------------------------------------- what is written about it


def test_the_example_is_valid_and_says_how_many_scenarios_it_makes() -> None:
    assert len(read_plan(EXAMPLE).scenarios) == 2 * 2 * 5 * 6


def section(title: str) -> str:
    """A section of the document, down to the next heading."""
    page = PAGE.read_text(encoding="utf-8")
    return page.partition(f"\n{title}\n")[2].partition("\n#")[0]


def test_the_document_lists_every_key_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", section("### Keys"), re.MULTILINE))
    assert sorted(rows) == sorted(KEYS)
    for field in fields(Scenario):
        if field.name in rows and field.name != "lot":
            default = str(field.default).lower() if field.type == "bool" else str(field.default)
            default = NONE[field.name] if field.default is None else default
            assert rows[field.name] == default, field.name


def test_the_document_lists_every_result() -> None:
    cells = re.findall(r"^\| (`.*?`) \|", section("## Files"), re.MULTILINE)
    names = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    day = Scenario(from_date="2019-11-02", to_date="2019-11-02")
    assert names == list(evaluate(day))


@pytest.mark.parametrize(("number", "n_scenarios"), [(0, 3 * 2 * 20), (1, 4 + 1), (2, 400)])
def test_files_in_the_document_are_valid(tmp_path: Path, number: int, n_scenarios: int) -> None:
    blocks = re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    without_files = [block for block in blocks if "[lots" not in block]
    assert len(without_files) == 3
    assert len(plan_of(without_files[number], tmp_path).scenarios) == n_scenarios
