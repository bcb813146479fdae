"""Learn backpropagation and GANs, one idea at a time: python demos/tour.py  (tour.py 4 starts at chapter 4)"""

import argparse
import sys

from tour_gradients import matmul, paths, slopes, vectors
from tour_networks import im2col, normalisation, valley
from tour_players import frozen, players

from numgan import console
from numgan.console import folder, whole
from numgan.files import atomic

CHAPTERS = [slopes, paths, vectors, matmul, im2col, normalisation, valley, players, frozen]


def arguments():
    """The command line."""
    chapters = "\n".join(f"  {number}  {chapter.__doc__}" for number, chapter in enumerate(CHAPTERS, 1))
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0] + ".", epilog=f"chapters:\n{chapters}",
                                     usage="%(prog)s [CHAPTER] [options]", formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("chapter", nargs="?", type=whole(1, len(CHAPTERS)), default=1, metavar="CHAPTER", help="where to start; default 1")
    add("--only", action="store_true", help="only this chapter")
    add("--quick", action="store_true", help="only the text, no pictures")
    add("--out", type=folder, default="runs/tour", help="folder for the pictures; default runs/tour")
    return parser.parse_args()


def main():
    """Chapter after chapter; at a terminal, Enter turns the page."""
    args = arguments()
    last = args.chapter if args.only else len(CHAPTERS)
    if not args.quick:
        args.out.mkdir(parents=True, exist_ok=True)
    for number in range(args.chapter, last + 1):
        chapter = CHAPTERS[number - 1]
        title = f"{number}. {chapter.__doc__}"
        print(f"\n{title}\n{'=' * len(title)}\n")
        draw = chapter()
        if not args.quick:
            path = args.out / f"{number}-{chapter.__name__}.png"
            figure = draw()
            with atomic(path) as temporary:
                figure.savefig(temporary)
            print(f"The picture: {path}")
        if number < last and sys.stdin and sys.stdin.isatty():
            try:
                input(f"\nEnter for chapter {number + 1}, Ctrl-C to stop ")
            except EOFError:
                return
            except KeyboardInterrupt:
                options = ["--quick"] if args.quick else ["--out", args.out]
                raise KeyboardInterrupt(f"\ngo on with: {console.command(sys.argv[0], number + 1, *options)}") from None


if __name__ == "__main__":
    console.run(main)
