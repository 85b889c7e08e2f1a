"""Four cars, one batch: pending, confirmed by three of four operators, settled; step by step.

Run it with `python scripts/one_batch.py`. Keys and money are a demonstration's.
"""

import pandas as pd

from trading.chain import Key, Mandate, PriceBand, deploy, open_network
from trading.fleet import roles
from trading.market import PeerPrice, clear, orders_of

FLEET = pd.DataFrame(
    {
        "vehicle_id": ["ev-1", "ev-2", "ev-3", "ev-4"],
        "battery_capacity_kwh": [40.0, 60.0, 80.0, 100.0],
        "soc": [0.35, 0.50, 0.90, 0.95],
    }
)
START = pd.Timestamp("2026-06-01T18:00Z")
PRICE = PeerPrice(buyer_ueur_per_kwh=300_000, seller_ueur_per_kwh=290_000)


def main() -> None:
    """Match the fleet by Equations (1) to (5), then take the trades through the contract."""
    trades = clear(orders_of(roles(FLEET), FLEET), mechanism="pro-rata", price=PRICE)
    print(trades[["buyer_id", "seller_id", "energy_wh", "cost_ueur"]].to_string(index=False))

    authority, engine = Key.demonstration(1, "authority"), Key.demonstration(1, "engine")
    operators = [Key.demonstration(1, f"operator {n}") for n in range(4)]
    genesis = int(START.timestamp()) - 3600
    with open_network("embedded", genesis_time=genesis) as network:
        for key in [authority, engine, *operators]:
            network.fund(key.address)
        consortium = deploy(
            network,
            authority=authority,
            operators=[key.address for key in operators],
            quorum=3,
            band=PriceBand(lowest_ueur_per_kwh=0, highest_ueur_per_kwh=1_000_000),
            largest_spread_ueur_per_kwh=20_000,
        )
        consortium.set_aggregator(engine.address, True, by=authority)
        lot_account = consortium.register("0x" + "00" * 32, by=engine).account
        consortium.set_lot(1, lot_account, by=authority)

        accounts = {}
        for number, name in enumerate(FLEET["vehicle_id"], start=1):
            driver = Key.demonstration(1, name)
            network.fund(driver.address)
            account = consortium.register("0x" + f"{number:064x}", by=driver).account
            limits = Mandate(
                max_buy_ueur_per_kwh=400_000,
                min_sell_ueur_per_kwh=0,
                valid_until=int(START.timestamp()),
                aggregator=engine.address,
            )
            consortium.set_mandate(account, limits, by=driver)
            consortium.token.mint(driver.address, 10_000_000, by=authority)
            consortium.token.approve(consortium.address, 10_000_000, by=driver)
            consortium.deposit(account, 10_000_000, by=driver)
            accounts[name] = account

        on_chain = pd.DataFrame(
            {
                "buyer_account": trades["buyer_id"].map(accounts),
                "seller_account": trades["seller_id"].map(accounts),
                "energy_wh": trades["energy_wh"],
                "price_ueur_per_kwh": trades["price_ueur_per_kwh"],
                "seller_price_ueur_per_kwh": trades["seller_price_ueur_per_kwh"],
                "sequence": range(1, len(trades) + 1),
                "interval_start": START,
                "lot": 1,
            }
        )
        batch = consortium.submit(on_chain, deadline=int(START.timestamp()), by=engine).batch
        print("submitted:", consortium.state_of(batch.batch_id))
        for operator in operators[:3]:
            consortium.confirm(batch.batch_id, by=operator)
            print(f"{operator.name} confirms:", consortium.state_of(batch.batch_id))
        receipt = consortium.settle(batch, by=engine)
        print("settled:", consortium.state_of(batch.batch_id), f"({receipt.gas_used:,} gas)")
        print(consortium.accounts()[["account", "free_ueur", "locked_ueur"]].to_string(index=False))


if __name__ == "__main__":
    main()
