#!/bin/sh
# Says in one line what is missing before anything is installed. Usage: preflight.sh PYTHON
fail() { echo "mesh: $1" >&2; exit 1; }

command -v "$1" >/dev/null 2>&1 || fail "Python is not installed: install Python 3.11 or newer, or pass PYTHON=/path/to/python3."
"$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
  fail "$("$1" --version 2>&1) is too old: install Python 3.11 or newer, or pass PYTHON=/path/to/python3."
[ -x .tools/bin/uv ] || "$1" -c 'import ensurepip, venv' 2>/dev/null ||
  fail "Python has no venv module: install it (Debian: apt-get install python3-venv)."
command -v node >/dev/null 2>&1 || fail "Node.js is not installed: install Node 20 or newer (https://nodejs.org)."
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || fail "Node $(node --version) is too old: install Node 20 or newer."
command -v npm >/dev/null 2>&1 || fail "npm is not installed: it comes with Node 20 (Debian: apt-get install npm)."
command -v git >/dev/null 2>&1 || fail "git is not installed: install git."
