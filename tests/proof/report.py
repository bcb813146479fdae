"""What the gradient checks found, collected while they run: the table at the end of pytest."""

from collections import defaultdict
from contextlib import contextmanager


class Report:
    """Per op: how many cases, the largest error and where, how many mutants were killed."""

    def __init__(self):
        self.rows = defaultdict(lambda: {"cases": 0, "error": 0.0, "tolerance": 0.0, "worst": "", "killed": 0, "mutants": 0})
        self.muted = False

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

    def mutant(self, op, killed):
        """One deliberately broken derivative of `op`."""
        self.rows[op]["mutants"] += 1
        self.rows[op]["killed"] += killed

    def table(self):
        """Lines of at most 100 columns."""
        if not self.rows:
            return
        yield ""
        yield "gradient checks: backward() against the complex step of an independent reference"
        yield f"{'op':22} {'cases':>6}  {'max error':>9}  {'tolerance':>9}  {'mutants':>7}  worst case"
        for op, row in sorted(self.rows.items()):
            cases = (f"{row['cases']:>6}  {row['error']:>9.1e}  {row['tolerance']:>9.0e}" if row["cases"]
                     else f"{'':>6}  {'':>9}  {'':>9}")
            mutants = f"{row['killed']}/{row['mutants']}" if row["mutants"] else ""
            yield f"{op:22} {cases}  {mutants:>7}  {row['worst']}"[:100]
        total = {key: sum(row[key] for row in self.rows.values()) for key in ("cases", "killed", "mutants")}
        yield f"{total['cases']:,} gradients compared; {total['killed']} of {total['mutants']} planted faults found"


REPORT = Report()
