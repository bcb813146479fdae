"""What the scripts in demos/ promise: the networks they say, runs that go on, and one line for every mistake."""

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from numgan import checkpoint, data, training
from numgan.games import SGAN
from numgan.run import load_game

from .scripts import ENVIRONMENT, ROOT, contents, process

TRAIN, SAMPLE = ROOT / "demos" / "mnist_gan.py", ROOT / "demos" / "sample.py"
SEMI_SUPERVISED = ROOT / "demos" / "semi_supervised.py"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with two runs of the smallest game, "straight" and, in two processes, "resumed"; what the first said."""
    folder = tmp_path_factory.mktemp("runs")
    options = "--game", "minimal", "--batch", "8", "--seed", "5", "--every", "3"
    with ThreadPoolExecutor() as both:
        said = both.submit(process, TRAIN, *options, "--steps", "6", "--out", "straight", cwd=folder)
        both.submit(process, TRAIN, *options, "--steps", "3", "--out", "resumed", cwd=folder).result()
    process(TRAIN, "--resume", Path("resumed", "checkpoint.npz"), "--steps", "6", cwd=folder)
    return folder, said.result()


@pytest.fixture
def trained(runs):
    """The checkpoint of a run."""
    return runs[0] / "straight" / "checkpoint.npz"


# --- Starting


def test_importing_numgan_does_not_import_matplotlib(tmp_path):
    code = "import sys, numgan, numgan.training, numgan.games; print([m for m in sys.modules if 'matplotlib' in m])"
    assert process("-c", code, cwd=tmp_path).stdout == "[]\n"


def test_the_summary_of_the_dcgan_is_the_published_one(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, _ = script(TRAIN, "--summary")
    assert status == 0
    generator, discriminator = out.split("discriminator\n")
    for text, numbers, totals in [
            (generator, ["633,472", "25,088", "204,864", "256", "1,601"], ["865,281", "852,609"]),
            (discriminator, ["1,664", "204,928", "6,273"], ["212,865"])]:
        parameters = [line.split()[-1] for line in text.splitlines() if "(" in line]
        assert [number for number in parameters if number != "0"] == numbers
        for total in totals:
            assert re.search(rf"\b{total}\b", text.splitlines()[-1] if text is discriminator else text)
    for shape in ("(6272,)", "(7, 7, 128)", "(14, 14, 64)", "(28, 28, 1)"):
        assert shape in generator
    for shape in ("(14, 14, 64)", "(7, 7, 128)", "(6272,)", "(1,)"):
        assert shape in discriminator
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(("game", "totals"), [
    ("dense", ["1,463,312", "1,460,225"]), ("shallow", ["234,512", "201,217"]), ("minimal", ["114,064", "100,609"]),
    ("lsgan", ["865,281", "212,865"]), ("acgan", ["928,001", "275,595"]),
    ("sgan", ["295,184", "600,458"]), ("fixmatch", ["295,184", "600,458"]), ("conditional", ["297,744", "600,458"]),
    ("began", ["139,201", "395,713"])])
def test_the_summary_of_every_game_has_the_published_totals(script, game, totals):
    status, out, _ = script(TRAIN, "--summary", "--game", game)
    assert status == 0
    assert [line.split()[1].strip(",") for line in out.splitlines() if line.startswith("total ")] == totals


def test_the_summary_of_a_checkpoint_is_that_of_its_game(script, undrawn, tmp_path):
    path = tmp_path / "run" / "checkpoint.npz"
    assert script(TRAIN, "--game", "shallow", "--steps", 1, "--out", path.parent)[0] == 0
    assert script(TRAIN, "--resume", path, "--summary")[:2] == script(TRAIN, "--game", "shallow", "--summary")[:2]


def test_help_names_every_option_and_exits_well(script):
    status, out, error = script(TRAIN, "--help")
    assert (status, error) == (0, "")
    options = ("game steps batch seed data data-dir out every objective d-steps real-label recipe lr d-lr beta1 lr-steps "
               "dropout categories average labels gamma resume summary")
    assert [option for option in options.split() if f"--{option}" not in out] == []
    status, out, error = script(SAMPLE, "--help")
    assert (status, error) == (0, "")
    assert [option for option in ("CHECKPOINT", "--n", "--seed", "--out") if option not in out] == []


# --- Training


def test_a_run_with_piped_output_says_how_far_it_is_and_what_it_made(runs):
    folder, said = runs
    assert "\r" not in said.stdout + said.stderr
    lines = [line for line in said.stderr.splitlines() if not line.startswith("  ")]
    assert "samples classified as 0 … 9" in said.stderr
    assert [line.split()[:2] for line in lines] == [["step", "3/6"], ["step", "6/6"]]
    for line in lines:
        assert [word for word in ("/s ", "ETA ", "loss D ", "D(x) ", "D(G(z)) ") if word not in line] == []
    assert said.stdout.count("\n") == 1
    made = {"checkpoint.npz", "curves.png", "log.csv", "progress.gif", "samples",
            *(str(Path("samples", f"step_{step:06d}.png")) for step in (0, 3, 6))}
    assert contents(folder / "straight").keys() == made
    assert [name for name in ("straight", *(n for n in made if "step_" not in n)) if name not in said.stdout] == []


def test_a_run_resumed_in_a_new_process_equals_a_straight_one_bit_for_bit(runs):
    folder, _ = runs
    (about, arrays), (about_too, arrays_too) = (
        checkpoint.load(folder / name / "checkpoint.npz") for name in ("straight", "resumed"))
    assert about == about_too
    assert len(about["columns"]) >= 7
    assert arrays["history"].shape == (6, len(about["columns"]))
    assert arrays.keys() == arrays_too.keys()
    for name, array in arrays.items():
        assert (array.dtype, array.tobytes()) == (arrays_too[name].dtype, arrays_too[name].tobytes())
    straight, resumed = contents(folder / "straight"), contents(folder / "resumed")
    assert straight.keys() == resumed.keys()
    for name in straight:
        assert name.endswith((".npz", ".gif")) or straight[name] == resumed[name]


def test_a_resumed_run_takes_its_own_options_again_and_a_new_folder(script, undrawn, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = contents(trained.parent)
    status, _, _ = script(TRAIN, "--resume", trained, "--game", "minimal", "--seed", 5, "--steps", 7, "--every", 7,
                          "--out", "on")
    assert status == 0
    assert checkpoint.load(Path("on", "checkpoint.npz"))[1]["history"].shape[0] == 7
    assert contents(trained.parent) == before


def test_options_reach_the_game_and_the_checkpoint(script, undrawn, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, _ = script(TRAIN, "--game", "shallow", "--steps", 1, "--batch", 3, "--d-steps", 2, "--lr", 0.03,
                          "--real-label", 0.75, "--objective", "saturating")
    assert status == 0
    about, arrays = checkpoint.load(Path("runs", "shallow", "checkpoint.npz"))
    assert about["game"] == "VanillaGAN"
    assert about["settings"].items() >= {"variant": "shallow", "d_steps": 2, "lr": 0.03, "real_label": 0.75,
                                         "objective": "saturating"}.items()
    assert about["batch"] == 6  # three images for each step of D
    assert arrays["history"].shape[0] == 1


def test_the_tutorials_recipe_is_theirs_except_for_options_that_are_given(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = []
    monkeypatch.setattr(training, "train", lambda run, *rest: runs.append(run))
    for name, options, expected in (
            ("dcgan", [], {"lr": 2e-4, "d_lr": None, "beta1": 0.5, "dropout": 0.3, "categories": 0, "average": None}),
            ("dcgan", ["--average", 0.9, "--categories", 5], {"lr": 2e-4, "d_lr": None, "categories": 5, "average": 0.9}),
            ("lsgan", [], {"lr": 2e-4, "d_lr": None, "dropout": 0.3, "average": None}),
            ("dense", [], {"lr": 2e-4, "d_lr": None, "beta1": 0.5, "real_label": 0.9, "average": None}),
            ("shallow", ["--d-lr", 0.1], {"lr": 2e-4, "d_lr": 0.1, "beta1": 0.9, "average": None})):
        assert script(TRAIN, "--game", name, "--recipe", "tutorial", *options)[0] == 0
        game = runs[-1].game
        assert {setting: getattr(game, setting) for setting in expected} == expected
        assert runs[-1].about["recipe"] == "tutorial"


def test_the_seed_decides_on_everything_random(script, undrawn, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    losses = []
    for name, seed in {"a": 1, "b": 1, "c": 2}.items():
        assert script(TRAIN, "--game", "minimal", "--steps", 1, "--batch", 3, "--seed", seed, "--out", name)[0] == 0
        losses.append(Path(name, "log.csv").read_text())
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("game", ["sgan", "fixmatch", "conditional"])
def test_a_semi_supervised_run_goes_on_with_the_same_labelled_images(script, undrawn, tmp_path, monkeypatch, game):
    monkeypatch.chdir(tmp_path)
    game = ("--game", game, "--labels", 10, "--batch", 12, "--every", 2)
    assert script(TRAIN, *game, "--steps", 2, "--out", "straight")[0] == 0
    assert script(TRAIN, *game, "--steps", 1, "--out", "resumed")[0] == 0
    assert script(TRAIN, "--resume", Path("resumed", "checkpoint.npz"), "--steps", 2)[0] == 0
    logs = [Path(name, "log.csv").read_text() for name in ("straight", "resumed")]
    assert logs[0] == logs[1]
    assert "class_accuracy" in logs[0]


def test_the_table_of_a_few_labels_goes_on_where_it_was(script, undrawn, fails, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    quick = (SEMI_SUPERVISED, "--data", "digits-10k", "--seeds", 1, "--steps", 2)
    table = Path("runs", "semi-supervised", "results.csv")
    steps, last = itertools.count(1), {}  # only the last batch is kept: all of them would be a gigabyte
    other = "mnist,10,7,2,1.00,2.00,\n"

    def supervised_step(game, *batch):
        last.update(number=next(steps), batch=batch)
        if last["number"] == 1:  # meanwhile, another process saves a result
            table.parent.mkdir(parents=True)
            table.write_text("data,labels,seed,steps,supervised,sgan,fixmatch\n" + other)

    monkeypatch.setattr(SGAN, "supervised_step", supervised_step)
    status, first, _ = script(*quick, "--labels", 10)
    assert status == 0
    assert len(first.splitlines()) == 2
    assert last["number"] == 1000
    images, labels = last["batch"]
    assert images.shape == (128, 28, 28, 1)
    assert set(labels) == set(range(10))
    assert len(np.unique(images.reshape(128, -1), axis=0)) == 10
    run = Path("runs", "semi-supervised", "digits-10k-10-labels-seed-0", "checkpoint.npz")
    before = run.read_bytes()
    status, second, _ = script(*quick, "--labels", 10, 12)
    assert status == 0
    assert second.startswith(first)
    assert len(second.splitlines()) == 3
    assert last["number"] == 2000  # nothing was done twice
    assert run.read_bytes() == before
    assert script(*quick[:-1], 3, "--labels", 10)[0] not in (0, None)  # its learning rate is at its end
    assert run.read_bytes() == before
    assert last["number"] == 3000
    assert other in table.read_text()
    rows = [line.rsplit(",", 1) for line in table.read_text().splitlines()]
    table.write_text("".join(f"{row}\n" for row, fixmatch in rows))  # as it was before there was this column
    assert script(*quick, "--labels", 10, 12)[1] == second
    assert [line.rsplit(",", 1) for line in table.read_text().splitlines()] == rows
    assert last["number"] == 3000
    good = table.read_text()
    for foreign in (good.replace("seed", "seeds"), good.replace(".", ","), "a,b\n1,2\n", "data\n\xff\n"):
        table.write_text(foreign, encoding="latin-1")
        fails(*quick, "--labels", 10, mentions=[table, "columns"])
        assert table.read_text(encoding="latin-1") == foreign
    fails(*quick, "--labels", 10, 9, "--out", "new", mentions=["9", "labelled"])
    assert not Path("new").exists()


@pytest.mark.parametrize(("options", "mentions"), [
    (["--labels", "5"], ["labelled", "5"]), (["--labels", "many"], ["many"]), (["--steps", "0"], ["steps", "0"]),
    (["--seeds", "0"], ["seeds", "0"]), (["--data", "mnist", "--data-dir", "nowhere"], ["nowhere"])])
def test_bad_options_for_that_table_fail_in_one_line(fails, options, mentions):
    fails(SEMI_SUPERVISED, "--data", "digits-10k", *options, mentions=mentions)


@pytest.mark.parametrize(("options", "mentions"), [
    (["--game", "cyclegan"], ["cyclegan", "dcgan"]), (["--nonsense"], ["--nonsense"]), (["extra"], ["extra"]),
    (["--steps", "-5"], ["steps", "-5"]), (["--steps", "0"], ["steps", "0"]),
    (["--steps", "many"], ["--steps", "many"]),
    (["--every", "0"], ["every", "0"]), (["--every", "-1"], ["every", "-1"]),
    (["--batch", "0"], ["0"]), (["--batch", "-8"], ["-8"]), (["--batch", "1.5"], ["--batch", "1.5"]),
    (["--real-label", "1.5"], ["real_label", "1.5"]), (["--real-label", "0.5"], ["real_label", "0.5"]),
    (["--real-label", "nan"], ["real_label", "nan"]), (["--d-steps", "0"], ["--d-steps", "0"]),
    (["--lr", "-1"], ["lr", "-1"]), (["--lr", "nan"], ["lr", "nan"]), (["--lr", "inf"], ["lr", "inf"]),
    (["--d-lr", "-1"], ["lr", "-1"]), (["--beta1", "1"], ["beta1", "1"]),
    (["--average", "2"], ["average", "2"]), (["--average", "much"], ["--average", "much"]),
    (["--dropout", "0.5"], ["--dropout", "dcgan", "minimal"]), (["--game", "dcgan", "--dropout", "1"], ["rate", "1"]),
    (["--game", "dcgan", "--categories", "101"], ["categories", "100", "101"]),
    (["--game", "acgan", "--categories", "3"], ["--categories", "dcgan", "acgan"]),
    (["--recipe", "best"], ["best", "tutorial"]), (["--recipe", "tutorial", "--game", "began"], ["--recipe", "dcgan", "began"]),
    (["--seed", "-1"], ["seed", "-1"]), (["--objective", "both"], ["both", "saturating"]),
    (["--data", "cifar"], ["cifar"]),
    (["--gamma", "0.7"], ["--gamma", "began", "minimal"]),
    (["--labels", "50", "--game", "acgan"], ["--labels", "sgan", "acgan"]),
    (["--game", "sgan", "--labels", "9"], ["labelled", "9"]), (["--game", "sgan", "--labels", "20000"], ["20000"]),
    (["--game", "began", "--gamma", "1.5"], ["gamma", "1.5"]), (["--game", "sgan", "--objective", "saturating"], ["matching"]),
    (["--game", "conditional", "--objective", "feature matching"], ["non-saturating", "matching"]),
    (["--data", "mnist", "--data-dir", "nowhere"], ["nowhere", "train-images-idx3-ubyte"]),
    (["--data-dir", "nowhere"], ["nowhere", "digits-10k"]),
    (["--resume", "nowhere.npz"], ["nowhere.npz"]), (["--resume", "."], ["."])])
def test_bad_options_fail_in_one_line_before_anything_is_written(fails, options, mentions):
    game = [] if "--resume" in options or "--game" in options else ["--game", "minimal"]
    steps = [] if "--steps" in options else ["--steps", "2"]
    fails(TRAIN, *game, *steps, *options, "--out", "out", mentions=mentions)


def test_folders_without_the_whole_mnist_fail_in_one_line(fails, tmp_path, monkeypatch):
    empty, wrong = tmp_path / "empty", tmp_path / "wrong"
    empty.mkdir()
    wrong.mkdir()
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        (wrong / name).write_bytes(b"\0\0\x08\1\0\0\0\1\7")
    options = "--game", "minimal", "--data", "mnist", "--out", "out"
    fails(TRAIN, *options, "--data-dir", empty, mentions=[empty, "train-images-idx3-ubyte"])
    fails(TRAIN, *options, "--data-dir", wrong, mentions=[wrong, "SHA-256"])
    monkeypatch.setenv("NUMGAN_DATA", str(empty))
    fails(TRAIN, *options, mentions=[empty, "train-images-idx3-ubyte"])


def test_a_folder_that_holds_a_run_is_not_overwritten(fails, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "checkpoint.npz").write_text("precious")
    fails(TRAIN, "--game", "minimal", "--steps", 2, "--out", out, mentions=[out, "--resume"])


def test_a_file_in_the_place_of_the_folder_fails_in_one_line(fails, tmp_path):
    (tmp_path / "out").write_text("precious")
    fails(TRAIN, "--game", "minimal", "--steps", 2, "--out", tmp_path / "out", mentions=[tmp_path / "out"])


@pytest.mark.parametrize(("options", "mentions"), [
    (["--game", "dense"], ["--game dense", "minimal"]), (["--batch", "9"], ["--batch 9", "8"]),
    (["--seed", "6"], ["--seed 6", "5"]), (["--lr", "0.5"], ["--lr 0.5"]), (["--d-steps", "2"], ["--d-steps 2"]),
    (["--real-label", "0.9"], ["--real-label 0.9"]), (["--data", "mnist"], ["--data mnist", "digits-10k"]),
    (["--steps", "6"], ["6 steps already"]), (["--steps", "2"], ["6 steps already", "2"]),
    (["--every", "0", "--steps", "9"], ["every"])])
def test_a_resumed_run_cannot_become_another(fails, trained, options, mentions):
    before = contents(trained.parent)
    fails(TRAIN, "--resume", trained, *options, mentions=mentions)
    assert contents(trained.parent) == before


def test_a_complete_run_that_is_resumed_is_complete(script, trained):
    before = contents(trained.parent)
    status, out, error = script(TRAIN, "--resume", trained)
    assert (status, error) == (0, "")
    assert "checkpoint.npz" in out
    assert contents(trained.parent) == before


def test_a_resumed_run_does_not_overwrite_another(fails, trained, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "checkpoint.npz").write_text("precious")
    fails(TRAIN, "--resume", trained, "--steps", 9, "--out", tmp_path / "out", mentions=[tmp_path / "out"])


BAD = ["foreign", "truncated", "empty", "of no run", "without its game", "of another script"]


@pytest.mark.parametrize(("script_path", "kind"),
                         [(TRAIN, kind) for kind in BAD] + [(SAMPLE, kind) for kind in BAD[:-1]])
def test_checkpoints_that_cannot_be_used_fail_in_one_line(fails, trained, tmp_path, script_path, kind):
    path = tmp_path / "bad.npz"
    about, arrays = checkpoint.load(trained)
    if kind == "foreign":
        np.savez(path, w=np.zeros(3))
    elif kind == "truncated":
        path.write_bytes(trained.read_bytes()[:-1000])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "of no run":
        checkpoint.save(path, {}, {"w": np.zeros(3)})
    elif kind == "without its game":
        checkpoint.save(path, {name: value for name, value in about.items() if name != "game"}, arrays)
    else:
        checkpoint.save(path, about | {"run": {}}, arrays)
    options = ["--resume", path, "--steps", 9] if script_path == TRAIN else [path]
    fails(script_path, *options, "--out", tmp_path / "out.png", mentions=[path])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_ctrl_c_ends_the_script_with_a_hint_and_a_checkpoint_that_goes_on(script, tmp_path, monkeypatch):
    running = subprocess.Popen(
        [sys.executable, str(TRAIN), "--game", "minimal", "--batch", "4", "--steps", "1000000", "--every", "1000000"],
        cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out = tmp_path / "runs" / "minimal"
    try:
        for _ in range(6000):  # a minute at most
            if running.poll() is not None or ((out / "log.csv").exists() and (out / "log.csv").stat().st_size > 999):
                break
            time.sleep(0.01)
        assert running.poll() is None, running.communicate()
        running.send_signal(signal.SIGINT)
        said, error = running.communicate(timeout=60)
    finally:
        running.kill()
        running.wait()
    assert running.returncode not in (0, None)
    assert said == ""
    assert "Traceback" not in error
    hint = error.splitlines()[-1]
    path = Path(hint.split("--resume ")[1])
    assert str(TRAIN) in hint
    monkeypatch.chdir(tmp_path)
    history = checkpoint.load(path)[1]["history"]
    steps = len(history)
    assert steps >= 2
    assert str(steps) in error.splitlines()[-2]
    assert len((out / "log.csv").read_text().splitlines()) == steps + 1
    status, _, _ = script(TRAIN, "--resume", path, "--steps", steps + 1)
    assert status == 0
    np.testing.assert_array_equal(checkpoint.load(path)[1]["history"][:-1], history)


@pytest.mark.parametrize("lr", [1e10, 1e30])  # too large for Adam's moments, for the loss
def test_numbers_that_are_not_finite_end_the_script_in_one_line(script, tmp_path, monkeypatch, lr):
    monkeypatch.chdir(tmp_path)
    status, out, error = script(TRAIN, "--game", "minimal", "--steps", 9, "--every", 1, "--lr", lr, "--out", "out")
    assert (status, out) == (1, "")
    *progress, line = error.splitlines()
    assert [said.split()[0] for said in progress] == ["step"] * len(progress)
    assert re.match(r"mnist_gan\.py: error: step \d+: .*finite.*out", line), line
    assert np.isfinite(load_game(tmp_path / "out" / "checkpoint.npz").sample(2)).all()


# --- Sampling


def test_samples_are_the_generator_s_digits_and_depend_on_the_seed_only(script, trained, tmp_path):
    said = {}
    for name, seed in {"a": 1, "b": 1, "c": 2}.items():
        status, said[name], error = script(SAMPLE, trained, "--n", 5, "--seed", seed, "--out", tmp_path / f"{name}.npz")
        assert (status, error) == (0, "")
    assert str(tmp_path / "a.npz") in said["a"]
    a, b, c = ((tmp_path / f"{name}.npz").read_bytes() for name in "abc")
    assert a == b != c
    with np.load(tmp_path / "a.npz") as archive:
        images = archive["images"]
        assert archive.files == ["images"]
    assert (images.shape, images.dtype) == ((5, 28, 28), np.uint8)
    expected = load_game(trained).sample(5, np.random.default_rng(1))
    np.testing.assert_array_equal(images, data.to_pixels(expected))
    assert len(np.unique(images, axis=0)) == 5


def test_a_sheet_of_samples_is_a_picture_that_depends_on_the_seed_only(script, trained, tmp_path, monkeypatch):
    from matplotlib.image import imread
    monkeypatch.chdir(tmp_path)
    for name, seed in {"new/a.png": 1, "b.png": 1, "c.png": 2}.items():
        assert script(SAMPLE, trained, "--n", 7, "--seed", seed, "--out", name)[0] == 0
    assert script(SAMPLE, trained)[0] == 0
    a, b, c = (Path(name).read_bytes() for name in ("new/a.png", "b.png", "c.png"))
    assert a == b != c
    height, width = imread("b.png").shape[:2]
    assert width >= height >= 3 * 28
    height, width = imread("samples.png").shape[:2]  # 100 digits by default
    assert width == height >= 10 * 28
    assert contents(tmp_path).keys() == {"new", str(Path("new", "a.png")), "b.png", "c.png", "samples.png"}


@pytest.mark.parametrize(("options", "mentions"), [
    (["--n", "0"], ["0"]), (["--n", "-3"], ["-3"]), (["--n", str(10**13)], []), (["--n", "few"], ["few"]),
    (["--seed", "-1"], ["seed", "-1"]),
    (["--out", "x.jpg"], ["x.jpg", ".png", ".npz"]), (["--out", "x"], ["x"]), (["--out", "no.png/x.png"], ["no.png"])])
def test_bad_options_for_samples_fail_in_one_line_and_nothing_is_written(fails, trained, tmp_path, options, mentions):
    (tmp_path / "here" / "no.png").write_text("not a folder")
    fails(SAMPLE, trained, *options, mentions=mentions)


def test_more_samples_than_fit_into_memory_are_refused(fails, trained, monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda name: 1000)
    fails(SAMPLE, trained, "--n", 200, mentions=["--n 200", "GB of memory"])


def test_no_checkpoint_and_a_missing_one_fail_in_one_line(fails):
    fails(SAMPLE, mentions=["CHECKPOINT"])
    fails(SAMPLE, "nowhere.npz", mentions=["nowhere.npz"])
