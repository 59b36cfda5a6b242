"""How grave an earthquake is, proposed from what BMKG measures. Rules of thumb for an officer to look at, no findings.

Severity is the graver of two readings:

| severity | felt (MMI)       | magnitude, at 70 km depth or less | deeper                 |
| -------- | ---------------- | --------------------------------- | ---------------------- |
| Extreme  | VIII and above   | 7.5 and above                     | –                      |
| Severe   | VI to VII        | 6.5 to 7.4                        | 7.5 and above          |
| Moderate | IV to V          | 5.0 to 6.4                        | 6.5 to 7.4             |
| Minor    | III and below    | below 5.0                         | below 6.5              |

The felt column follows BMKG's own intensity scale (SIG-BMKG), in which VI is the first slight damage and VIII heavy
damage. Where a tsunami is possible it is Extreme whatever was felt.
"""

from __future__ import annotations

from kentongan.cap.model import Severity, Urgency

_INTENSITIES = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")
_ROMAN = {name: number for number, name in enumerate(_INTENSITIES, start=1)}
_GRAVEST_FIRST = (Severity.EXTREME, Severity.SEVERE, Severity.MODERATE, Severity.MINOR)
_SHALLOW_KM = 70.0


def greatest_intensity(mmi: str) -> int:
    """The greater end of an intensity such as "III-IV", as a number from 1 to 12; 0 where there is none."""
    return max((_ROMAN.get(part.strip(), 0) for part in mmi.split("-")), default=0)


def propose_severity(magnitude: float, depth_km: float, intensity: int, *, tsunami: bool) -> Severity:
    """The severity by the table above; `intensity` is 0 where none was felt or told."""
    if tsunami:
        return Severity.EXTREME
    by_feeling = _step(intensity, (8, 6, 4))
    by_magnitude = _step(magnitude, (7.5, 6.5, 5.0))
    if depth_km > _SHALLOW_KM:
        by_magnitude = min(by_magnitude + 1, len(_GRAVEST_FIRST) - 1)
    return _GRAVEST_FIRST[min(by_feeling, by_magnitude)]


def propose_urgency(severity: Severity) -> Urgency:
    """Immediate for what can have broken buildings or brings a wave, Expected for what shook people, else Past."""
    if severity in (Severity.EXTREME, Severity.SEVERE):
        return Urgency.IMMEDIATE
    return Urgency.EXPECTED if severity is Severity.MODERATE else Urgency.PAST


def felt_radius(magnitude: float) -> float:
    """Kilometres around the epicentre in which it may have been felt: 30 at magnitude 5, tenfold each two above it.

    Between 20 and 1,000, in steps of 10.
    """
    radius = 10 ** (magnitude / 2 - 1)
    return float(min(1000, max(20, round(radius / 10) * 10)))


def _step(value: float, bounds: tuple[float, ...]) -> int:
    return next((step for step, bound in enumerate(bounds) if value >= bound), len(bounds))
