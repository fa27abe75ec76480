"""What owners sign: the words of the contract, and whose signature it is."""

from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st
from mesh_registry.domain.intents import Registration, SignedChange, Stake, Switch, Unstake, Update
from mesh_registry.domain.signatures import signer
from mesh_registry.domain.signing import (
    SigningDomain,
    SigningTerms,
    TypedData,
    change_data,
    digest,
    permit_data,
    registration_data,
)

OWNER = Account.create()
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
TERMS = SigningTerms(
    domain=SigningDomain(
        name="ERC8004IdentityRegistry", version="1", chainId=31337, verifyingContract="0x" + "ab" * 20
    ),
    nonce=3,
)
bytes32 = st.binary(min_size=32, max_size=32).map(lambda value: "0x" + value.hex())
registrations = st.builds(
    Registration,
    owner=st.just(OWNER.address),
    agent_id=bytes32,
    did=st.text(st.characters(codec="utf-8"), max_size=40),
    cid=st.text(st.characters(codec="ascii"), max_size=60),
    stake_units=st.integers(0, 2**128 - 1),
    capabilities=st.lists(bytes32, max_size=5).map(tuple),
)
deadlines = st.integers(0, 2**53 - 1)
signatures = st.binary(min_size=65, max_size=65)


def signed(typed: TypedData) -> bytes:
    return bytes(Account.sign_typed_data(OWNER.key, full_message=typed.model_dump()).signature)


def words(typed: TypedData) -> str:
    return ",".join(f"{field.type} {field.name}" for field in typed.types[typed.primaryType])


@settings(max_examples=30)
@given(registrations, deadlines)
def test_a_signature_is_of_whoever_made_it(registration: Registration, deadline: int):
    typed = registration_data(registration, TERMS, deadline)

    assert signer(digest(typed), signed(typed)) == OWNER.address


@settings(max_examples=30)
@given(registrations, registrations, deadlines)
def test_a_signature_under_one_registration_is_none_under_another(
    one: Registration, other: Registration, deadline: int
):
    signature = signed(registration_data(one, TERMS, deadline))

    is_same = signer(digest(registration_data(other, TERMS, deadline)), signature) == OWNER.address

    assert is_same == (one == other)


@settings(max_examples=30)
@given(registrations, signatures)
def test_no_65_bytes_make_reading_a_signature_fail(registration: Registration, signature: bytes):
    assert signer(digest(registration_data(registration, TERMS, 0)), signature) != OWNER.address


@settings(max_examples=30)
@given(st.integers(0, 2**128 - 1), deadlines)
def test_a_permit_is_for_exactly_the_stake(units: int, deadline: int):
    spender = "0x" + "cd" * 20

    typed = permit_data(OWNER.address, spender, units, TERMS, deadline)

    assert typed.message["spender"] == spender
    assert int(typed.message["value"]) == units
    assert signer(digest(typed), signed(typed)) == OWNER.address


def test_the_words_are_those_of_the_contract():
    registration = Registration(
        owner=OWNER.address, agent_id="0x" + "00" * 32, did="", cid="b", stake_units=0, capabilities=()
    )

    typed = registration_data(registration, TERMS, 0)

    assert words(typed) == (
        "address owner,bytes32 agentKey,string did,string ipfsHash,uint256 stake,"
        "bytes32[] capabilities,uint256 nonce,uint256 deadline"
    )


def test_the_words_of_a_change_are_those_of_the_contract():
    agent_id = "0x" + "00" * 32
    update = Update(agent_id=agent_id, cid="b", capabilities=(), expected_version=1)
    switch = Switch(agent_id=agent_id, expected_version=1, kind="activate")
    stake, unstake = Stake(agent_id=agent_id, units=1), Unstake(agent_id=agent_id, units=1)
    changes: list[SignedChange] = [update, switch, stake, unstake]

    messages = [change_data(change, TERMS, 0) for change in changes]

    assert [(typed.primaryType, words(typed)) for typed in messages] == [
        (
            "AgentUpdate",
            "bytes32 agentKey,string ipfsHash,bytes32[] capabilities,uint64 expectedVersion,"
            "uint256 nonce,uint256 deadline",
        ),
        (
            "ActiveUpdate",
            "bytes32 agentKey,bool active,uint64 expectedVersion,uint256 nonce,uint256 deadline",
        ),
        ("StakeDeposit", "bytes32 agentKey,uint256 amount,uint256 nonce,uint256 deadline"),
        ("UnstakeRequest", "bytes32 agentKey,uint256 amount,uint256 nonce,uint256 deadline"),
    ]


@settings(max_examples=30)
@given(st.binary(min_size=32, max_size=32))
def test_of_two_signatures_that_say_the_same_one_counts(message: bytes):
    made = OWNER.unsafe_sign_hash(message)
    mirror = made.r.to_bytes(32) + (ORDER - made.s).to_bytes(32) + bytes([27 + 28 - made.v])

    assert signer(message, bytes(made.signature)) == OWNER.address
    assert signer(message, mirror) is None
