"""How long the SDL compiler takes over Akash's examples, or over the files that are named.

    python benchmarks/bench_sdl.py [FILE…]

Prints milliseconds a file (median, 99th percentile, maximum) from text to manifest, groups and hash. Without
files it takes our own examples and the document that has every part of the language.

Where Node is installed, Akash's TypeScript compiler does the same beside it: `generateManifest` of
`@akashnetwork/chain-sdk` in a warm process, on the files that both accept. npm fetches it once, into
`.cache/chain-sdk`. There the least of the rounds is compared, which other processes disturb least.
"""

import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from mesh_deployer.domain.manifest import group_specs, manifest
from mesh_deployer.domain.sdl import compile_sdl

ROUNDS, LIMIT_MS, LIMIT_RATIO = 50, 5, 2
ROOT = Path(__file__).parents[1]
OWN = [*ROOT.glob("examples/sdl/*.yaml"), ROOT / "services/deployer/tests/parity/everything.yaml"]
PEER, PEER_HOME = "@akashnetwork/chain-sdk@1.0.0-alpha.25", ROOT / ".cache" / "chain-sdk"


def milliseconds(text: bytes) -> float:
    began = time.perf_counter()
    groups = compile_sdl(text).groups
    manifest(groups)
    group_specs(groups)
    return (time.perf_counter() - began) * 1000


def peer(files: list[Path]) -> dict[str, float]:
    """The peer's milliseconds by file; none where there is no Node, or no package to be had."""
    if (node := shutil.which("node")) is None or (npm := shutil.which("npm")) is None:
        print("no peer: Node is not installed")
        return {}
    if not (PEER_HOME / "node_modules").exists():
        PEER_HOME.mkdir(parents=True, exist_ok=True)
        fetch = [npm, "install", "--prefix", ".", "--no-audit", "--no-fund", "--loglevel=error", PEER]
        done = subprocess.run(fetch, cwd=PEER_HOME, check=False, timeout=300)  # noqa: S603 - our own words
        if done.returncode:
            print(f"no peer: npm does not fetch {PEER}")
            return {}
    names = [str(file.resolve()) for file in files]
    script = str(Path(__file__).with_name("chain_sdk.mjs"))
    asked = [node, script, str(ROUNDS), *names]
    done = subprocess.run(asked, cwd=PEER_HOME, check=True, timeout=300, capture_output=True)  # noqa: S603
    return json.loads(done.stdout)


def main() -> None:
    files = [Path(name) for name in sys.argv[1:]] or OWN
    texts = {str(file.resolve()): file.read_bytes() for file in files}
    for text in texts.values():
        milliseconds(text)
    taken = {file: [milliseconds(text) for _ in range(ROUNDS)] for file, text in texts.items()}
    every = sorted(ms for own in taken.values() for ms in own)
    figures = {
        "files": len(files),
        "p50_ms": round(statistics.median(every), 3),
        "p99_ms": round(every[int(len(every) * 0.99) - 1], 3),
        "max_ms": round(every[-1], 3),
        "of_the_limit": round(statistics.median(every) / LIMIT_MS, 2),
    }
    print(json.dumps(figures))
    if shared := peer(files):
        ratios = [min(taken[file]) / theirs for file, theirs in shared.items()]
        median = statistics.median(ratios)
        told = {
            "files_of_both": len(shared),
            "least_ms": round(statistics.median(min(taken[file]) for file in shared), 3),
            "peer_least_ms": round(statistics.median(shared.values()), 3),
            "times_the_peer": round(median, 2),
            "worst": round(max(ratios), 2),
            "of_the_limit": round(median / LIMIT_RATIO, 2),
        }
        print(json.dumps(told))


if __name__ == "__main__":
    main()
