"""Chapters 8 and 9 of tour.py: two networks that learn from each other. The form is that of tour_gradients.py."""

import math
from copy import deepcopy

import numpy as np
import tour_pictures as pictures
from tour_page import say, session

from numgan import Tensor

STEPS = (0, 40, 80, 300)  # of the game in chapter 8 that are shown


def players():
    """Two networks play against each other"""
    cost = lambda p: f"{-math.log(p) + 0.0:.3g}"
    say(f"""
        A GAN (generative adversarial network) has two networks. G, the generator, turns random numbers z into
        data of its own, the fakes. D, the discriminator, says of any x how probable it is that x is real:
        D(x). D learns to tell real data from fakes, and G to make D take its fakes for real.

        Both losses are cross-entropies. -ln p says how surprised you are when something happens to which
        you gave probability p: {cost(1)} if p = 1, {cost(0.5)} if p = 0.5, {cost(0.001)} if p = 0.001.

            D's loss = mean of -ln D(x) over real x + mean of -ln(1 - D(x)) over fakes
            G's loss = mean of -ln D(x) over fakes

        Let the real data be normal numbers: mean 2, standard deviation 1. G adds its only parameter to z:
        G(z) = z + s. D has two: D(x) = sigmoid(w x + c), with sigmoid(a) = 1 / (1 + e⁻ᵃ).
        `bce_with_logits(a, 1)` is the mean of -ln sigmoid(a), and with 0, of -ln(1 - sigmoid(a)); a is called
        a logit. `s.data` is only a number: no gradient goes to G there. First D learns alone:
        """)
    names = session("""
        import numpy as np
        from numgan import SGD, Parameter, bce_with_logits
        rng = np.random.default_rng(0)
        s, w, c = (Parameter(np.zeros(1)) for _ in range(3))
        d_optimizer, g_optimizer = SGD([w, c], lr=0.3), SGD([s], lr=0.3)
        def d_loss():
            real, fake = rng.normal(2, 1, 1000), rng.normal(0, 1, 1000) + s.data
            return bce_with_logits(w * real + c, 1) + bce_with_logits(w * fake + c, 0)
        def g_loss():
            return bce_with_logits(w * (rng.normal(0, 1, 1000) + s) + c, 1)
        for step in range(500): d_optimizer.minimize(d_loss())
        print(w.data.round(2), c.data.round(2))
        """)
    say("""
        Which D is best? Where real numbers have density p, and fakes q, D's loss has the part
        -p ln D - q ln(1 - D). Its slope, -p / D + q / (1 - D), is 0 at D = p / (p + q) = 1 / (1 + q / p). Here
        ln(q / p) = (x - 2)²/2 - x²/2 = 2 - 2x, so the best D is sigmoid(2x - 2), as above. Now both learn:
        """)
    rows = session("""
        rows = []
        for step in range(301):
            rows.append([value.item() for value in (s, w, c, d_loss(), g_loss())])
            d_optimizer.minimize(d_loss())
            g_optimizer.minimize(g_loss())
        """, names)["rows"]
    print("    step       s       w   D's loss   G's loss")
    for i in STEPS:
        print(f"    {i:4} {rows[i][0]:7.2f} {rows[i][1]:7.2f} {rows[i][3]:10.3f} {rows[i][4]:10.3f}")
    print()
    say(f"""
        Each of the 1000 fakes x gets the gradient -(1 - D(x)) w / 1000: G moves its numbers to where D is larger.
        In step {STEPS[1]} it has gone too far. Now the large numbers are the fakes, w becomes negative, and G comes back:
        again too far, since D notices late. In the end the fakes
        are distributed like real numbers: p = q, the best D is 1/2 everywhere, and D can only guess. Its loss
        is 2 ln 2 = {2 * math.log(2):.3f} then, and G's is ln 2 = {math.log(2):.3f}. So the losses of a GAN do not
        fall to 0, and do not say how good G is.

        In the code: numgan/games/gan.py, `step`. demos/tiny_gan.py plays this game with real networks.
        """)
    return lambda: pictures.players(np.array(rows), (0, *STEPS[1:]))


def frozen():
    """G learns through a frozen D"""
    n = 8
    say(f"""
        In G's step, L = loss(D(G(z))): on the way back, the gradient flows through D before it reaches G. Here is a
        small GAN that draws images, with two Dense layers, y = x W + b, in each network. `game` holds the networks, their
        losses and their optimisers, and z has the random numbers for {n} images:
        """)
    names = session(f"""
        import numpy as np
        from numgan.games import VanillaGAN
        game = VanillaGAN(variant="minimal", rng=np.random.default_rng(0))
        G, D, z = game.generator, game.discriminator, game.latent({n})
        """)
    game, G, D, z = (names[name] for name in ("game", "G", "D", "z"))
    loss, before = lambda z: game.losses.g_loss(D(G(z)), None), deepcopy((G, D))
    vjps = lambda L: sum(len(node.parents) for node in L._history())
    everything, thawed = vjps(loss(Tensor(z, requires_grad=True))), vjps(loss(z))
    with D.frozen():
        needed = vjps(loss(z))
    G_sizes, D_sizes = ([n * p.size for p in network.parameters() if p.ndim == 2] for network in (G, D))
    dropped = sum(D_sizes)  # Aᵀ g for each w of D; kept: Aᵀ g for each w of G, g Bᵀ for each w except G's first
    share = dropped / (dropped + sum(G_sizes) + sum(G_sizes[1:]) + sum(D_sizes))
    say(f"""
        D does not change in this step, since `g_optimizer` has G's parameters only. So nobody needs the gradients of
        D's weights, and `with D.frozen():` saves their computation. (In a D with batch norm, it also leaves
        the running statistics unchanged.) The ops of this step give `from_op` a pair (input, vjp) for each
        of their {everything} inputs. `from_op` keeps a pair only if its input needs a gradient:

            {everything}   if everything needs one, even the random numbers z
            {thawed}   as z is data
            {needed}   as D is frozen, too: {', '.join(f'D.{p.name}' for p in D.parameters())} have none

        In the picture, the {needed} vjps are the black lines, and the {thawed - needed} dropped ones of D are dashed.
        D.1_Dense.w is the weight matrix of D's layer 1, a Dense layer. (Layers are counted from 0, ReLU and Flatten,
        which makes each image a row, as well: so D's two Dense layers are 1 and 3.) This is G's step:
        """)
    session("""
        with D.frozen():
            L = game.losses.g_loss(D(G(z)), None)
        game.g_optimizer.minimize(L)
        for network in G, D:
            print([p.grad is not None for p in network.parameters()])
        """, names)
    unmoved = all(np.array_equal(array, before[1].state()[name]) for name, array in D.state().items())
    say(f"""
        (None stands in the place of the minibatch, which this loss does not need.) G's parameters got
        gradients, D's got none, and D is {'unchanged, bit for bit' if unmoved else 'CHANGED'}. Two of
        the {thawed - needed} dropped vjps are the products Aᵀ g of chapter 4 for D's weights. They would have taken
        {dropped:,} multiplications, {share:.0%} of those in the walk's matrix products, and nobody would have used
        the results.

        `minimize`, which walks back, is called outside the block. What counts is whether D was frozen when
        its ops ran: a pair that was not recorded cannot be walked.

        This one rule of `from_op` covers frozen parameters, plain data such as z, and values cut off with
        detach(). D's step uses the last: it treats G's images as data. No op has to know of any of them.

        In the code: numgan/tensor.py, `from_op`; numgan/games/gan.py, `g_step`. numgan.plotting.draw_graph has
        drawn the picture; it can draw your own values as well.

        This is the end of the tour. demos/exercises.py has more derivatives to be written by hand, and README.md
        lists the modules of numgan in reading order.
        """)

    def draw():
        G, D = before
        with D.frozen():
            return pictures.g_step(game.losses.g_loss(D(G(z)), None), G=G, D=D)
    return draw
