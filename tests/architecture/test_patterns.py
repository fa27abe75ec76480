"""What is asked of the regular expressions that callers see."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from source_tree import ROOT

MOST_TIMES = 300
DOCUMENTS = sorted(ROOT.glob("docs/openapi/*.json"))


def patterns(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from [part["pattern"]] if isinstance(part.get("pattern"), str) else []
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from patterns(inner)


def times(pattern: str) -> list[int]:
    return [int(most or least) for least, most in re.findall(r"\{(\d+)(?:,(\d*))?\}", pattern)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_no_pattern_counts_what_a_length_says(document: Any):
    """Each repetition is a state of an automaton, in every model that has the field: a megabyte for some."""
    found = set(patterns(json.loads(document.read_text())))

    assert found
    assert [pattern for pattern in found if max(times(pattern), default=0) > MOST_TIMES] == []
