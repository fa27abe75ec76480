"""Our idea of the contracts against the contracts: ids, signatures and every call."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st
from mesh_coordinator.adapters.chain import FUNCTIONS, ChainEscrows
from mesh_coordinator.domain.settlement import NO_RESULT, EscrowState, Terms, Wish
from mesh_coordinator.ports import Rating
from mesh_shared.canonical import json_hash
from mesh_shared.chain import deployment
from mesh_shared.chain.abi import Function
from mesh_shared.chain.rpc import Rpc

if TYPE_CHECKING:
    from chains import Chain
    from mesh_shared.chain.journal import Call
    from towns import Agent, Town

ARTIFACTS = Path(__file__).parents[3] / "contracts" / "artifacts"
TERMS = "(address,address,uint256,address,address,bytes32,uint64,uint64,uint64,uint256,uint8,bool,bytes32)"
ESCROW_ID = Function("escrowId", ["address", TERMS], ["bytes32"])
EVALUATOR = Account.from_key("0x" + "e7" * 32)
DAY_S = 86_400


def signature(entry: dict[str, Any]) -> str:
    def kind(parameter: dict[str, Any]) -> str:
        if "components" not in parameter:
            return parameter["type"]
        inner = ",".join(kind(component) for component in parameter["components"])
        return f"({inner}){parameter['type'].removeprefix('tuple')}"

    inputs, outputs = (",".join(kind(p) for p in entry[side]) for side in ("inputs", "outputs"))
    return f"{entry['name']}({inputs}) -> ({outputs})"


@pytest.mark.parametrize("contract", sorted(FUNCTIONS))
def test_every_function_that_we_declare_is_the_compiled_contract_s(contract: str):
    abi = json.loads((ARTIFACTS / f"{contract}.json").read_text())["abi"]
    compiled = {signature(entry) for entry in abi if entry["type"] == "function"}

    ours = {
        f"{function.signature} -> ({','.join(function.outputs)})"
        for function in FUNCTIONS[contract]
        if function.outputs
    }
    without_outputs = {function.signature for function in FUNCTIONS[contract] if not function.outputs}

    assert ours <= compiled
    assert without_outputs <= {one.partition(" -> ")[0] for one in compiled}


@pytest.fixture
async def payer(chain: Chain) -> str:
    """An account of the node's own, with tokens that the escrow contract may draw on."""
    account = Account.create().address
    await chain.enrich(account, 10_000)
    await chain.rpc.request("anvil_impersonateAccount", account)
    return account


@pytest.fixture
def escrows(chain: Chain, payer: str) -> ChainEscrows:
    return ChainEscrows(chain.rpc, chain.deployed, payer, EVALUATOR)


@pytest.fixture
async def provider(town: Town) -> Agent:
    async def unused(request: Any, agent: Agent) -> Any:
        raise AssertionError("nobody is called here")

    return await town.move_in("provider", unused)


@pytest.fixture
async def terms(chain: Chain, escrows: ChainEscrows, provider: Agent) -> Terms:
    block = await chain.rpc.request("eth_getBlockByNumber", "latest", False)
    now = int(block["timestamp"], 16)
    return Terms(
        provider=provider.wallet.address,
        token=escrows.token,
        amount_units=700,
        evaluator=escrows.evaluator,
        terms_hash="0x" + "07" * 32,
        submit_by=now + DAY_S,
        review_by=now + 2 * DAY_S,
        salt="0x" + "05" * 32,
    )


async def carry_out(chain: Chain, sender: str, call: Call) -> None:
    sent = await chain.rpc.request(
        "eth_sendTransaction",
        {"from": sender, "to": call.to, "data": "0x" + call.data.hex(), "gas": hex(1_000_000)},
    )
    while (receipt := await chain.rpc.request("eth_getTransactionReceipt", sent)) is None:
        pass
    assert receipt["status"] == "0x1"


async def funded(chain: Chain, escrows: ChainEscrows, terms: Terms) -> str:
    """The id of an escrow that holds the money."""
    await carry_out(chain, escrows.payer, escrows.allowance())
    await carry_out(chain, escrows.payer, escrows.opening(terms))
    return escrows.id_of(terms)


async def test_an_escrow_is_found_under_the_id_that_we_computed(
    chain: Chain, escrows: ChainEscrows, terms: Terms
):
    id = await funded(chain, escrows, terms)

    found = await escrows.read(id)

    assert (found.state, found.amount_units, found.payer) == (EscrowState.FUNDED, 700, escrows.payer)
    assert (found.provider, found.token, found.evaluator) == (terms.provider, terms.token, terms.evaluator)
    assert (found.terms_hash, found.result_hash, found.score_bps) == (terms.terms_hash, NO_RESULT, 0)
    assert (found.submit_by, found.review_by) == (terms.submit_by, terms.review_by)
    assert found.default_outcome is Wish.RELEASE


async def test_what_was_never_opened_is_none(escrows: ChainEscrows, terms: Terms):
    assert (await escrows.read(escrows.id_of(terms))).state is EscrowState.NONE


async def test_opening_again_costs_nothing(chain: Chain, escrows: ChainEscrows, terms: Terms):
    await funded(chain, escrows, terms)

    await carry_out(chain, escrows.payer, escrows.opening(terms))

    assert await chain.units(escrows.payer) == 10_000 - 700


async def test_good_work_is_handed_in_released_and_rated_by_whoever_brings_it(
    chain: Chain, town: Town, escrows: ChainEscrows, terms: Terms, provider: Agent
):
    id = await funded(chain, escrows, terms)
    submission = escrows.submission(id, json_hash("work"), town.signature(provider, id, "work"))

    await carry_out(chain, chain.minter, submission)
    await carry_out(chain, chain.minter, escrows.verdict(id, Wish.RELEASE, 9_000, bytes(32)))
    rating = Rating(escrow_id=id, token_id=provider.token_id, value=90, capability="work", endpoint="e")
    await carry_out(chain, escrows.payer, escrows.rating(rating))

    found = await escrows.read(id)
    assert (found.state, found.score_bps) == (EscrowState.RELEASED, 9_000)
    assert found.result_hash == "0x" + json_hash("work").hex()
    assert await chain.units(provider.wallet.address) == 700
    assert await chain.ratings(provider.token_id) == (1, 90)


async def test_a_verdict_to_refund_needs_no_result(chain: Chain, escrows: ChainEscrows, terms: Terms):
    id = await funded(chain, escrows, terms)

    await carry_out(chain, chain.minter, escrows.verdict(id, Wish.REFUND, 0, bytes(32)))

    assert (await escrows.read(id)).state is EscrowState.REFUNDED
    assert await chain.units(escrows.payer) == 10_000


@pytest.mark.parametrize(
    ("wish", "score_bps", "is_taken"),
    [(Wish.RELEASE, 8_001, True), (Wish.RELEASE, 8_000, False), (Wish.REFUND, 8_000, True)],
)
async def test_the_contract_too_releases_only_strictly_above_four_fifths(
    chain: Chain,
    town: Town,
    escrows: ChainEscrows,
    terms: Terms,
    provider: Agent,
    wish: Wish,
    score_bps: int,
    is_taken: bool,
):
    id = await funded(chain, escrows, terms)
    signature = town.signature(provider, id, "work")
    await carry_out(chain, chain.minter, escrows.submission(id, json_hash("work"), signature))

    assert await escrows.takes(escrows.verdict(id, wish, score_bps, bytes(32))) is is_taken


async def test_asking_whether_the_contract_takes_a_call_changes_nothing(
    chain: Chain, town: Town, escrows: ChainEscrows, terms: Terms, provider: Agent
):
    id = await funded(chain, escrows, terms)
    good, forged = (town.signature(provider, id, said) for said in ("work", "other"))

    assert await escrows.takes(escrows.submission(id, json_hash("work"), good))
    assert not await escrows.takes(escrows.submission(id, json_hash("work"), forged))
    assert not await escrows.takes(escrows.claim(id, is_submitted=False))
    assert (await escrows.read(id)).state is EscrowState.FUNDED


def offline() -> ChainEscrows:
    contracts = deployment.Deployment(
        chain_id=31_337,
        block=0,
        contracts={
            name: "0x" + f"{n:02x}" * 20
            for n, name in enumerate(("MeshEscrow", "MeshToken", "Reputation"), 1)
        },
    )
    return ChainEscrows(Rpc("http://127.0.0.1:1", 31_337), contracts, "0x" + "aa" * 20, EVALUATOR)


FIXED = Terms(
    provider="0x" + "bb" * 20,
    token="0x" + "02" * 20,
    amount_units=1,
    evaluator=EVALUATOR.address,
    terms_hash="0x" + "07" * 32,
    submit_by=1,
    review_by=2,
    salt="0x" + "05" * 32,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "amount_units": st.integers(2, 2**128),
            "submit_by": st.integers(2, 2**63),
            "review_by": st.integers(3, 2**63),
            "salt": st.binary(min_size=32, max_size=32).map(lambda raw: "0x" + raw.hex()),
            "terms_hash": st.binary(min_size=32, max_size=32).map(lambda raw: "0x" + raw.hex()),
        },
    ).filter(bool)
)
@settings(max_examples=50)
def test_other_terms_have_another_id(changes: dict[str, Any]):
    escrows = offline()

    assert escrows.id_of(replace(FIXED, **changes)) != escrows.id_of(FIXED)


async def test_the_contract_computes_the_same_id(chain: Chain, escrows: ChainEscrows, terms: Terms):
    nobody = "0x" + "00" * 20
    hashes = (bytes.fromhex(terms.terms_hash[2:]), bytes.fromhex(terms.salt[2:]))
    times = (terms.submit_by, terms.review_by, 0)
    told = (
        terms.provider,
        terms.token,
        700,
        terms.evaluator,
        nobody,
        hashes[0],
        *times,
        0,
        0,
        False,
        hashes[1],
    )

    (id,) = await chain.rpc.call(chain.deployed.address("MeshEscrow"), ESCROW_ID, escrows.payer, told)

    assert escrows.id_of(terms) == "0x" + id.hex()


def test_the_same_verdict_is_signed_the_same_way_again():
    escrows = offline()

    one, again = (escrows.verdict("0x" + "01" * 32, Wish.REFUND, 5, b"\x02" * 32) for _ in range(2))

    assert one == again
