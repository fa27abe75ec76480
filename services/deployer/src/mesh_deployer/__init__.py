"""SDL, bids, leases and what they cost."""
