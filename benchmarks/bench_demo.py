"""Wall time of the whole demo on a set-up machine, against its limit of 30 s.

python benchmarks/bench_demo.py
"""

import json
import subprocess
import sys
import time

LIMIT_S = 30
ROUNDS = 3
DEMO = [sys.executable, "-m", "mesh_cli", "demo", "--json", "--no-keep"]


def main() -> None:
    walls: list[float] = []
    steps: list[float] = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        done = subprocess.run(DEMO, capture_output=True, check=True)  # noqa: S603 - ours
        walls.append(time.perf_counter() - started)
        told = json.loads(done.stdout)["coordination"]
        steps.append(told["wall_s"] / told["sum_s"])
    best = min(walls)
    print(f"demo: {', '.join(f'{wall:.1f} s' for wall in walls)}")
    print(f"best of {ROUNDS}: {best / LIMIT_S:4.2f} of the limit of {LIMIT_S} s")
    print(f"steps in parallel: {min(steps):4.2f} of the sum of their times")


if __name__ == "__main__":
    main()
