"""The same real day under each priority rule, without a chain; a hundredth of a second a run.

Run it with `python scripts/compare_priorities.py`.
"""

from trading.data import load_sessions, sample_path
from trading.lot import LotRules, Terms, accounts_of, simulate_lot
from trading.market import PRIORITIES
from trading.units import eur, kwh


def main() -> None:
    """Print energy, peak and gains for each registered mechanism."""
    sessions = load_sessions(sample_path(), format="acn", date="2019-10-29").frame
    for name, mechanism in PRIORITIES.items():
        run = simulate_lot(sessions, rules=LotRules(), terms=Terms(), mechanism=mechanism)
        books = accounts_of(run)
        print(
            f"{name:<10} {len(run.trades):>4} trades {kwh(books.energy.buyers_wh):6.1f} kWh, "
            f"peak {books.peak_with_p2p_w / 1000:5.1f} kW, "
            f"buyers +{eur(books.buyers_gain_ueur):.2f} EUR, "
            f"sellers +{eur(books.sellers_gain_ueur):.2f} EUR"
        )


if __name__ == "__main__":
    main()
