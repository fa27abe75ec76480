"""What source files import: forms, places where nothing is imported, and Nx's own scanner as the judge."""

import json
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_workspace_analyzer.adapters.static.imports import COMPONENTS, SCRIPTS, find_imports
from mesh_workspace_analyzer.domain.graph import DependencyKind

STATIC, DYNAMIC = DependencyKind.STATIC, DependencyKind.DYNAMIC
NATIVE = """
const { findImports } = require(process.argv[1]);
const found = findImports({ p: JSON.parse(require("fs").readFileSync(0, "utf8")) });
const told = found.map(f => [f.file, [...f.staticImportExpressions, ...f.dynamicImportExpressions]]);
process.stdout.write(JSON.stringify(told), () => process.exit(0));
"""


def found(text: str, path: str = "a.ts") -> dict[str, DependencyKind]:
    return dict(find_imports(path, text))


@pytest.mark.parametrize(
    "text",
    [
        "import 'x';",
        'import "x"',
        "import a from 'x';",
        "import * as a from 'x';",
        "import{a}from'x'",
        "import a, { b as c } from 'x';",
        "import {\n  a, // one\n  b,\n} from 'x';",
        "import /* why */ a from /* not */ 'x';",
        "import type { A } from 'x';",
        "import type A from 'x';",
        "import A = require('x');",
        "export * from 'x';",
        "export * as a from 'x';",
        "export { a, b as default } from 'x';",
        "export type { A } from 'x';",
        "const a = require('x');",
        "const a = require(`x`);",
        "require.resolve('x')",
        "module.exports = { a: require('x') };",
        "let a: typeof import('x');",
        "a as import('x')",
        "import a from 'x' with { type: 'json' };",
        "const t = `${`}`}`; import 'x';",
        "const r = /['\"`]/; import 'x';",
        "const r = a / b; import 'x';",
        "const r = x ? /[/'\"]/g : 1; import 'x';",
        "const it = 'it\\'s'; import 'x';",
        "// it's\nimport 'x';",
        "/* ` */ import 'x';",
        "<p>it's</p>\nimport 'x';",
    ],
)
def test_what_is_loaded_with_the_file_is_static(text: str):
    assert found(text) == {"x": STATIC}


@pytest.mark.parametrize(
    "text",
    [
        "import('x')",
        "const a = await import('x');",
        "const a = import(/* webpackChunkName: 'y' */ 'x');",
        "const a = import(`x`);",
        "import('x', { with: { type: 'json' } })",
        "const a = `${await import('x')}`;",
        "const routes = [{ load: () => import('x') }];",
        "const o = { a: import('x') };",
        "function f() { return require('x'); }",
        "if (a) { require('x') }",
    ],
)
def test_what_is_loaded_later_is_dynamic(text: str):
    assert found(text) == {"x": DYNAMIC}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "// import 'x'",
        "/* import 'x' */",
        "const a = \"import 'x'\";",
        "const a = 'require(\"x\")';",
        "const a = `import 'x'`;",
        "const a = `\n${1}\nimport 'x';\n`;",
        "import.meta.url",
        "import(name)",
        "import('x' + name)",
        "import(`x${name}`)",
        "require(name)",
        "a.import('x')",
        "const o = { import: a['x'] };",
        "important('x')",
        "$require('x')",
        "export const a = 'x';",
        "export default 'x';",
        "export { a }; const b = 'x';",
        "const r = /import 'x'/;",
        "// nx-ignore-next-line\nimport 'x';",
        "/*\n * nx-ignore-next-line\n */\nimport 'x'; import 'y';",
    ],
)
def test_what_only_looks_like_an_import_is_none(text: str):
    assert found(text) == {}


def test_only_the_next_line_is_ignored():
    assert found("// nx-ignore-next-line\nimport 'a';\nimport 'b';\n") == {"b": STATIC}


def test_several_imports_in_a_row_are_all_found():
    assert set(found("export { a }\nimport b from 'b'\nexport * from 'c'\nconst d = require('d')")) == set(
        "bcd"
    )


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.vue", "<template>it's `</template>\n<script setup lang='ts'>\nimport 'x';\n</script>"),
        ("a.svelte", "<script>import 'x';</script><p>import 'y'</p>"),
        ("a.svelte", "<script>import 'x';"),
        ("a.astro", "---\nimport 'x';\n---\n<p>import 'y'</p>"),
    ],
)
def test_of_a_component_only_the_scripts_count(path: str, text: str):
    assert found(text, path) == {"x": STATIC}


@pytest.mark.parametrize(
    "text",
    [
        "import a " * 20_000,
        "export{a," * 10_000,
        "`${" * 50_000,
        "'\"" * 50_000,
        "=/a" * 50_000,
        "require('x'){" * 5_000,
        "import(" * 20_000,
        "import" + " " * 100_000,
        "//nx-ignore-next-line\n" * 2_000 + "import 'a';\n" * 2_000,
        '"' + '\\"' * 100_000,
        "=/[" * 100_000,
        "import {/*" * 10_000,
        "<script>" * 20_000,
    ],
)
@pytest.mark.parametrize("path", ["a.ts", "a.vue"])
def test_a_hostile_file_takes_no_longer_than_its_size(path: str, text: str):
    started = time.process_time()

    list(find_imports(path, text))

    assert time.process_time() - started < 5


PIECES = st.sampled_from(
    [
        *("import", "export", "require", "(", ")", "{", "}", "'x'", '"y"', "`z`", "`${", "from", "*", "a"),
        *("//", "/*", "*/", "/", "type", ".", ",", "=", "'", "\\", ":", "<", ">", "nx-ignore-next-line"),
        *(";", "\n"),
    ]
)


@given(st.lists(PIECES, max_size=40).map(" ".join), st.sampled_from([*SCRIPTS, *COMPONENTS]))
def test_no_text_is_too_odd(text: str, ending: str):
    assert all(
        (name and "\n" not in name.strip("`")) or "z" in name for name, _ in find_imports(f"a{ending}", text)
    )


def agree_on(nx: Path, files: list[Path]) -> list[str]:
    """The files in which Nx's scanner finds other imports."""
    argv = ["/usr/bin/env", "node", "-e", NATIVE, nx.parents[1] / "src/native/index.js"]
    given = json.dumps([str(file) for file in files]).encode()
    told = subprocess.run(argv, input=given, capture_output=True, timeout=60, check=True).stdout
    theirs = {file: set(names) for file, names in json.loads(told)}
    ours = {str(file): set(found(file.read_text(errors="replace"), file.name)) for file in files}
    return [file for file in ours if ours[file] != theirs[file]]


def sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.name.endswith(SCRIPTS) and path.is_file())


def test_in_real_packages_nx_finds_the_same(nx: Path):
    assert agree_on(nx, sources(nx.parents[1] / "src" / "tasks-runner")) == []


@pytest.mark.fuzz
def test_in_every_installed_package_nx_finds_the_same_but_for_two_files(nx: Path):
    """One calls `require.extensions['.json5']`, the other exports a name that is a keyword."""
    differing = agree_on(nx, [file for file in sources(nx.parents[3]) if file.stat().st_size < 400_000])

    assert {Path(file).name for file in differing} <= {"register.js", "devkit-exports.d.ts"}
