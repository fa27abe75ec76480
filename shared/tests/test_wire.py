from typing import Any

import pytest
from mesh_shared.canonical import canonical_json
from mesh_shared.wire import WireModel


class Anything(WireModel):
    value: Any


@pytest.mark.parametrize("value", [1e300, -1e300, 2.0**63, 7.0, 0.5, 2**64 - 1])
def test_whatever_number_a_field_takes_has_a_canonical_spelling(value: float):
    taken = Anything.model_validate({"value": value}).value

    assert canonical_json(taken)
    assert taken == value
