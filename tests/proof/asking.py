"""What must hold for games whose codes ask for a class: what a code looks like, what the sheet shows, what is counted."""

import numpy as np

from numgan.games.classes import asked
from numgan.games.conditional import ClassAsked
from numgan.games.minibatch import Minibatch

from .games import small_game

NAMES = "ACGAN", "ConditionalSGAN"


def a_code_is_z_followed_by_the_class_that_it_asks_for():
    for name in NAMES:
        game = small_game(name, dict(size=8, width=8, latent_dim=5), "float32")
        z = game.noise(10, np.random.default_rng(1))
        codes = game.asking(z, np.arange(10))
        np.testing.assert_array_equal(codes, np.concatenate([z, np.eye(10)], 1))
        np.testing.assert_array_equal(asked(codes), np.arange(10))


def a_sheet_has_a_row_for_each_class_and_a_column_for_each_z():
    for name in NAMES:
        game = small_game(name, dict(size=8, width=8, latent_dim=5), "float32")
        sheet = game.looks.inputs(game, np.random.default_rng(0)).reshape(10, 10, 15)
        np.testing.assert_array_equal(sheet[..., 5:].argmax(-1), np.arange(10)[:, None].repeat(10, 1))
        np.testing.assert_array_equal(sheet[..., :5], np.tile(game.noise(10, np.random.default_rng(0)), (10, 1, 1)))


def fakes_count_as_right_where_d_s_largest_output_is_the_class_asked_for():
    rng = np.random.default_rng(0)
    y_real, y_fake = rng.standard_normal((2, 6, 10)) - 10  # so "fake", whose logit is 0, would be the largest of all
    largest, others = y_fake.argmax(1), (y_fake.argmax(1) + 1) % 10
    codes = np.concatenate([rng.standard_normal((6, 5)), np.eye(10)[[*largest[:4], *others[4:]]]], 1)
    batch = Minibatch(None, np.array([3, 4, 5, -1, -1, -1]), codes)
    assert ClassAsked().d_figures(y_real, y_fake, batch)["class_accuracy_fake"] == 4 / 6


PROPERTIES = [a_code_is_z_followed_by_the_class_that_it_asks_for, a_sheet_has_a_row_for_each_class_and_a_column_for_each_z,
              fakes_count_as_right_where_d_s_largest_output_is_the_class_asked_for]
