"""How fast an exported audit is verified offline, against 200,000 records a second and bare SHA-256.

python benchmarks/bench_audit.py [records]

Records are 600 bytes, as a call's are. Bare SHA-256 hashes the same bytes line by line and builds no tree.
"""

import base64
import hashlib
import json
import sys
import tempfile
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from mesh_cli.audit import Tree, VerifierKey, verify

NAME, RECORD_BYTES, ROUNDS, PROMISED = "benchmark", 600, 3, 200_000


def written(path: Path, count: int) -> VerifierKey:
    """Writes a signed export and returns the key to verify it with."""
    entries = [json.dumps({"sequence": n, "x": "x" * (RECORD_BYTES - 40)}).encode() for n in range(count)]
    tree, signer = Tree(), Ed25519PrivateKey.generate()
    tree.add(entries)
    public = b"\x01" + signer.public_key().public_bytes_raw()
    id = hashlib.sha256(NAME.encode() + b"\n" + public).digest()[:4]
    text = f"{NAME}\n{count}\n{base64.b64encode(tree.root()).decode()}\n"
    note = f"{text}\n— {NAME} {base64.b64encode(id + signer.sign(text.encode())).decode()}\n"
    path.write_bytes(b"\n".join([*entries, json.dumps({"checkpoint": note}).encode(), b""]))
    return VerifierKey.parse(f"{NAME}+{id.hex()}+{base64.b64encode(public).decode()}")


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "audit.jsonl"
        key = written(path, count)
        ours, bare = list[float](), list[float]()
        for _ in range(ROUNDS):
            began = time.process_time()
            with path.open("rb") as file:
                verify(file, key)
            ours.append(time.process_time() - began)
            began = time.process_time()
            with path.open("rb") as file:
                for line in file:
                    hashlib.sha256(line).digest()
            bare.append(time.process_time() - began)
    rate = count / min(ours)
    print(f"verified   {rate:10,.0f} records/s of CPU time, {rate / PROMISED:4.2f} of what is promised")
    ratio = min(bare) / min(ours)
    print(f"bare hash  {count / min(bare):10,.0f} records/s; the verifier has {ratio:4.2f} of it")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
