"""How long the SDL compiler takes over Akash's examples, or over the files that are named.

    python benchmarks/bench_sdl.py [FILE…]

Prints milliseconds a file (median, 99th percentile, maximum) from text to manifest, groups and hash. Without
files it takes our own examples and the document that has every part of the language.
"""

import json
import statistics
import sys
import time
from pathlib import Path

from mesh_deployer.domain.manifest import group_specs, manifest
from mesh_deployer.domain.sdl import compile_sdl

ROUNDS = 50
ROOT = Path(__file__).parents[1]
OWN = [*ROOT.glob("examples/sdl/*.yaml"), ROOT / "services/deployer/tests/parity/everything.yaml"]


def milliseconds(text: bytes) -> float:
    began = time.perf_counter()
    groups = compile_sdl(text).groups
    manifest(groups)
    group_specs(groups)
    return (time.perf_counter() - began) * 1000


def main() -> None:
    texts = [Path(name).read_bytes() for name in sys.argv[1:]] or [path.read_bytes() for path in OWN]
    for text in texts:
        milliseconds(text)
    taken = sorted(milliseconds(text) for _ in range(ROUNDS) for text in texts)
    figures = {
        "files": len(texts),
        "p50_ms": round(statistics.median(taken), 3),
        "p99_ms": round(taken[int(len(taken) * 0.99) - 1], 3),
        "max_ms": round(taken[-1], 3),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
