"""How facts read on a page."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import MappingProxyType

_TONES = {
    "good": "succeeded released success active accepted approved confirmed finalized allow valid up answered"
    " chosen exact complete",
    "bad": "failed refunded forfeited deny denied invalid down refused error unstable broken",
    "busy": "running open leased created invoking funded submitted opening reserving paying settling"
    " submitting",
    "wait": "awaiting_approval requested needed pending taking_bids partial warning closing paused outbid"
    " fallback_all",
}
_TONE_OF = {word: tone for tone, words in _TONES.items() for word in words.split()}
_ICONS = {"good": "✓", "bad": "✕", "busy": "●", "wait": "◔", "calm": "·"}
NOTHING = "—"
SHORT = 24


def tone(word: str) -> str:
    """Whether a state is `good`, `bad`, `busy`, `wait` or, for any other word, `calm`."""
    return _TONE_OF.get(word, "calm")


def icon(word: str) -> str:
    """A sign for a state, as colour alone tells not everybody."""
    return _ICONS[tone(word)]


def grouped(amount: str | int | None) -> str:
    """An amount of base units with a space between thousands; a dash for none."""
    if amount is None:
        return NOTHING
    return f"{amount:,}".replace(",", "\u202f") if isinstance(amount, int) else _grouped(amount)


def _grouped(amount: str) -> str:
    whole, point, rest = amount.partition(".")
    return f"{int(whole):,}".replace(",", "\u202f") + point + rest if whole.isdecimal() else amount


def short(text: str | None) -> str:
    """A long identifier by its two ends, as wallets show it."""
    if text is None:
        return NOTHING
    return text if len(text) <= SHORT else f"{text[:8]}…{text[-4:]}"


def when(at: str | int | None) -> str:
    """A moment in UTC to the second, from RFC 3339 or Unix seconds; a dash for none.

    A text that is no moment stays what it is: no service says so, but whoever stands in for one may.
    """
    if at is None:
        return NOTHING
    try:
        moment = datetime.fromtimestamp(at, UTC) if isinstance(at, int) else datetime.fromisoformat(at)
    except ValueError:
        return str(at)
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def percent(share: float | None) -> str:
    """A share from 0 to 1 in percent; a dash for none."""
    return NOTHING if share is None else f"{share * 100:.0f} %"


def said(word: str) -> str:
    """A name of the wire as words."""
    return word.replace("_", " ").replace("-", " ")


def pretty(value: object) -> str:
    """A value of the wire as JSON for people, with every sign as it is."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def compact(value: object) -> str:
    """A value as JSON for a script; the template escapes it for the attribute that carries it."""
    return json.dumps(value, separators=(",", ":"))


FILTERS: MappingProxyType[str, Callable[..., str]] = MappingProxyType(
    {rule.__name__: rule for rule in (icon, tone, grouped, short, when, percent, said, pretty, compact)}
)
"""The filters of the templates."""
