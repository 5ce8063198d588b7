#!/usr/bin/env python3
"""Holds the two busiest requests to budgets.json: instructions of a start with its first answer, and of a further answer.

    .ci/functions points orders && cargo build -p local && tests/bench/budgets.py

Counted by callgrind, in the functions as they are deployed. What they cost in time is in infra/figures.md.

A budget is what was counted when it was set. What is above it by more than SLACK fails; what is below by more asks for a
lower budget. `--set` writes what is counted now.
"""

import argparse
import json
import pathlib
import shutil
import sys
import tempfile

from functions import BUILT, ROOT, Brand, Server, aws, certificates, instructions, requests

BUDGETS = pathlib.Path(__file__).with_name("budgets.json")

# Which of two connections is there first, and random numbers, move a count by a few percent.
SLACK = 0.15


def counted(target: pathlib.Path, local: pathlib.Path, functions: list) -> dict:
    """Of each: the lower of two counts, in instructions."""
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        context = certificates(work)
        brand = Brand(local, work)
        try:
            port = Server(aws(brand.url), context).port
            found = {}
            for binary in functions:
                function, _, ask = requests(brand.member)[binary]
                place = brand.environment(function, work, port)
                twice = [instructions(target / binary, place, ask) for _ in range(2)]
                found[binary] = {
                    "start": round(min(start for start, _ in twice) * 1e6),
                    "answer": round(min(answer for _, answer in twice) * 1e3),
                }
            return found
        finally:
            brand.end()


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--target", type=pathlib.Path, default=BUILT, help="where the functions are")
    options.add_argument("--local", type=pathlib.Path, default=ROOT / "target/debug/local", help="the local host")
    options.add_argument("--set", action="store_true", help="write what is counted as the new budgets")
    given = options.parse_args()
    if not shutil.which("valgrind"):
        print("valgrind is not installed: nothing was counted", file=sys.stderr)
        return 2
    budgets = json.loads(BUDGETS.read_text())
    found = counted(given.target, given.local, list(budgets))
    if given.set:
        BUDGETS.write_text(json.dumps(found, indent=2) + "\n")
        return 0
    over = False
    for binary, kinds in budgets.items():
        for kind, budget in kinds.items():
            ratio = found[binary][kind] / budget
            over |= ratio > 1 + SLACK
            verdict = "TOO MANY" if ratio > 1 + SLACK else "fewer: lower the budget by --set" if ratio < 1 - SLACK else "ok"
            print(f"{binary:>8} {kind:<6} {found[binary][kind]:>12,} of {budget:>12,} instructions, {ratio:.2f}: {verdict}")
    return int(over)


if __name__ == "__main__":
    sys.exit(main())
