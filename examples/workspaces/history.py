"""Makes a working copy of an example workspace with real git history.

    python examples/workspaces/history.py storefront <target-folder>

`main` has the workspace as it stands here. The branch `change`, checked out, has one commit more for each
patch in `<name>.patches`. Names and dates are fixed, so every machine gets the same commits. A repository
cannot hold another one, which is why the history is made and not shipped. Needs git and nothing else.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NOT_SOURCE = shutil.ignore_patterns("node_modules", "dist", ".nx")
# Nothing of the caller's own git configuration may change a commit: no signing, no hooks, no line endings.
GIT_ENV = {
    "PATH": os.environ.get("PATH", os.defpath),
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Ada Shopkeeper",
    "GIT_AUTHOR_EMAIL": "ada@storefront.example",
    "GIT_AUTHOR_DATE": "2025-03-03T09:00:00Z",
    "GIT_COMMITTER_NAME": "Ada Shopkeeper",
    "GIT_COMMITTER_EMAIL": "ada@storefront.example",
    "GIT_COMMITTER_DATE": "2025-03-03T09:00:00Z",
}


def make(name: str, target: Path) -> str:
    """Fills `target`, which must be empty or not exist yet, and returns the head commit."""
    shutil.copytree(HERE / name, target, ignore=NOT_SOURCE, dirs_exist_ok=True)
    _git(target, "init", "--quiet", "--template=", "--object-format=sha1", "--initial-branch=main")
    _git(target, "add", "--all")
    _git(target, "commit", "--quiet", "--message", f"Open the {name}")
    _git(target, "checkout", "--quiet", "-b", "change")
    patches = sorted((HERE / f"{name}.patches").glob("*.patch"))
    _git(
        target,
        "am",
        "--quiet",
        "--committer-date-is-author-date",
        *(str(patch.resolve()) for patch in patches),
    )
    return _git(target, "rev-parse", "HEAD")


def _git(folder: Path, *arguments: str) -> str:
    argv = ["git", "-C", str(folder), *arguments]
    return subprocess.run(argv, env=GIT_ENV, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()  # noqa: S603 - our own arguments, no shell


def main() -> None:
    """Reads the two arguments; exits with one line when they cannot be used."""
    names = sorted(path.parent.name for path in HERE.glob("*/nx.json"))
    if len(sys.argv) != 3 or sys.argv[1] not in names:  # noqa: PLR2004 - the program, a name, a folder
        sys.exit(f"usage: history.py {{{'|'.join(names)}}} <target-folder>")
    target = Path(sys.argv[2])
    if target.exists() and any(target.iterdir()):
        sys.exit(f"{target} is not empty; choose another folder.")
    sys.stdout.write(f"{make(sys.argv[1], target)}\n")


if __name__ == "__main__":
    main()
