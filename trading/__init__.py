"""Peer-to-peer energy trading among electric vehicles that share a parking lot."""
