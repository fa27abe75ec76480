"""The development chain of a mesh without Docker, in a file that a kill leaves whole.

Anvil would write itself over what it wrote before, and it does not start with half of that. It is therefore
asked what it is, and the answer takes the place of the last one when all of it is written.
"""

import gzip
import json
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

ASK_S = 10.0


@dataclass(frozen=True, slots=True)
class Chain:
    """Anvil at `rpc_url`, and the `file` that outlives it."""

    rpc_url: str
    file: Path

    def options(self) -> tuple[str, ...]:
        """What Anvil is told so that it goes on from the file, if there is one."""
        return ("--load-state", str(self.file)) if self.file.exists() else ()

    def write_down(self) -> None:
        """Keeps what the chain is now; the file stays as it is while no chain answers."""
        if state := self._ask("anvil_dumpState"):
            new = self.file.with_suffix(".new")
            new.write_bytes(gzip.decompress(bytes.fromhex(state[2:])))
            new.replace(self.file)

    def write_down_after(self, known: str | None) -> str | None:
        """`write_down` when there are blocks after the one that is `known`; the newest one's number."""
        newest = self._ask("eth_blockNumber")
        if newest != known:
            self.write_down()
        return newest

    def _ask(self, method: str, *params: str) -> str | None:
        question = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        asked = Request(self.rpc_url, question, {"Content-Type": "application/json"})  # noqa: S310 - loopback
        try:
            with build_opener(ProxyHandler({})).open(asked, timeout=ASK_S) as answer:
                return json.load(answer)["result"]
        except (OSError, HTTPException):
            return None
