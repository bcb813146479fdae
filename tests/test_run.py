"""Runs and their checkpoints: what is not a whole run of this game is refused in one line."""


import numpy as np
import pytest

from numgan import checkpoint
from numgan.batches import ImageBatches
from numgan.games import DCGAN, GAMES, build
from numgan.run import Run, continued, load_game, recorded
from numgan.training import train

from .errors import refused
from .runs import SMALL, anew, bits, contents, new_run, resumed

# --- Bad arguments


@pytest.mark.parametrize("arguments", [
    {"steps": 0}, {"steps": -1}, {"steps": 1.5}, {"steps": "7"}, {"steps": None}, {"steps": float("nan")},
    {"steps": 5, "every": 0}, {"steps": 5, "every": -3}, {"steps": 5, "every": 0.5}, {"steps": 5, "every": None}])
def test_bad_numbers_of_steps_are_refused_before_anything_is_written(tmp_path, arguments):
    run = new_run(tmp_path / "run")
    name = "every" if "every" in arguments else "steps"
    with refused(name, repr(arguments[name])):
        train(run, **arguments)
    assert not run.out.exists()
    assert run.step == 0


@pytest.mark.parametrize("steps", [1, 5, 6])
def test_as_many_steps_as_are_done_or_fewer_are_refused_and_nothing_is_touched(finished, steps):
    run, _ = finished
    before = contents(run.out)
    with refused("6 steps already", f"got {steps}"):
        train(resumed(run), steps)
    assert contents(run.out) == before


WRONG_IMAGES = {"size": np.zeros((5, 28, 28), np.uint8), "floats": np.zeros((5, 8, 8)),
                "axes": np.zeros((5, 64), np.uint8)}


@pytest.mark.parametrize("kind", WRONG_IMAGES)
@pytest.mark.usefixtures("undrawn")
def test_images_that_do_not_suit_the_game_are_refused_before_anything_is_written(tmp_path, finished, kind):
    run, _ = finished
    before = contents(run.out)
    with refused():
        train(Run.load(run.path, ImageBatches(WRONG_IMAGES[kind], 6, np.random.default_rng(0)), run.out), 7)
    assert contents(run.out) == before
    with refused():
        train(Run(run.game, ImageBatches(WRONG_IMAGES[kind], 6, np.random.default_rng(0)), tmp_path / "out"), 1)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("undrawn")
def test_a_batch_that_d_steps_does_not_divide_is_refused_before_anything_is_written(tmp_path):
    with refused("d_steps"):
        train(new_run(tmp_path / "out", "DCGAN, d_steps=2", size=5), 1)
    assert not (tmp_path / "out").exists()


# --- Checkpoints of something else


def set_about(name, value):
    """A change of a checkpoint: about[name] = value; without the entry for ..."""
    def change(about, arrays):
        del about[name]
        if value is not ...:
            about[name] = value
    return change


def set_array(name, function):
    """A change of a checkpoint: arrays[name] = function(arrays[name]); without the array for None."""
    def change(about, arrays):
        array = arrays.pop(name)
        if function:
            arrays[name] = function(array)
    return change


WEIGHT = "game.generator.0_Dense.w"
CHANGES = {
    "another game": set_about("game", "VanillaGAN"), "unknown game": set_about("game", "NoGAN"),
    "a game of the same networks but another's settings": set_about("settings", SMALL | {"variant": "dense"}),
    "another size": set_about("settings", SMALL | {"size": 12}),
    "another width": set_about("settings", SMALL | {"width": 3}),
    "another dtype": set_about("settings", SMALL | {"dtype": "float64"}),
    "impossible size": set_about("settings", SMALL | {"size": -4}),
    "size of text": set_about("settings", SMALL | {"size": "8"}),
    **{f"no {name}": set_about(name, ...) for name in ("game", "settings", "batch", "rng", "columns", "run")},
    **{f"{name} of a wrong type": set_about(name, 7) for name in ("game", "settings", "rng", "columns", "run")},
    "settings in a list": set_about("settings", [1]), "game in a list": set_about("game", ["DCGAN"]),
    "batch 0": set_about("batch", 0), "batch of text": set_about("batch", "6"),
    "empty rng": set_about("rng", {}), "rng of nothing": set_about("rng", {"game": None, "batches": None}),
    "another rng": set_about("rng", {"game": {"bit_generator": "MT19937", "state": {}}, "batches": {}}),
    "fewer columns": set_about("columns", ["step"]), "no columns": set_about("columns", []),
    "a figure less": lambda about, arrays: (about["columns"].pop(), arrays.update(history=arrays["history"][:, :-1])),
    "a column twice": lambda about, arrays: (about["columns"].append("step"),
                                             arrays.update(history=np.pad(arrays["history"], ((0, 0), (0, 1))))),
    "no weights": set_array(WEIGHT, None), "weights of another shape": set_array(WEIGHT, lambda a: a.T),
    "weights of another dtype": set_array(WEIGHT, lambda a: a.astype(np.float64)),
    "one array more": lambda about, arrays: arrays.update({"game.more": np.zeros(3)}),
    "no number of Adam steps": set_array("game.d_optimizer.t", None),
    "no batch statistics": set_array("game.generator.2_BatchNorm.mean", None),
    "no codes": set_array("z", None), "codes of another shape": set_array("z", lambda a: a[:, :2]),
    "codes of whole numbers": set_array("z", lambda a: a.astype(np.int64)),
    "no history": set_array("history", None), "history of one axis": set_array("history", lambda a: a[:, 0]),
    "history of no columns": set_array("history", lambda a: a[:, :0]),
    "history of nothing": lambda about, arrays: (about.update(columns=[]), arrays.update(history=np.zeros((6, 0)))),
    "history with bad steps": set_array("history", lambda a: a * np.inf),
    "history in half the bits": set_array("history", lambda a: a.astype(np.float32)),
    "history of complex numbers": set_array("history", lambda a: a * 1j),
}


def changed_checkpoint(run, change, folder):
    """The run's checkpoint with one of CHANGES made to it, in a file of its own."""
    about, arrays = checkpoint.load(run.path)
    CHANGES[change](about, arrays)
    path = folder / "changed.npz"
    checkpoint.save(path, about, arrays)
    return path


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_checkpoint_of_something_else_is_refused_in_one_line_that_names_it(finished, tmp_path, change):
    run, _ = finished
    path = changed_checkpoint(run, change, tmp_path)
    with refused(path):
        Run.load(path, anew(run.batches), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("change", [
    "another game", "unknown game", "another size", "no settings", "no weights", "no rng"])
def test_load_game_refuses_a_checkpoint_of_something_else(finished, tmp_path, change):
    path = changed_checkpoint(finished[0], change, tmp_path)
    with refused(path):
        load_game(path)


def test_missing_and_foreign_files_are_refused(tmp_path):
    (tmp_path / "foreign.npz").write_text("no checkpoint")
    checkpoint.save(tmp_path / "empty.npz", {}, {})
    for name in ("missing.npz", "foreign.npz", "empty.npz"):
        with refused(tmp_path / name):
            load_game(tmp_path / name)
        with refused(tmp_path / name):
            Run.load(tmp_path / name, ImageBatches(np.zeros((1, 8, 8), np.uint8), 1, np.random.default_rng(0)), tmp_path)


def test_a_bug_in_one_s_own_batches_is_not_blamed_on_the_checkpoint(finished, tmp_path):
    class Broken(ImageBatches):
        def first(self):
            raise KeyError("a bug")

    run, _ = finished
    with pytest.raises(KeyError, match="a bug"):
        Run.load(run.path, Broken(run.batches.images, 6, np.random.default_rng(0), run.batches.labels), tmp_path)


@pytest.mark.parametrize("number", [-(2**63), 2**53])
def test_a_number_of_steps_below_zero_or_beyond_counting_is_refused(finished, tmp_path, number):
    about, arrays = checkpoint.load(finished[0].path)
    arrays["game.d_optimizer.t"] = np.array(number)
    checkpoint.save(tmp_path / "changed.npz", about, arrays)
    with refused(tmp_path / "changed.npz", "steps >= 0"):
        load_game(tmp_path / "changed.npz")


def test_an_average_that_was_lost_is_missed(tmp_path):
    run = new_run(tmp_path, "DCGAN, d_steps=2")
    run.save()
    about, arrays = checkpoint.load(run.path)
    checkpoint.save(run.path, about, {name: array for name, array in arrays.items() if "g_average" not in name})
    with refused(run.path, "g_average"):
        load_game(run.path)


# --- Checkpoints of earlier versions


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(("game", "settings", "former"), [
    ("DCGAN", {"average": 0.9, "dropout": 0.3, "categories": 0, "lr": 1e-3}, {}),
    ("LSGAN", {"average": None, "dropout": 0.3, "categories": 0, "lr": 1e-3}, {"objective": "non-saturating"}),
    ("BEGAN", {}, {"objective": "reconstruction", "real_label": 1.0})])
def test_a_checkpoint_with_the_names_of_an_earlier_version_resumes_bit_for_bit(tmp_path, game, settings, former):
    def run(folder):
        made = build(game, SMALL | settings, np.random.default_rng(0))
        return Run(made, ImageBatches(np.arange(640, dtype=np.uint8).reshape(10, 8, 8), 4, np.random.default_rng(1)),
                   tmp_path / folder)

    straight, broken = run("straight"), run("broken")
    if settings.get("average"):
        for each in straight, broken:
            each.game.g_average.t[...] = 2**52 - 2  # as if its warm-up were over: there was none
    train(straight, 4)
    train(broken, 2)
    about, arrays = checkpoint.load(broken.path)
    about["settings"] = {name: value for name, value in about["settings"].items()
                         if name not in ("lr_hold", "d_lr", "dropout", "categories", "channels")} | former
    if settings.get("average"):
        del arrays["game.g_average.t"]
    arrays = {name.replace("game.g_average.", "game.sampler."): array for name, array in arrays.items()}
    assert any("sampler" in name for name in arrays) == bool(settings.get("average"))
    checkpoint.save(tmp_path / "old" / "checkpoint.npz", about, arrays)
    again = Run.load(tmp_path / "old" / "checkpoint.npz", anew(broken.batches), tmp_path / "old")
    train(again, 4)
    assert bits(again) == bits(straight)


def test_an_earlier_checkpoint_of_ones_own_dcgan_has_no_categories(tmp_path, monkeypatch):
    class Own(DCGAN):
        pass

    monkeypatch.setitem(GAMES, "Own", Own)
    game = build("Own", SMALL, np.random.default_rng(0))
    about = {"game": "Own", "settings": game.settings, "rng": {"game": game.rng.bit_generator.state}}
    for named, expected in ((True, 20), (False, 0)):
        if not named:
            del about["settings"]["categories"]
        checkpoint.save(tmp_path / "own.npz", about, {f"game.{name}": array for name, array in game.state().items()})
        assert load_game(tmp_path / "own.npz").categories == expected


# --- The run that a folder holds


@pytest.mark.usefixtures("undrawn")
def test_a_run_is_continued_from_its_folder_if_it_is_the_same_run(tmp_path):
    run = new_run(tmp_path, about={"seed": 3, "steps": 4})
    assert continued(run) is run
    train(run, 2)
    again = continued(new_run(tmp_path, about={"seed": 3, "steps": 9}), may_differ=("steps",))
    assert bits(again) == bits(run)
    assert again.about["steps"] == 9
    for other, mentions in ((new_run(tmp_path, about={"seed": 4, "steps": 4}), "seed 4, got one with 3"),
                            (new_run(tmp_path, about={"seed": 3}), "steps None, got one with 4"),
                            (new_run(tmp_path, "LSGAN", about=run.about), "game LSGAN, got one with DCGAN"),
                            (new_run(tmp_path, "DCGAN, lr=0.1", about=run.about), "lr 0.1, got one with 0.002")):
        with refused(run.path, mentions):
            continued(other)


def test_a_run_that_goes_on_draws_as_it_is_told(tmp_path):
    run, draw = new_run(tmp_path), lambda path, run: None
    run.save()
    assert Run.load(run.path, anew(run.batches), tmp_path, draw=draw).draw is draw
    assert continued(Run(run.game, run.batches, tmp_path, draw=draw)).draw is draw


def test_options_of_a_resumed_run_are_compared_with_what_it_records(finished, tmp_path):
    run, _ = finished
    assert recorded(run.path, {"steps": 5}, {"note": None}, ("steps",)) == {"note": "ä", "steps": 5}
    with refused("--note b", "was started with ä"):
        recorded(run.path, {"note": "b"}, {"note": None}, ())
    with refused("does not record seed"):
        recorded(run.path, {}, {"note": None, "seed": 0}, ())
    checkpoint.save(tmp_path / "odd.npz", {"run": [1]}, {})
    with refused("does not record"):
        recorded(tmp_path / "odd.npz", {}, {"note": None}, ())
