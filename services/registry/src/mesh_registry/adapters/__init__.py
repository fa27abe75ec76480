"""The foreign systems: the contracts to write to, and the chain's log to read."""
