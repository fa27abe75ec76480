"""The security gateway: credentials that agents use and cannot obtain, sessions, grants and the audit of
both.

It knows secrets, who may use which of them for what, and everything that was done with them. It never knows
what an upstream's answer means, why an agent asks, or what is owed for it.
"""
