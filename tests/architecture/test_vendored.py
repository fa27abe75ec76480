import hashlib

from source_tree import ROOT

STATIC = ROOT / "shared" / "src" / "mesh_shared" / "web" / "static"


def test_vendored_files_are_the_ones_that_were_vendored():
    for line in (STATIC / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == digest, name
