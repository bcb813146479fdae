"""What the gradient checks found, collected while they run: the table at the end of pytest."""

import textwrap
from collections import Counter, defaultdict
from contextlib import contextmanager

COLUMNS = 100


class Report:
    """Per op: how many cases, the largest error and where, how many planted faults were found and how. And who found them."""

    def __init__(self):
        self.muted = False
        self.clear()

    def clear(self):
        """Forget everything."""
        self.rows = defaultdict(lambda: {"cases": 0, "error": 0.0, "tolerance": 0.0, "worst": "",
                                         "wrong": 0, "crashed": 0, "planted": 0})
        self.finders = Counter()

    @contextmanager
    def silence(self):
        """What is compared within does not count: faults are planted."""
        self.muted = True
        try:
            yield
        finally:
            self.muted = False

    def error(self, op, error, tolerance, where):
        """One comparison of a gradient of `op` with its reference."""
        if self.muted:
            return
        row = self.rows[op]
        row["cases"] += 1
        row["tolerance"] = max(row["tolerance"], tolerance)
        if error >= row["error"]:
            row["error"], row["worst"] = error, where

    def planted(self, op, found):
        """One deliberate fault of `op`; the property that found it and whether as a wrong number, or None."""
        row = self.rows[op]
        row["planted"] += 1
        if found:
            finder, wrong = found
            row["wrong" if wrong else "crashed"] += 1
            self.finders[finder] += 1

    def add(self, rows, finders):
        """Another process's `rows` and `finders`."""
        for op, other in rows.items():
            row = self.rows[op]
            if other["error"] >= row["error"]:
                row["error"], row["worst"] = other["error"], other["worst"] or row["worst"]
            row["tolerance"] = max(row["tolerance"], other["tolerance"])
            for key in "cases", "wrong", "crashed", "planted":
                row[key] += other[key]
        self.finders += finders

    def table(self):
        """Lines of at most 100 columns."""
        if not self.rows:
            return
        yield ""
        yield "gradient checks: backward() against the complex step of an independent reference"
        yield "faults: how many of the planted ones surfaced as a wrong number + as an exception / of how many"
        yield f"{'op':22} {'cases':>6}  {'max error':>9}  {'tolerance':>9}  {'faults':>9}  worst case"
        for op, row in sorted(self.rows.items()):
            cases = (f"{row['cases']:>6}  {row['error']:>9.1e}  {row['tolerance']:>9.0e}" if row["cases"]
                     else f"{'':>6}  {'':>9}  {'':>9}")
            faults = f"{row['wrong']}+{row['crashed']}/{row['planted']}" if row["planted"] else ""
            yield f"{op:22} {cases}  {faults:>9}  {row['worst']}"[:COLUMNS]
        cases, wrong, crashed, planted = (sum(row[key] for row in self.rows.values())
                                          for key in ("cases", "wrong", "crashed", "planted"))
        yield f"{cases:,} gradients compared"
        if planted:
            yield f"{wrong + crashed} of {planted} planted faults found: {wrong} as a wrong number, {crashed} as an exception"
            yield from textwrap.wrap("found by: " + ", ".join(f"{name} {n}" for name, n in self.finders.most_common()), COLUMNS,
                                     subsequent_indent="  ")


REPORT = Report()
