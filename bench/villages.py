"""The villages of a benchmark: invented, in the ten districts of a regency."""

from __future__ import annotations

from dataclasses import dataclass

REGENCY = ("5102", "KAB. TABANAN", "BALI")
_DISTRICTS = 10


@dataclass(frozen=True, slots=True)
class BenchVillage:
    """A village that exists on paper only."""

    code: str
    name: str

    @property
    def domain(self) -> str:
        return f"d{self.code}.desa.test"

    @property
    def district(self) -> str:
        return self.code[:6]


def villages(count: int) -> list[BenchVillage]:
    """Return so many villages, spread over the districts."""
    return [BenchVillage(_code(place), f"Desa {place + 1}") for place in range(count)]


def _code(place: int) -> str:
    return f"{REGENCY[0]}{1 + place % _DISTRICTS:02}{2001 + place // _DISTRICTS}"
