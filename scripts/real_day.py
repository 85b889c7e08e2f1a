"""A real day of Caltech's garage, traded on the embedded chain; prints what it brought.

Run it with `python scripts/real_day.py`. The day ships with the package (ACN-Data, CC BY 4.0).
"""

from trading.data import sample_path
from trading.engine import Source, run_day
from trading.units import eur, kwh


def main() -> None:
    """Run the main job with its defaults and print the headline beside what it costs."""
    result = run_day(Source(path=sample_path(), format="acn", date="2019-10-29"))
    summary = result.summary
    saved = summary["cost_grid_only_ueur"] - summary["cost_with_p2p_ueur"]
    print(f"{summary['settled']} trades settled, {kwh(summary['energy_traded_wh']):.1f} kWh")
    print(
        f"peak {summary['peak_grid_only_w'] / 1000:.1f} -> "
        f"{summary['peak_with_p2p_w'] / 1000:.1f} kW, drivers saved {eur(saved):.2f} EUR"
    )
    print(f"missing at departure, by consent: {kwh(summary['missing_wh']):.1f} kWh")
    print(result.scenarios.to_string(index=False))


if __name__ == "__main__":
    main()
