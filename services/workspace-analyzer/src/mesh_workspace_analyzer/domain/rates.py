"""What a minute of a hosted runner costs."""

from decimal import Decimal
from enum import StrEnum

CURRENCY = "USD"
RATES_DATE = "2026-11-26"
RATES_SOURCE = "github/docs content/billing/reference/actions-runner-pricing.md"


class Runner(StrEnum):
    """GitHub's billing SKUs of hosted runners."""

    LINUX_2_CORE_ADVANCED = "linux_2_core_advanced"
    LINUX_2_CORE_ARM = "linux_2_core_arm"
    LINUX_4_CORE = "linux_4_core"
    LINUX_4_CORE_ARM = "linux_4_core_arm"
    LINUX_8_CORE = "linux_8_core"
    LINUX_8_CORE_ARM = "linux_8_core_arm"
    LINUX_16_CORE = "linux_16_core"
    LINUX_16_CORE_ARM = "linux_16_core_arm"
    LINUX_32_CORE = "linux_32_core"
    LINUX_64_CORE = "linux_64_core"
    WINDOWS_4_CORE = "windows_4_core"
    WINDOWS_8_CORE = "windows_8_core"
    WINDOWS_16_CORE = "windows_16_core"
    MACOS_L = "macos_l"


RATES: dict[Runner, Decimal] = {
    Runner.LINUX_2_CORE_ADVANCED: Decimal("0.006"),
    Runner.LINUX_2_CORE_ARM: Decimal("0.005"),
    Runner.LINUX_4_CORE: Decimal("0.012"),
    Runner.LINUX_4_CORE_ARM: Decimal("0.008"),
    Runner.LINUX_8_CORE: Decimal("0.022"),
    Runner.LINUX_8_CORE_ARM: Decimal("0.014"),
    Runner.LINUX_16_CORE: Decimal("0.042"),
    Runner.LINUX_16_CORE_ARM: Decimal("0.026"),
    Runner.LINUX_32_CORE: Decimal("0.082"),
    Runner.LINUX_64_CORE: Decimal("0.162"),
    Runner.WINDOWS_4_CORE: Decimal("0.022"),
    Runner.WINDOWS_8_CORE: Decimal("0.042"),
    Runner.WINDOWS_16_CORE: Decimal("0.082"),
    Runner.MACOS_L: Decimal("0.077"),
}
"""Dollars per minute."""
