"""Judges a report of Autobahn's client: `judge.py reports/autobahn/index.json --expect 247`."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ACCEPTED: Final = frozenset({"OK", "NON-STRICT", "INFORMATIONAL"})


def failures(report: Mapping[str, Mapping[str, Mapping[str, str]]], expect: int) -> list[str]:
    """Return what is wrong with a report: cases not accepted, and another number of them."""
    found = [
        f"{agent} {case}: {result['behavior']}, close {result['behaviorClose']}"
        for agent, cases in sorted(report.items())
        for case, result in cases.items()
        if not {result["behavior"], result["behaviorClose"]} <= ACCEPTED
    ]
    number = sum(len(cases) for cases in report.values())
    if number != expect:
        found.append(f"{number} cases were run, and {expect} were expected")
    return found


def main() -> int:
    """Print what failed; 1 when anything did."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("--expect", type=int, required=True)
    told = parser.parse_args()
    found = failures(json.loads(told.report.read_text()), told.expect)
    print("\n".join(found) or f"{told.expect} cases, 0 failed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
