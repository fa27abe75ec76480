import hashlib
from pathlib import Path

import pytest
from source_tree import ROOT

STATIC = {
    "console": ROOT / "services" / "console" / "src" / "mesh_console" / "static",
    "shared": ROOT / "shared" / "src" / "mesh_shared" / "web" / "static",
}


@pytest.mark.parametrize("folder", STATIC.values(), ids=STATIC)
def test_vendored_files_are_the_ones_that_were_vendored(folder: Path):
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
