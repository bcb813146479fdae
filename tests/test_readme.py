"""What the READMEs show runs, and what they name exists."""

import ast
import inspect
import itertools
import re
import runpy
from pathlib import Path

import pytest

import numgan

from .proof.mutants import all_vjps

ROOT = Path(__file__).parents[1]
README, DEMOS = ROOT / "README.md", ROOT / "demos" / "README.md"
READMES = [README, *sorted(path for folder in ("demos", "numgan", "tests") for path in (ROOT / folder).rglob("README.md"))]
TEXT = README.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def names(path):
    return str(path.relative_to(ROOT))


def commands(text):
    """Every line of a shell block and every piece of inline code."""
    blocks = "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    return [*blocks.splitlines(), *re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))]


def cells(text, column):
    """The files NAME.py that a table names in this column."""
    rows = [line.split("|") for line in text.splitlines() if line.startswith("|")]
    return {name for row in rows for name in re.findall(r"`([\w/]+\.py)`", row[column])}


def test_the_op_shown_is_the_op_of_the_package():
    shown, source = BLOCKS[0].splitlines(), inspect.getsource(numgan.matmul)
    assert len(shown) <= 10
    assert all(line in source for line in shown)


def test_the_gan_shown_is_the_one_in_demos():
    assert BLOCKS[1] in (ROOT / "demos" / "tiny_gan.py").read_text(encoding="utf-8")


def test_the_op_of_one_s_own_is_right_and_gradcheck_would_notice_if_it_were_not():
    text = (ROOT / "tests" / "proof" / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(block, {})
    assert block.count("X * s * (1 - s)") == 1
    with pytest.raises(AssertionError, match="gradcheck"):
        exec(block.replace("X * s * (1 - s)", "s * (1 - s)"), {})


@pytest.mark.parametrize("readme", READMES, ids=names)
def test_every_link_leads_somewhere(readme):
    for link in re.findall(r"\]\(([^)]*)\)", readme.read_text(encoding="utf-8").replace("\n", " ")):
        path, _, heading = link.partition("#")
        target = (readme.parent / path) if path else readme
        if not re.match(r"https?:", link):
            assert target.exists(), link
            headings = re.findall(r"^#+ (.*)", target.read_text(encoding="utf-8"), re.MULTILINE) if heading else []
            assert not heading or heading in {title.lower().replace(" ", "-") for title in headings}, link


@pytest.mark.parametrize("readme", READMES, ids=names)
def test_every_file_it_names_exists(readme):
    text = " ".join(commands(readme.read_text(encoding="utf-8")))
    for path in re.findall(r"(?<![\w/.-])(?:numgan|tests|demos)/[\w./-]*\w", text):
        assert (ROOT / path).exists() or path == "demos/NAME.py", path


@pytest.mark.parametrize("readme", [README, DEMOS], ids=names)
def test_every_option_it_names_exists(readme):
    """In the script of its command; an option without one, and "…", belong to mnist_gan.py or mixtures.py."""
    for command in commands(readme.read_text(encoding="utf-8")):
        command = command.partition("  #")[0]
        scripts = re.findall(r"demos/(\w+\.py)", command) or ["mnist_gan.py", "mixtures.py"]
        known = {"--help"}.union(*(re.findall(r'"(--[\w-]+)"', (ROOT / "demos" / script).read_text(encoding="utf-8"))
                                   for script in scripts if script != "NAME.py"))
        for option, value in re.findall(r"(?<![\w-])(--[a-z][\w-]*)(?:=(\w+))?", command):
            if option == "--hypothesis-profile":
                assert f'register_profile("{value}"' in (ROOT / "tests" / "conftest.py").read_text(encoding="utf-8")
            else:
                assert option in known, command


def test_every_module_has_its_line():
    package, section = ROOT / "numgan", TEXT.partition("## Read the code")[2].partition("\n## ")[0]
    assert cells(section, 2) >= {path.relative_to(package).as_posix() for path in package.rglob("*.py")}


def test_each_module_names_the_next_one_in_the_order_of_the_table():
    section = TEXT.partition("## Read the code")[2].partition("\n## ")[0]
    table = [name for name in re.findall(r"^\|[^|]*\| `([\w/]+\.py)` \|", section, re.MULTILINE) if "__init__" not in name]
    assert table[0] == "tensor.py"
    assert table[-1] == "errors.py"
    for name, following in itertools.pairwise(table):
        docstring = ast.get_docstring(ast.parse((ROOT / "numgan" / name).read_text(encoding="utf-8")))
        following = following.removeprefix("games/") if name.startswith("games/") else following
        assert f"ead {following} next" in " ".join(docstring.split()), name


def test_every_question_has_its_answer_where_it_says():
    answers = re.findall(r"`(\w+)`\s+in\s+`(numgan/[\w/.]*)`", TEXT)
    assert len(answers) >= 4
    for name, path in answers:
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), (name, path)


def test_every_script_and_every_picture_is_shown():
    text = DEMOS.read_text(encoding="utf-8")
    assert cells(text, 1) == {path.name for path in (ROOT / "demos").glob("*.py")}
    pictures = re.findall(r"!\[[^\]]+\]\(gallery/([^)]*)\)", text)
    assert sorted(pictures) == sorted(path.name for path in (ROOT / "demos" / "gallery").iterdir())


def test_the_gradient_demo_checks_every_op(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["check_gradients.py"])
    demo = runpy.run_path(str(ROOT / "demos" / "check_gradients.py"))
    demo["main"]()
    shown = {line.split()[0] for line in capsys.readouterr().out.splitlines()[1:-1]}
    assert shown >= {op for op, _ in all_vjps()}
