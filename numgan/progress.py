"""The line on standard error that shows how far a run has got. Read console.py next."""

import shutil
import sys
import time


class Progress:
    """Prints the progress of a run: on a terminal as one line that is rewritten, elsewhere as one line per snapshot."""

    def __init__(self, done, total, names):
        self.first, self.total, self.names, self.began, self.shown = done, total, names, time.monotonic(), 0.0
        self.live = sys.stderr is not None and sys.stderr.isatty()

    def show(self, row, lasting):
        """Show the row of the latest step, at most five times a second. A `lasting` row is always shown, and stays."""
        now = time.monotonic()
        if not lasting and not (self.live and now - self.shown > 0.2):
            return
        self.shown, step = now, row["step"]
        rate = (step - self.first) / max(now - self.began, 1e-6)
        minutes, seconds = divmod(round((self.total - step) / rate), 60)
        figures = " ".join(f"{label} {row[name]:.2f}" for label, name in self.names.items())
        self.say(f"step {step}/{self.total} {rate:.1f}/s ETA {minutes}:{seconds:02d} {figures}",
                 end="\n" if lasting or not self.live else "")

    def say(self, line, end="\n"):
        """Print a line in place of the one being rewritten. With end="" it is cut to the terminal's width, to be rewritten."""
        if sys.stderr is None:  # closed by the caller
            return
        if self.live:
            width = shutil.get_terminal_size().columns - 1
            line = f"\r{line if end else line[:width]:<{width}}"
        print(line, end=end, file=sys.stderr, flush=True)
