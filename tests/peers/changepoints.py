"""Change-point models of ASHRAE Guideline 14 by scipy's nonlinear least squares, for tests of our own search: a program
for the system's Python (Debian: python3-scipy), which shares no code with the hub.

Reads JSON from stdin: {"days": [[used, mean, before, weight], …]}. Writes, for each of the models 1P, 3P heating, 3P
cooling and 5P, the weighted sum of squares that is left and the expected use at the temperatures of "at".
"""

import json
import sys

import numpy
from scipy.optimize import least_squares

MODELS = {"1": (False, False), "3h": (True, False), "3c": (False, True), "5": (True, True)}


def model(figures, heats, cools, mean, before):
    base, inertia, heat, warm, cool, gap = figures
    felt = (1 - inertia) * mean + inertia * before
    used = numpy.full_like(felt, base)
    if heats:
        used = used + heat * numpy.maximum(0, warm - felt)
    if cools:
        used = used + cool * numpy.maximum(0, felt - warm - (gap if heats else 0))
    return used


def main():
    asked = json.load(sys.stdin)
    used, mean, before, weight = numpy.array(asked["days"], float).T
    at = numpy.array(asked["at"], float)
    scale, found = used.mean(), {}
    for name, (heats, cools) in MODELS.items():
        best = None
        for warm in (8, 11, 14, 17, 20):
            for gap in (0.5, 4, 8):
                start = [scale, 0.2, scale / 20, warm, scale / 20, gap]
                low, high = [0, 0, 0, 2, 0, 0], [10 * scale, 0.7, scale * 5, 27, scale * 5, 15]
                fitted = least_squares(
                    lambda x, heats=heats, cools=cools: (
                        (model(x, heats, cools, mean, before) - used) * numpy.sqrt(weight)
                    ),
                    start,
                    bounds=(low, high),
                    x_scale=[scale, 1, scale / 10, 10, scale / 10, 5],
                )
                if best is None or fitted.cost < best.cost:
                    best = fitted
        left = float(2 * best.cost)
        found[name] = {
            "left": left,
            "expected": model(best.x, heats, cools, at, at).tolist(),
            "figures": best.x.tolist(),
        }
    json.dump(found, sys.stdout)


main()
