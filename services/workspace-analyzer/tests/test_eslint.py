"""Boundaries that a workspace's own ESLint configuration sets, read and never run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient
from hypothesis import given
from hypothesis import strategies as st
from mesh_workspace_analyzer.adapters import eslint, literals
from mesh_workspace_analyzer.adapters.eslint import boundaries
from mesh_workspace_analyzer.adapters.literals import Computed, members
from mesh_workspace_analyzer.domain import constraints
from mesh_workspace_analyzer.domain.constraints import Boundaries, Constraint
from mesh_workspace_analyzer.schemas.requests import DepConstraint
from pydantic import ValidationError

RULE = "@nx/enforce-module-boundaries"
UI = {"sourceTag": "type:ui", "onlyDependOnLibsWithTags": ["type:ui", "type:util"]}
FOUND = Constraint(("type:ui",), ("type:ui", "type:util"))
# What Nx 24 writes for a new workspace, with a constraint of one's own.
GENERATED = """
import nx from '@nx/eslint-plugin';

export default [
  ...nx.configs['flat/base'],
  { ignores: ['**/dist'] },
  {
    files: ['**/*.ts', '**/*.tsx'],
    // '@nx/enforce-module-boundaries': 'off',
    rules: {
      '@nx/enforce-module-boundaries': [
        'error',
        {
          enforceBuildableLibDependency: true,
          allow: ['^.*/eslint(\\\\.base)?\\\\.config\\\\.[cm]?[jt]s$'],
          depConstraints: [
            { sourceTag: "type:ui", onlyDependOnLibsWithTags: ['type:ui', `type:util`], },
          ],
        },
      ],
    },
  },
];
"""


def rule(*constraints: Any, level: object = "error") -> dict[str, Any]:
    return {RULE: [level, {"depConstraints": list(constraints)}]}


def read(**files: Any) -> tuple[Boundaries, list[str]]:
    """What is found in `.eslintrc.json`, given as `json`, or `eslint.config.mjs`, given as `flat`."""
    names = {"json": ".eslintrc.json", "flat": "eslint.config.mjs"}
    return boundaries(
        {names[key]: file if isinstance(file, str) else json.dumps(file) for key, file in files.items()}
    )


def test_json_is_read_exactly_wherever_the_rule_is_in_it():
    for config in ({"rules": rule(UI)}, {"overrides": [{"files": ["*.ts"]}, {"rules": rule(UI)}]}):
        assert read(json=config) == (Boundaries((FOUND,), ".eslintrc.json"), [])


def test_json_may_have_comments_and_the_rule_its_former_name():
    rules = '{"@nrwl/nx/enforce-module-boundaries": [2, {"depConstraints": [{}]}],}'
    config = f'// {RULE}\n{{"rules": {rules}}}'

    assert read(json=config) == (Boundaries((Constraint(()),), ".eslintrc.json"), [])


def test_a_literal_in_a_flat_configuration_is_read_as_nx_writes_it():
    assert read(flat=GENERATED) == (Boundaries((FOUND,), "eslint.config.mjs"), [])


def test_a_flat_configuration_comes_before_json():
    assert read(flat=GENERATED, json={"rules": rule({})})[0].file == "eslint.config.mjs"
    assert read(flat="export default [];", json={"rules": rule(UI)})[0].file == ".eslintrc.json"


def test_all_that_a_constraint_says_of_projects_is_taken_over():
    both = {"allSourceTags": ["a", "b"], "notDependOnLibsWithTags": ["/^c/"], "bannedExternalImports": ["x"]}

    assert read(json={"rules": rule(both, {"sourceTag": "*", "onlyDependOnLibsWithTags": []})})[
        0
    ].constraints == (
        Constraint(("a", "b"), None, ("/^c/",)),
        Constraint(("*",), ()),
    )


@pytest.mark.parametrize("setting", ["off", 0, ["off", {"depConstraints": [UI]}], ["error"], "error"])
def test_a_rule_that_is_off_or_told_nothing_sets_no_boundaries(setting: object):
    assert read(json={"rules": {RULE: setting}}) == (Boundaries(), [])


@pytest.mark.parametrize(
    "value",
    [
        "['error', options]",
        "['error', { depConstraints: [...shared] }]",
        "['error', { depConstraints }]",
        "['error', { depConstraints: [{ sourceTag: `${scope}:ui` }] }]",
        "['error', { depConstraints: [{ sourceTag: '/(?=x)/' }] }]",
        "['error', { depConstraints: [{ sourceTag: 1 }] }]",
        f"['error', {{ depConstraints: {[{}] * (eslint.MOST_CONSTRAINTS + 1)} }}]",
        "['error', {",
        "[" * 20_000,
        f"['error', {{ depConstraints: [{{ sourceTag: '{'x' * 201}' }}] }}]",
        f"['error', {{ depConstraints: {[{'allSourceTags': ['x'] * 50}] * 7} }}]",
        "",
    ],
)
def test_what_only_running_it_would_tell_is_said_to_be_missing(value: str):
    found, gaps = read(flat=f"export default [{{ rules: {{ '{RULE}': {value} }} }}];")

    assert found == Boundaries()
    assert gaps == [eslint.UNREAD.format(file="eslint.config.mjs")]


def test_json_that_is_broken_is_said_to_be_missing():
    assert read(json=f'{{"{RULE}": ')[1] == [eslint.UNREAD.format(file=".eslintrc.json")]


def test_what_other_files_set_is_said_to_be_missing_and_what_is_in_comments_is_not():
    texts = {
        "libs/a/.eslintrc.json": json.dumps({"rules": rule(UI)}),
        ".eslintrc.js": f"module.exports = {{ rules: {{ '{RULE}': 'error' }} }}",
        "libs/b/eslint.config.mjs": f"/* {RULE} */ export default [];",
    }

    assert boundaries(texts) == (Boundaries(), [eslint.ELSEWHERE.format(count=2, first=".eslintrc.js")])


def test_of_several_settings_the_last_is_taken_and_that_is_said():
    config = {"rules": rule(UI), "overrides": [{"rules": rule({})}]}

    assert read(json=config) == (
        Boundaries((Constraint(()),), ".eslintrc.json"),
        [eslint.SEVERAL.format(file=".eslintrc.json")],
    )


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text("ab$_", min_size=1), some, max_size=3),
    max_leaves=8,
)


@given(plain)
def test_json_is_a_literal_too(value: object):
    text = literals.without_comments(f"const x = {{'rule': {json.dumps(value)}}}")

    assert list(members(text, ["rule"])) == [value]


@given(st.text(max_size=60))
def test_no_text_takes_the_reader_by_surprise(text: str):
    found, gaps = read(flat=f"'{RULE}': {text}")

    assert isinstance(found, Boundaries)
    assert len(gaps) <= 2


@pytest.mark.parametrize("part", ['\\"', "`$", "'\\n", '"', "/*"])
def test_a_hostile_text_is_looked_through_once(part: str):
    text = f"'{RULE}': " + '"' + part * 200_000

    assert read(flat=text)[0] == Boundaries()


def test_a_string_means_what_it_means_in_javascript():
    text = r"""{'rule': ['it\'s', "say \"x\"", '"', `two
lines`, '\d\n\\d', '\u0041']}"""

    assert list(members(text, ["rule"])) == [["it's", 'say "x"', '"', "two\nlines", "d\n\\d", "A"]]


def test_what_is_computed_is_no_literal():
    with pytest.raises(Computed):
        list(members("{'rule': make()}", ["rule"]))


@pytest.mark.parametrize(
    ("tags", "wanted", "is_meant"),
    [
        ((), "*", True),
        (("scope:shop",), "scope:*", True),
        (("my:scope:shop",), "scope:*", False),
        (("scope:shop",), "*:shop", True),
        (("scope:shop",), "scope:shop", True),
        (("scope:shop",), "scope:sho", False),
        (("scope:shop",), "scope:.*", True),
        (("scope:shop",), "/shop/", True),
        (("scope:shop",), "/^shop/", False),
        (("a", "b"), "/^b$/", True),
        (("a[b]",), "a[b]", True),
        (("/",), "/", True),
    ],
)
def test_a_tag_is_meant_as_nx_means_it(tags: tuple[str, ...], wanted: str, is_meant: bool):
    assert constraints.has(tags, wanted) is is_meant


def test_a_pattern_that_others_never_end_with_ends():
    assert not constraints.has(("a" * 200 + "!",), "/^(a+)+$/")


@pytest.mark.parametrize("tag", ["/(/", "/(?=x)/", "(*", "/(a{1000}){1000}/"])
def test_what_is_no_pattern_is_refused(tag: str):
    with pytest.raises(ValueError, match="no pattern"):
        constraints.pattern(tag)
    with pytest.raises(ValidationError):
        DepConstraint(sourceTag=tag)


async def test_an_answer_has_the_boundaries_of_the_workspace_unless_the_request_has_its_own(
    http: AsyncClient, storefront: Path, git: Callable[..., str]
):
    config = storefront / "eslint.config.mjs"
    config.write_text(config.read_text().replace("['platform:browser', 'platform:any']", "['platform:any']"))
    git(storefront, "commit", "-qam", "Forbid what a browser has of its own")
    own = {"depConstraints": [{"sourceTag": "x"}]}

    theirs, ours = [
        (await http.post("/v1/analyses", json={"workspace": "storefront"} | more)).json()
        for more in ({}, own)
    ]

    assert theirs["boundaries"]["file"] == "eslint.config.mjs"
    assert theirs["boundaries"]["depConstraints"][0] == {
        "sourceTags": ["platform:browser"],
        "onlyDependOnLibsWithTags": ["platform:any"],
        "notDependOnLibsWithTags": [],
    }
    assert {v["constraint"] for v in theirs["boundaryViolations"]} == {0}
    assert ("web", "ui") in {
        (v["dependency"]["source"], v["dependency"]["target"]) for v in theirs["boundaryViolations"]
    }
    assert (ours["boundaries"]["file"], ours["boundaryViolations"]) == (None, [])
