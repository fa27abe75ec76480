"""Accounts without a key: contracts that say what their signature is (ERC-1271)."""

from eth_utils.address import to_checksum_address

from mesh_shared.chain.abi import Function
from mesh_shared.chain.errors import RpcError
from mesh_shared.chain.rpc import Rpc

IS_VALID_SIGNATURE = Function("isValidSignature", ["bytes32", "bytes"], ["bytes4"])
_VALID = IS_VALID_SIGNATURE.selector.ljust(32, b"\0")
_GAS = hex(3_000_000)
"""What a wallet's contract may burn to look at a signature: passkeys take a tenth of it."""


async def accepts(rpc: Rpc, account: str, digest: bytes, signature: bytes) -> bool:
    """Whether the contract at `account` calls this its signature over the 32 bytes of `digest`.

    Anything but a clear yes is a no. Raises `ChainUnavailable`.
    """
    data = "0x" + IS_VALID_SIGNATURE.encode(digest, signature).hex()
    call = {"to": to_checksum_address(account), "data": data, "gas": _GAS}
    try:
        said = await rpc.request("eth_call", call, "latest")
    except RpcError:  # whatever stopped it, it has not said yes
        return False
    return bytes.fromhex(said.removeprefix("0x"))[:32] == _VALID
