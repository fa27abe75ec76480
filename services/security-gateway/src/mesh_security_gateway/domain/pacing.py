"""How often: the generic cell rate algorithm (ITU-T I.371), which keeps one number for each grant."""

from mesh_security_gateway.domain.grants import Rate

_LOCAL_SHARE = 10


def admit(due: float, now: float, rate: Rate) -> tuple[float, float]:
    """When the next call is due after this one, and how many seconds this one comes too early.

    `due` is what the last call left, 0 for the first. A call that is early changes nothing.
    """
    interval = rate.per_s / rate.calls
    due = max(due, now)
    early = due - now - (rate.per_s - interval)
    return (due, early) if early > 0 else (due + interval, 0.0)


def alone(rate: Rate) -> Rate:
    """What one replica lets pass while it cannot ask the others: a tenth, and one call at least."""
    return Rate(calls=max(1, rate.calls // _LOCAL_SHARE), per_s=rate.per_s)
