"""What happens when the lot's engine lies: operators reject, buyers are refunded, no power flows.

Run it with `python scripts/dishonest_engine.py`. One operator colludes; three are honest.
"""

from trading.data import sample_path
from trading.engine import ENGINE_FAULTS, Consensus, DayOptions, Source, run_day
from trading.lot import LotRules


def main() -> None:
    """Try each fault on the real day, in hourly batches."""
    source = Source(path=sample_path(), format="acn", date="2019-10-29")
    for fault in ENGINE_FAULTS:
        consensus = Consensus(engine_fault=fault, conducts=("malicious",))
        options = DayOptions(rules=LotRules(interval_s=3600), consensus=consensus, compare=False)
        result = run_day(source, options)
        counts = result.batches["status"].value_counts().to_dict()
        print(f"{fault}: batches {counts}")
        print(f"  an honest operator says: {result.rejections['reason'].iloc[0]}")


if __name__ == "__main__":
    main()
