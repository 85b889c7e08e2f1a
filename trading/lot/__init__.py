"""A parking lot through time: stays, bids and asks, flows, and the books at the end of the day."""

from trading.lot.accounts import Accounts, EnergyBalance, MoneyBalance, accounts_of
from trading.lot.connection import Flows
from trading.lot.lot import Interval, Lot, Offers
from trading.lot.physics import Acceptance, Efficiency, PartLoad
from trading.lot.profile import Profile
from trading.lot.simulation import (
    Agree,
    LotRun,
    intervals_of,
    replayed,
    simulate_lot,
    traded,
    uncontested,
)
from trading.lot.site import Charger, Site
from trading.lot.stays import Departures, LotRules, Stays
from trading.lot.terms import GUARANTEES, Guarantee, Terms

__all__ = [
    "GUARANTEES",
    "Acceptance",
    "Accounts",
    "Agree",
    "Charger",
    "Departures",
    "Efficiency",
    "EnergyBalance",
    "Flows",
    "Guarantee",
    "Interval",
    "Lot",
    "LotRules",
    "LotRun",
    "MoneyBalance",
    "Offers",
    "PartLoad",
    "Profile",
    "Site",
    "Stays",
    "Terms",
    "accounts_of",
    "intervals_of",
    "replayed",
    "simulate_lot",
    "traded",
    "uncontested",
]
