"""Build the engine of the four-validator network from its Go module, once, outside the repository.

    python scripts/build_node.py [ENGINE ...]

The same as `peercharge network build`, for CI and for checkouts. A second call is instant.
"""

import sys

from trading.errors import PeerchargeError
from trading.network import DEFAULT_ENGINE, build, engine_named


def main() -> int:
    """Build what is named, or the default; print where each binary is."""
    try:
        for name in sys.argv[1:] or [DEFAULT_ENGINE]:
            print(build(engine_named(name).module))
    except PeerchargeError as error:
        print(f"build_node: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
