"""Computes what the tests of this folder compare with, by SciPy 1.16.3 and statsmodels 0.14.5:

    python -m venv /tmp/fixtures && /tmp/fixtures/bin/pip install scipy==1.16.3 statsmodels==0.14.5
    /tmp/fixtures/bin/python shared/src/domain/statistics/fixtures.py > shared/src/domain/statistics/fixtures.json

Intervals are of 95 % and of 99 %. A ratio without an upper end is null.
"""

import json
import math

from scipy.stats import fisher_exact, norm
from statsmodels.stats.proportion import (
    confint_proportions_2indep,
    power_proportions_2indep,
    proportion_confint,
    proportions_ztest,
)

# Hits and trials of the one, hits and trials of the other: the pairs of Newcombe's table, Koopman's example, and what
# campaigns come to.
PAIRS = [
    (56, 70, 48, 80), (9, 10, 3, 10), (6, 7, 2, 7), (5, 56, 0, 29), (0, 10, 0, 20), (0, 10, 0, 10), (10, 10, 0, 20),
    (10, 10, 0, 10), (36, 40, 16, 80), (1, 10, 0, 12), (2, 9, 7, 11), (120, 900, 9, 100), (1637, 16380, 150, 1820),
    (41, 1000, 29, 1000), (3, 5000, 0, 500), (250000, 5000000, 24500, 500000),
]


def ends(interval):
    return [None if math.isinf(end) or math.isnan(end) else float(end) for end in interval]


def pair(x1, n1, x2, n2):
    total, expected = x1 + x2, (x1 + x2) * min(n1, n2) / (n1 + n2)
    missed = (n1 + n2 - total) * min(n1, n2) / (n1 + n2)
    z, p = proportions_ztest([x1, x2], [n1, n2]) if 0 < total < n1 + n2 else (0.0, 1.0)
    shrunk = z * math.sqrt((n1 + n2 - 1) / (n1 + n2))
    found = {
        "hits": [x1, x2], "of": [n1, n2], "least_expected": min(expected, missed),
        "pooled": {"z": float(z), "p": float(p)},
        "n_minus_one": {"z": float(shrunk), "p": float(2 * norm.sf(abs(shrunk)))},
        "fisher": float(fisher_exact([[x1, n1 - x1], [x2, n2 - x2]])[1]),
        "wilson": [ends(proportion_confint(x, n, method="wilson")) for x, n in ((x1, n1), (x2, n2))],
    }
    for name, alpha in (("95", 0.05), ("99", 0.01)):
        found[f"newcombe_{name}"] = ends(
            confint_proportions_2indep(x1, n1, x2, n2, method="newcomb", compare="diff", alpha=alpha))
        if x1 and x2:
            found[f"koopman_{name}"] = ends(confint_proportions_2indep(
                x1, n1, x2, n2, method="score", compare="ratio", alpha=alpha, correction=False))
    return found


def power(base, difference, n1, n2):
    found = power_proportions_2indep(difference, base, n1, ratio=n2 / n1, alpha=0.05, return_results=True)
    return {"base": base, "difference": difference, "of": [n1, n2], "power": float(found.power)}


print(json.dumps({
    "normal": [{"above": z, "p": float(norm.sf(z))} for z in (0.0, 0.5, 1.0, 1.6448536269514722, 1.959963984540054, 3.0, 5.0, 8.0)],
    "pairs": [pair(*p) for p in PAIRS],
    "power": [power(*p) for p in ((0.1, 0.02, 4000, 4000), (0.1, 0.03, 9000, 1000), (0.03, 0.01, 2500, 2500), (0.5, 0.2, 90, 90))],
}, indent=1))
