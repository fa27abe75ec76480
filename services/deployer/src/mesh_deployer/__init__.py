"""SDL, bids, leases and what they cost.

Knows how a workload is described, which bid was chosen and why, where it runs, what it costs and what the
evidence for its compliance is. It never knows who pays for a run, and it never knows a credential: an SDL
names a gateway connection.
"""
