"""A parking lot through time: stays, bids and asks, flows, and the books at the end of the day."""

from trading.lot.accounts import Accounts, EnergyBalance, MoneyBalance, accounts_of
from trading.lot.physics import Efficiency
from trading.lot.simulation import Agree, Interval, LotRun, intervals_of, simulate_lot
from trading.lot.stays import Departures, LotRules, Stays
from trading.lot.terms import GUARANTEES, Guarantee, Terms

__all__ = [
    "GUARANTEES",
    "Accounts",
    "Agree",
    "Departures",
    "Efficiency",
    "EnergyBalance",
    "Guarantee",
    "Interval",
    "LotRules",
    "LotRun",
    "MoneyBalance",
    "Stays",
    "Terms",
    "accounts_of",
    "intervals_of",
    "simulate_lot",
]
