"""What each panel of the console sends and how soon it is painted, against 150 kB and 1 s.

python benchmarks/bench_console.py

Each visit is somebody's first: nothing is in the browser's cache. The Swagger UI of a service, which has
vendored files as the console has, is visited in the same run.
"""

import asyncio
import shutil
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from mesh_cli import parts
from mesh_cli.embedded import EmbeddedMesh, Ports, embedded
from mesh_console.domain.panels import PANELS
from playwright.async_api import Browser, StorageState, async_playwright

LIMIT_KB, LIMIT_S = 150, 1.0
VISITS = 5
PAGES = (*PANELS, "/docs/events")
PAINTED = """new Promise(painted => new PerformanceObserver(list => {
  for (const entry of list.getEntriesByName("first-contentful-paint")) painted(entry.startTime);
}).observe({type: "paint", buffered: true}))"""
LONGEST_S = 30


async def signed_in(browser: Browser, mesh: EmbeddedMesh) -> StorageState:
    """The admin's cookies."""
    context = await browser.new_context(base_url=mesh.console_url)
    page = await context.new_page()
    await page.goto("/login")
    await page.get_by_label("API key").fill(mesh.admin_key_file.read_text().strip())
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("heading", name="Overview").wait_for()
    return await context.storage_state()


async def visit(browser: Browser, state: StorageState, url: str) -> tuple[float, float]:
    """What came over the wire in kB, and the seconds until something was to be seen."""
    context = await browser.new_context(storage_state=state)
    page = await context.new_page()
    sizes: list[float] = []

    def came(event: dict[str, Any]) -> None:
        sizes.append(event["encodedDataLength"])

    wire = await context.new_cdp_session(page)
    await wire.send("Network.enable")
    wire.on("Network.loadingFinished", came)
    await page.goto(url, wait_until="load")
    painted_ms = await asyncio.wait_for(page.evaluate(PAINTED), LONGEST_S)
    await context.close()
    return sum(sizes) / 1000, painted_ms / 1000


async def measure(mesh: EmbeddedMesh, chromium: str) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        state = await signed_in(browser, mesh)
        pages = {panel: f"{mesh.console_url}{panel}" for panel in PAGES}
        for name, url in (pages | {"Swagger UI": f"{mesh.url('registry')}/docs"}).items():
            seen = [await visit(browser, state, url) for _ in range(VISITS)]
            kb, painted_s = (median(figures) for figures in zip(*seen, strict=True))
            size = f"{kb:7.1f} kB ({kb / LIMIT_KB:5.2f} of {LIMIT_KB})"
            paint = f"first paint {painted_s:5.2f} s ({painted_s / LIMIT_S:4.2f} of {LIMIT_S:g})"
            print(f"{name:14} {size}  {paint}")
        await browser.close()


def main() -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("Chromium is not installed: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder), Ports(parts.free_port())) as mesh:
        mesh.start_console()
        asyncio.run(measure(mesh, chromium))


if __name__ == "__main__":
    main()
