"""Money on the real chain: paid for good work, returned otherwise, and all of it accounted for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conftest import Caller, Chain, Town

NEWS = "Agents met on a chain this week. They agreed on prices. Money was locked. Good work was paid."


def summary(**more: Any) -> dict[str, Any]:
    return {
        "id": "summary",
        "capability": "text.summarize",
        "parameters": {"text": NEWS, "sentences": 2},
        "quality": {"assertions": [{"at": "/summary", "op": "minLength", "value": 30}]},
    } | more


async def test_good_work_is_paid_to_the_last_unit(
    caller_on_both: Caller, town: Town, chain: Chain, payer: str
):
    careful = await town.hire_sample("careful")

    run = await caller_on_both.run({"task": "Summarize.", "requirements": [summary()]})

    assert run["status"] == "succeeded"
    assert await chain.units(careful.wallet.address) == 40_000
    assert await chain.units(payer) == 960_000
