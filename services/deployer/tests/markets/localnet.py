"""A real Akash v0.36 chain of one validator: one process, loopback only, a block every 0.3 s."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from mesh_cli.parts import free_port

ROOT = Path(__file__).parents[4]
BINARY = ROOT / ".cache" / "akash" / "akash"
CHAIN_ID = "mesh-local"
RICHES = 10**13
BLOCK_S = 0.3
_ENVIRONMENT = {"PATH": os.environ["PATH"]}


@contextmanager
def localnet(home: Path, accounts: Sequence[str]) -> Generator[str, None, None]:
    """The address of the chain's REST API; `accounts` have more than they will ever spend."""
    _akash(home, "init", "node", "--chain-id", CHAIN_ID)
    _akash(home, "keys", "add", "validator", "--keyring-backend", "test")
    validator = _akash(home, "keys", "show", "validator", "-a", "--keyring-backend", "test").strip()
    _write_genesis(home, [validator, *accounts])
    keyring = ("--keyring-backend", "test", "--chain-id", CHAIN_ID)
    _akash(home, "gentx", "validator", f"{RICHES // 10}uakt", *keyring)
    _akash(home, "collect-gentxs")
    api = _configure(home)
    with (home / "log").open("wb") as log, _process(home, log) as process:
        _await_block(api, process)
        yield api


def _akash(home: Path, *words: str) -> str:
    done = subprocess.run(
        [BINARY, *words, "--home", str(home)],
        env=_ENVIRONMENT | {"HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _write_genesis(home: Path, accounts: Sequence[str]) -> None:
    path = home / "config" / "genesis.json"
    genesis: dict[str, Any] = json.loads(path.read_text().replace('"stake"', '"uakt"'))
    state = genesis["app_state"]
    coins = [{"denom": denom, "amount": str(RICHES)} for denom in ("uact", "uakt")]
    state["bank"]["balances"] = [{"address": address, "coins": coins} for address in accounts]
    state["auth"]["accounts"] = [
        {
            "@type": "/cosmos.auth.v1beta1.BaseAccount",
            "address": address,
            "pub_key": None,
            "account_number": "0",
            "sequence": "0",
        }
        for address in accounts
    ]
    state["deployment"]["params"]["min_deposits"] = [
        {"denom": denom, "amount": "1"} for denom in ("uact", "uakt")
    ]
    state["market"]["params"]["bid_min_deposit"] = {"denom": "uact", "amount": "1"}
    path.write_text(json.dumps(genesis))


def _configure(home: Path) -> str:
    """Everything on loopback and on ports of its own."""
    api, rpc, peers = (free_port() for _ in range(3))
    config = (home / "config" / "config.toml").read_text()
    config = config.replace("tcp://127.0.0.1:26657", f"tcp://127.0.0.1:{rpc}")
    config = config.replace("tcp://0.0.0.0:26656", f"tcp://127.0.0.1:{peers}")
    config = config.replace("localhost:6060", "").replace(
        'timeout_commit = "5s"', f'timeout_commit = "{BLOCK_S}s"'
    )
    (home / "config" / "config.toml").write_text(config)
    app = (home / "config" / "app.toml").read_text()
    app = app.replace("tcp://0.0.0.0:1317", f"tcp://127.0.0.1:{api}")
    app = re.sub(r'minimum-gas-prices = ".*"', 'minimum-gas-prices = "0.025uakt"', app)
    app = re.sub(r"(\[api\][^\[]*?\nenable = )false", r"\1true", app)
    app = re.sub(r"(\[grpc(?:-web)?\][^\[]*?\nenable = )true", r"\1false", app)
    (home / "config" / "app.toml").write_text(app)
    return f"http://127.0.0.1:{api}"


@contextmanager
def _process(home: Path, log: Any) -> Generator[subprocess.Popen[bytes], None, None]:
    process = subprocess.Popen(
        [BINARY, "start", "--home", str(home)], env=_ENVIRONMENT | {"HOME": str(home)}, stdout=log, stderr=log
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _await_block(api: str, process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + 60
    with httpx.Client(trust_env=False) as http:
        while time.monotonic() < ends:
            assert process.poll() is None, "the chain has not started"
            try:
                if http.get(f"{api}/cosmos/base/tendermint/v1beta1/blocks/latest").is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
    raise AssertionError("the chain makes no blocks")
