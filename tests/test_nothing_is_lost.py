"""What a user made stays, and what they asked for is done or refused: folders, files and options of the scripts."""

import csv
import os
import shlex
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from numgan import checkpoint, data
from numgan.run import Run, continued
from numgan.training import resume_hint, sheet_path, sheets, train

from .errors import refused
from .runs import anew, contents, new_run, resumed, rows
from .scripts import ROOT

DEMOS = ROOT / "demos"
TRAIN, CYCLES, STACK = (DEMOS / f"{name}.py" for name in ("mnist_gan", "cyclegan", "stackgan"))


# ---- folders


@pytest.mark.usefixtures("undrawn")
def test_pictures_whose_checkpoint_was_moved_away_are_not_replaced(tmp_path):
    run = new_run(tmp_path)
    train(run, 2, every=1)
    run.path.rename(tmp_path / "best.npz")
    before = contents(tmp_path)
    with refused(tmp_path, "log.csv"):
        train(new_run(tmp_path), 4)
    assert contents(tmp_path) == before
    (tmp_path / "log.csv").rename(tmp_path / "best.csv")
    with refused(tmp_path, "step_000000.png"):
        train(new_run(tmp_path), 4)
    (tmp_path / "best.csv").rename(tmp_path / "log.csv")
    assert contents(tmp_path) == before
    train(Run.load(tmp_path / "best.npz", anew(run.batches), tmp_path), 4, every=1)  # it goes on beside its own pictures
    assert contents(tmp_path).items() >= {name: before[name] for name in before if "step_" in name or "best" in name}.items()


@pytest.mark.usefixtures("undrawn")
def test_the_hint_names_a_checkpoint_that_exists(tmp_path):
    run = new_run(tmp_path / "a")
    assert resume_hint(run) == ""
    run.save()
    assert resume_hint(run).endswith(shlex.join(["--resume", str(run.path)]))
    elsewhere = resumed(run, tmp_path / "b")
    assert resume_hint(elsewhere).endswith(shlex.join(["--resume", str(run.path), "--out", str(tmp_path / "b")]))
    train(elsewhere, 1)
    assert resume_hint(elsewhere).endswith(shlex.join(["--resume", str(elsewhere.path)]))


@pytest.mark.usefixtures("undrawn")
def test_a_complete_run_goes_on_in_another_folder_as_a_copy(tmp_path):
    run = new_run(tmp_path / "first")
    train(run, 2, every=1)
    copy = resumed(run, tmp_path / "copy")
    train(copy, 2, every=1)
    assert copy.path.read_bytes() == run.path.read_bytes()
    earlier = {os.path.join("samples", f"step_00000{i}.png") for i in range(2)}
    assert contents(copy.out).keys() == contents(run.out).keys() - earlier


@pytest.mark.parametrize("name", ["log.csv", "curves.png", "progress.gif"])
def test_files_that_no_run_has_made_are_not_replaced(tmp_path, name):
    (tmp_path / name).write_text("mine")
    before = contents(tmp_path)
    with refused(tmp_path, name):
        train(new_run(tmp_path), 1)
    assert contents(tmp_path) == before


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("name", ["log.csv", "progress.gif"])
def test_a_checkpoint_kept_elsewhere_is_resumed_without_loss_of_its_neighbours(tmp_path, name):
    run = new_run(tmp_path / "run")
    train(run, 1)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / name).write_text("mine")
    (tmp_path / "home" / "backup.npz").write_bytes(run.path.read_bytes())
    before = contents(tmp_path)
    with refused(tmp_path / "home", name):
        train(Run.load(tmp_path / "home" / "backup.npz", anew(run.batches), tmp_path / "home"), 2)
    assert contents(tmp_path) == before


@pytest.mark.usefixtures("undrawn")
def test_a_run_that_goes_on_elsewhere_does_not_replace_another_run_s_checkpoint(tmp_path):
    run, other = new_run(tmp_path / "run"), new_run(tmp_path / "other", seed=4)
    train(run, 1)
    train(other, 2)
    before = contents(tmp_path)
    with refused(other.out, "got another run's checkpoint.npz"):
        train(resumed(run, other.out), 3)
    assert contents(tmp_path) == before


@pytest.mark.usefixtures("undrawn")
def test_the_log_of_another_run_is_not_replaced(tmp_path):
    (tmp_path / "log.csv").write_text("step,d_loss\n1,0.7\n")
    before = contents(tmp_path)
    with refused(tmp_path, "log.csv"):
        train(new_run(tmp_path), 1)
    assert contents(tmp_path) == before


@pytest.mark.usefixtures("undrawn")
def test_a_run_that_goes_on_elsewhere_does_not_replace_another_run_s_log(tmp_path):
    run = new_run(tmp_path / "run")
    train(run, 2)
    (tmp_path / "other").mkdir()
    log = tmp_path / "other" / "log.csv"
    whole = (run.out / "log.csv").read_bytes()
    for others in (b"step,train_loss\n1,0.5\n", whole.replace(b"\n2,", b"\n2,9"), whole[:-1]):
        log.write_bytes(others)
        with refused(tmp_path / "other", "log.csv"):
            train(resumed(run, tmp_path / "other"), 3)
        assert log.read_bytes() == others
    log.write_bytes(whole + b"3,half a r")  # of this very run, which was killed there before it saved
    train(resumed(run, tmp_path / "other"), 3)
    assert log.read_bytes().startswith(whole)


@pytest.mark.usefixtures("undrawn")
def test_an_earlier_checkpoint_does_not_replace_what_came_after_one_that_was_renamed(tmp_path):
    run = new_run(tmp_path)
    train(run, 1)
    run.path.rename(tmp_path / "early.npz")
    run = Run.load(tmp_path / "early.npz", anew(run.batches), tmp_path)
    train(run, 3)
    run.path.rename(tmp_path / "late.npz")
    before = contents(tmp_path)
    with refused(tmp_path, "step_000003.png"):
        train(Run.load(tmp_path / "early.npz", anew(run.batches), tmp_path), 2)
    assert contents(tmp_path) == before
    train(Run.load(tmp_path / "late.npz", anew(run.batches), tmp_path), 4)


def test_a_link_to_a_checkpoint_is_followed(script, tmp_path, monkeypatch, undrawn):
    monkeypatch.chdir(tmp_path)
    assert script(TRAIN, "--game", "minimal", "--steps", 1, "--batch", 4, "--out", "run")[0] == 0
    Path("links").mkdir()
    Path("links", "latest.npz").symlink_to(Path("..", "run", "checkpoint.npz"))
    assert script(TRAIN, "--resume", Path("links", "latest.npz"), "--steps", 2)[0] == 0
    assert [*Path("links").iterdir()] == [Path("links", "latest.npz")]
    assert len(rows(Path("run", "log.csv"))) == 2


def test_a_folder_of_data_is_found_again_from_elsewhere(script, tmp_path, monkeypatch, undrawn, fake):
    for folder in "files", "elsewhere":
        (tmp_path / folder).mkdir()
    for name, raw in fake.items():
        (tmp_path / "files" / name).write_bytes(raw)
    monkeypatch.chdir(tmp_path)
    options = "--game", "minimal", "--batch", 2, "--data", "mnist", "--data-dir", "files", "--out", "run"
    assert script(TRAIN, *options, "--steps", 1)[0] == 0
    monkeypatch.chdir("elsewhere")
    assert script(TRAIN, "--resume", tmp_path / "run" / "checkpoint.npz", "--steps", 2)[0] == 0


@pytest.mark.usefixtures("undrawn")
def test_a_log_that_a_spreadsheet_has_rewritten_is_made_anew(tmp_path):
    run = new_run(tmp_path)
    train(run, 1)
    whole = (tmp_path / "log.csv").read_bytes()
    (tmp_path / "log.csv").write_bytes(b"\xef\xbb\xbf" + whole.replace(b",", b";"))
    train(resumed(run), 2)
    assert (tmp_path / "log.csv").read_bytes().startswith(whole)


def test_sheets_stand_in_the_order_of_their_steps(tmp_path):
    run = new_run(tmp_path)
    paths = []
    for step in (0, 999_999, 1_000_000, 20_000_000):
        run.history = range(step)
        paths.append(sheet_path(run))
    paths[0].parent.mkdir()
    for path in paths[::-1]:
        path.touch()
    assert sheets(run) == paths


def test_cyclegan_writes_nothing_into_the_folder_of_another_run(fails, tmp_path):
    run = new_run(tmp_path / "other")
    run.save()
    fails(CYCLES, "train", "--semantic", "--quick", "--data", "digits-10k", "--out", run.out, mentions=[run.path, "CyCADA"])


@pytest.mark.parametrize(("option", "value", "words"), [("--seed", 5, "seed 5"), ("--steps", 3, "lr_steps 3"),
                                                          ("--data", "mnist", "data mnist")])
@pytest.mark.usefixtures("undrawn", "grey_houses")
def test_cyclegan_trains_no_reader_for_another_run(script, fails, tmp_path, monkeypatch, option, value, words):
    monkeypatch.setattr(data, "divided", lambda *_: [data.digits_10k()] * 2)
    command = CYCLES, "train", "--semantic", "--quick", "--data", "digits-10k", "--steps", 2, "--out", tmp_path / "run"
    assert script(*command)[0] == 0
    (tmp_path / "run" / "reader-0-quick.npz").unlink()
    fails(*command, option, value, mentions=[tmp_path / "run", words])


@pytest.mark.usefixtures("undrawn", "grey_houses")
def test_cyclegan_resumes_with_the_recipe_of_an_earlier_version(script, tmp_path):
    command = CYCLES, "train", "--semantic", "--quick", "--data", "digits-10k", "--steps", 2, "--out", tmp_path
    assert script(*command)[0] == 0
    about, arrays = checkpoint.load(tmp_path / "checkpoint.npz")
    about["settings"] |= {"cycle": 50.0, "warm_up": 0}
    checkpoint.save(tmp_path / "checkpoint.npz", about, arrays)
    assert script(*command)[0] == 0


def test_the_same_command_draws_pictures_that_are_missing(script, undrawn, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = STACK, "--quick", "--data", "digits-10k", "--steps", 2, 2
    assert script(*command)[0] == 0
    whole = contents(tmp_path)
    for stage in (1, 2):
        Path("runs", "stackgan-quick", f"stage-{stage}", "progress.gif").unlink()
    assert script(*command)[0] == 0
    assert contents(tmp_path) == whole


# ---- files


@pytest.mark.parametrize("name", ["sample", "stackgan", "train_classifier"])
def test_no_script_writes_over_a_checkpoint(fails, tmp_path, name):
    run = new_run(tmp_path / "run")
    run.save()
    words = {"sample": [run.path], "stackgan": ["say", run.path, "a seven"], "train_classifier": []}[name]
    fails(DEMOS / f"{name}.py", *words, "--out", run.path, mentions=[run.path])


def test_a_damaged_file_is_no_checkpoint_and_may_be_replaced(script, tmp_path):
    run = new_run(tmp_path / "run")
    run.save()
    out = tmp_path / "digits.npz"
    whole = run.path.read_bytes()
    out.write_bytes(whole[:200] + whole[-22:])  # with a zip file's end, which points at a list that is not there
    assert script(DEMOS / "sample.py", run.path, "--n", 2, "--out", out)[0] == 0
    assert np.load(out)["images"].shape == (2, 8, 8)


@pytest.mark.parametrize("out", [".png", "folder/.npz", "digits.npz/"])
def test_a_file_needs_a_name_before_its_suffix(fails, tmp_path, out):
    run = new_run(tmp_path / "run")
    run.save()
    fails(DEMOS / "sample.py", run.path, "--out", out, mentions=[out])


def encrypted(path):
    """Mark the members of a zip file as encrypted."""
    content = bytearray(path.read_bytes())
    for signature, flags in (b"PK\x03\x04", 6), (b"PK\x01\x02", 8):
        place = -1
        while (place := content.find(signature, place + 1)) >= 0:
            content[place + flags] |= 1
    path.write_bytes(content)


@pytest.mark.parametrize("fault", ["text as images", "text as labels", "encrypted"])
def test_an_npz_file_without_arrays_is_refused(tmp_path, fault):
    path = tmp_path / "own.npz"
    np.savez(path, images=np.zeros((3, 8, 8), np.uint8))
    if fault == "encrypted":
        encrypted(path)
    else:
        with zipfile.ZipFile(path, "w" if "images" in fault else "a") as archive:
            archive.writestr(f"{fault.split()[-1]}.npy", "hello")
    with refused(path, "sound .npz"):
        data.load(str(path))


def test_a_table_with_an_endless_field_is_refused(fails, tmp_path):
    (tmp_path / "results.csv").write_text("a" * (csv.field_size_limit() + 1))
    fails(DEMOS / "semi_supervised.py", "--data", "digits-10k", "--out", tmp_path, mentions=[tmp_path / "results.csv"])


@pytest.mark.parametrize("head", ["remember to buy milk", "data,labels"])
def test_a_table_without_rows_must_have_our_columns(fails, tmp_path, head):
    (tmp_path / "results.csv").write_text(f"{head}\n")
    fails(DEMOS / "semi_supervised.py", "--data", "digits-10k", "--labels", 10, "--out", tmp_path,
          mentions=[tmp_path / "results.csv"])


@pytest.mark.skipif(sys.platform == "win32", reason="needs pipes with names")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.npz")
    assert not checkpoint.is_checkpoint(tmp_path / "a.npz")


# ---- options


def test_an_option_that_means_none_is_not_taken_for_one_that_was_not_given(fails, script, tmp_path, monkeypatch, undrawn):
    monkeypatch.chdir(tmp_path)
    assert script(TRAIN, "--game", "minimal", "--steps", 1, "--batch", 4)[0] == 0
    path = Path("runs", "minimal", "checkpoint.npz").resolve()
    fails(TRAIN, "--resume", path, "--steps", 2, "--average", 0, mentions=["--average", path])
    assert "average" not in checkpoint.load(path)[0]["run"]


@pytest.mark.parametrize(("name", "value"), [("steps", "2000"), ("steps", None), ("data", 7)])
def test_a_checkpoint_whose_options_are_of_another_kind_is_refused(fails, script, tmp_path, monkeypatch, undrawn, name, value):
    monkeypatch.chdir(tmp_path)
    assert script(TRAIN, "--game", "minimal", "--steps", 1, "--batch", 4)[0] == 0
    path = Path("runs", "minimal", "checkpoint.npz").resolve()
    about, arrays = checkpoint.load(path)
    about["run"][name] = value
    checkpoint.save(path, about, arrays)
    fails(TRAIN, "--resume", path, mentions=[path, name])


@pytest.mark.parametrize("record", [[1], "text", None])
def test_a_checkpoint_that_records_no_names_is_refused(tmp_path, record):
    run = new_run(tmp_path)
    run.about = record or []
    run.save()
    with refused(run.path, "a dict of what the run records"):
        continued(new_run(tmp_path))


def test_stackgan_says_nothing_with_options_of_a_training(fails, tmp_path):
    fails(STACK, "--seed", 5, "say", tmp_path / "checkpoint.npz", "a seven", mentions=["say"])
