"""A consortium network of validators on this machine: built, started, watched and ended.

Validators are processes of their own and outlive the program that started them. A folder holds all
that a network is: genesis, keys, chain data, logs, and which process is whose.
"""

from trading.network.binaries import GoModule, build, cache_folder, find_binary
from trading.network.engines import DEFAULT_ENGINE, ENGINES, Engine, engine_named
from trading.network.local import LocalNetwork, Options, Standing, create, find, open_or_create
from trading.network.plan import Place

__all__ = [
    "DEFAULT_ENGINE",
    "ENGINES",
    "Engine",
    "GoModule",
    "LocalNetwork",
    "Options",
    "Place",
    "Standing",
    "build",
    "cache_folder",
    "create",
    "engine_named",
    "find",
    "find_binary",
    "open_or_create",
]
