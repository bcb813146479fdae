"""What the README shows runs, and is what the package says."""

import inspect
import re
import runpy
from pathlib import Path

import numgan

from .proof.mutants import all_vjps

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_op_shown_is_the_op_of_the_package():
    shown, source = BLOCKS[0].splitlines(), inspect.getsource(numgan.matmul)
    assert len(shown) <= 10
    assert all(line in source for line in shown)


def test_the_example_learns():
    namespace = {}
    exec(BLOCKS[1], namespace)
    assert namespace["loss"].item() < 0.1


def test_every_file_and_option_it_names_exists():
    root = Path(__file__).parents[1]
    for path in re.findall(r"\]\((demos/[^)]*)\)|`((?:numgan|tests|demos)/[\w./]*)`", README):
        assert (root / "".join(path)).exists(), path
    script = (root / "demos/mnist_gan.py").read_text(encoding="utf-8")
    for option in set(re.findall(r"mnist_gan.py (--[\w-]+)", README)):
        assert f'"{option}"' in script or option == "--help"


def test_the_gradient_demo_checks_every_op(capsys):
    demo = runpy.run_path(str(Path(__file__).parents[1] / "demos/check_gradients.py"))
    demo["main"]()
    shown = {line.split()[0] for line in capsys.readouterr().out.splitlines()[1:-1]}
    assert shown >= {op for op, _ in all_vjps()}
