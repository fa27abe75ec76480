"""Writes `contracts/artifacts`, or with `--check` says which of them no longer fits the source.

An artifact is what others need to use a contract: its name, ABI and creation code. It depends on the source
and the pinned compiler alone, so the same bytes come from every checkout.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

CONTRACTS = Path(__file__).resolve().parents[1]
ARTIFACTS = CONTRACTS / "artifacts"
NAMES = ("AgentRegistry", "MeshEscrow", "MeshToken", "Reputation", "Validation")
MAX_CODE_BYTES = 24_576  # EIP-170


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit with 1 if one is stale")
    arguments = parser.parse_args()
    fresh = {ARTIFACTS / f"{name}.json": text for name, text in _compile().items()}
    if arguments.check:
        _check(fresh)
    else:
        _write(fresh)


def _check(fresh: dict[Path, str]) -> None:
    stale = [path for path, text in fresh.items() if not path.exists() or path.read_text() != text]
    if stale:
        names = ", ".join(str(path.relative_to(CONTRACTS.parent)) for path in stale)
        sys.exit(f"stale: {names}. Run `make artifacts` and commit what it writes.")


def _write(fresh: dict[Path, str]) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    for path, text in fresh.items():
        path.write_text(text)


def _compile() -> dict[str, str]:
    """The artifacts' texts by contract name, from a build that knows nothing of earlier ones."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        cache = Path(folder, "cache")
        command = ["./forge", "build", "src", "--out", str(out), "--cache-path", str(cache)]
        built = subprocess.run(command, cwd=CONTRACTS, capture_output=True, text=True, check=False)  # noqa: S603 (ours)
        if built.returncode:
            sys.exit(built.stdout + built.stderr)
        return {name: _artifact(name, out / f"{name}.sol" / f"{name}.json") for name in NAMES}


def _artifact(name: str, path: Path) -> str:
    compiled = json.loads(path.read_text())
    size = len(compiled["deployedBytecode"]["object"]) // 2 - 1
    if size > MAX_CODE_BYTES:
        sys.exit(f"{name} has {size} bytes of code; chains take {MAX_CODE_BYTES} (EIP-170)")
    artifact = {"contractName": name, "abi": compiled["abi"], "bytecode": compiled["bytecode"]["object"]}
    return json.dumps(artifact, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    main()
