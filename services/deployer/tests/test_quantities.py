import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_deployer.domain.quantities import (
    NotAQuantity,
    cpu_millis,
    gpu_memory,
    gpu_units,
    nanoseconds,
    price,
    size_bytes,
    spelled,
)


@pytest.mark.parametrize(
    ("text", "millis"),
    [
        ("100m", 100),
        ("0.5", 500),
        ("1", 1000),
        (".25", 250),
        ("1.0015", 1001),
        ("0.0001", 0),
        ("2.", 2000),
        ("1e0", 1000),
    ],
)
def test_cpu_is_counted_in_thousandths_and_the_rest_is_cut_off(text: str, millis: int):
    assert cpu_millis(text) == millis


@pytest.mark.parametrize(
    "text",
    [
        "",
        "m",
        "-1",
        "+1m",
        "0x10",
        "1 ",
        "1,5",
        "٣",
        "1m0",
        "4294967296m",
        "0x1p99999",
        "0x1p999999",
        "9" * 65,
    ],
)
def test_what_is_no_amount_of_cpu_is_refused_with_a_hint(text: str):
    with pytest.raises(NotAQuantity) as refusal:
        cpu_millis(text)

    assert refusal.value.hint == "Write 500m or 0.5."


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("1k", 1000),
        ("1Ki", 1024),
        ("0.5Gi", 2**29),
        ("1.1Mi", 1153433),
        ("1M", 10**6),
        ("2Ti", 2**41),
        ("1Ei", 2**60),
        ("1e3Mi", 1000 * 2**20),
        ("+.5Ki", 512),
        ("1_0k", 10_000),
        ("0x1p10", 1024),
        ("1e300", 2**63),
        ("NaN", 2**63),
        ("+Inf", 2**63),
        ("18446744073709549568", 2**64 - 2048),
    ],
)
def test_sizes_are_bytes(text: str, size: int):
    assert size_bytes(text) == size


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("1GB", "Write 1Gi."),
        ("512MB", "Write 512Mi."),
        ("1gi", "Write 1Gi."),
        ("2Mb", "Write 2Mi."),
        ("1TiB", "Write 1Ti."),
        ("1Kib", "Write 1Ki."),
        ("x", "Write a number and Ki, Mi, Gi or Ti, such as 512Mi."),
        ("-1Mi", "Write a number and Ki, Mi, Gi or Ti, such as 512Mi."),
        ("1__0Mi", "Write a number and Ki, Mi, Gi or Ti, such as 512Mi."),
        ("1 GB", "Write 1Gi."),
        ("9" * 400, "Write a number and Ki, Mi, Gi or Ti, such as 512Mi."),
    ],
)
def test_a_size_that_akash_does_not_read_is_refused_with_a_hint(text: str, hint: str):
    with pytest.raises(NotAQuantity) as refusal:
        size_bytes(text)

    assert refusal.value.hint == hint


@pytest.mark.parametrize("text", ["0", "0.0", "-1", "1e3", "", "NaN", "Infinity", "1.0000000000000000001"])
def test_a_price_is_a_plain_positive_number(text: str):
    with pytest.raises(NotAQuantity):
        price(text)


@given(st.decimals("0.000001", 10**12, places=6))
def test_a_price_is_read_to_its_last_digit(amount: object):
    assert price(f"{amount:f}") == amount


@given(st.integers(1, 2**50))
def test_a_size_is_spelled_so_that_it_is_read_back(size: int):
    assert size_bytes(spelled(size)) == size


@pytest.mark.parametrize("text", ["1e400", "1e999Gi"])
def test_what_no_float_holds_is_too_large(text: str):
    with pytest.raises(NotAQuantity, match="too large"):
        size_bytes(text)


def test_cpu_is_kept_in_32_bits_as_go_does():
    assert (cpu_millis("4294967.396"), cpu_millis("NaN"), cpu_millis("1e300")) == (100, 0, 0)


@pytest.mark.parametrize("text", ["-1", "+1", "1.0", "", "x", "1" * 21, str(2**64)])
def test_gpus_are_counted_in_digits(text: str):
    assert gpu_units("8") == 8
    with pytest.raises(NotAQuantity):
        gpu_units(text)


@pytest.mark.parametrize("text", ["80G", "80M", "8k", "80GB", ""])
def test_a_gpus_memory_has_binary_suffixes_only(text: str):
    assert (gpu_memory("80Gi"), gpu_memory("1024")) == (80 * 2**30, 1024)
    with pytest.raises(NotAQuantity):
        gpu_memory(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h", 3600), ("1h30m", 5400), ("1.5h", 5400), (".5s", 0.5), ("+90m", 5400), ("2us", 2e-6)],
)
def test_a_duration_is_what_go_parses(text: str, seconds: float):
    assert nanoseconds(text) == round(seconds * 10**9)


@pytest.mark.parametrize(
    "text", ["", "1", "0", "0s", "-1h", "1d", "1 h", "h", "1h-1m", "300000h300000000h", "1h" * 40]
)
def test_what_is_no_duration_above_zero_is_refused(text: str):
    with pytest.raises(NotAQuantity):
        nanoseconds(text)
