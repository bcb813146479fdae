"""What a layer is, and how layers are stacked into a network.

    generator = Sequential(Dense(128), ReLU(), Dense(784), Tanh(), input_shape=(100,), rng=np.random.default_rng(0))
    images = generator(z)

A Sequential is built at once: every layer learns its input shape, draws its parameters and states its output shape, so
what does not fit is reported before anything runs. Shapes are those of one item, a code or an image, without the batch axis.
Read layers.py next.
"""

import math
from contextlib import contextmanager

import numpy as np

from .errors import InputError, check_positive, check_rng, described
from .tensor import Parameter, Tensor, as_tensor, no_grad

AT_ONCE = 50_000_000  # bytes of values in `evaluate`: larger matrix products are quicker, but take more memory


class Layer:
    """A function with parameters: `build` makes them, `forward` calls ops.

    training   True: batch statistics from the batch, dropout on; False: as `eval` describes
    built      whether the layer is part of a complete network; if so, it keeps its parameters when it joins another one

    Parameters, buffers (plain arrays that belong to the state but are not trained, such as batch statistics) and inner layers
    are found by walking the attributes in the order of their definition, and the lists, tuples and dicts among them. Change a
    buffer in place, self.t[...] = 0: `self.t = self.t + 1` would make it a plain number.
    A layer prints as it was written, such as Dense(256).
    """

    training, built = True, False

    def __new__(cls, *args, **options):
        layer = super().__new__(cls)
        layer.written = f"{cls.__name__}({', '.join([*map(_shown, args), *(f'{k}={_shown(v)}' for k, v in options.items())])})"
        return layer

    def __init__(self):
        """Takes no options: without this, Python would accept any, because there is a __new__."""

    def __repr__(self):
        return self.written

    def build(self, shape, rng, dtype):
        """Make what is needed for inputs of `shape`. Raises InputError if they do not suit the layer."""

    def forward(self, x):
        """(N, *shape) -> (N, *output shape), Tensors. N may be 0: so a Sequential finds the output shape."""
        raise NotImplementedError

    def __call__(self, x):
        return self.forward(as_tensor(x))

    def walk(self):
        """Pairs (name, item), each item once: every Parameter, buffer and Layer inside this layer.

        A name is a path such as "2_Conv2D.w", or "blocks.0.w" for what is in a list, a tuple or a dict.
        """
        return _walk(self, "", {id(self): ""})

    def parameters(self):
        """All that is trained, as a list of Parameters."""
        return [item for _, item in self.walk() if isinstance(item, Parameter)]

    def state(self):
        """Name -> array (no copy) of every parameter and buffer."""
        items = [(name, item.data if isinstance(item, Parameter) else item)
                 for name, item in self.walk() if not isinstance(item, Layer)]
        state = dict(items)
        if len(state) < len(items):
            names = [name for name, _ in items]
            double = next(name for name in state if names.count(name) > 1)
            raise InputError(f"{type(self).__name__}: expected one array called {double}, got several (keys of a dict?)")
        return state

    def load_state(self, state, where=None):
        """Copy in the `state()` of a network with the same layers. If it differs: InputError, and nothing has changed.

        `where` begins the error message: where the state came from; by default, the class of the network.
        """
        load_arrays(self.state(), state, where or type(self).__name__)
        for p in self.parameters():
            p.moved()

    def save(self, path):
        """Write `state()` to a file of its own, completely or not at all."""
        from . import checkpoint  # slow to import

        checkpoint.save(path, {"network": type(self).__name__}, self.state())

    def load(self, path):
        """Copy in what `save` of a network with the same layers wrote. If it differs: InputError, and nothing has changed."""
        from . import checkpoint

        about, state = checkpoint.load(path)
        if about.get("network") != type(self).__name__:
            raise InputError(f"{path}: expected a saved {type(self).__name__}, got {about.get('network', about)!r:.80}")
        self.load_state(state, where=path)

    def all_layers(self):
        """This layer and all inside it."""
        return [self, *(item for _, item in self.walk() if isinstance(item, Layer))]

    def train(self, training=True):
        """Batch statistics from the batch, dropout on."""
        for layer in self.all_layers():
            layer.training = training

    def eval(self):
        """Batch statistics as collected in training, dropout off: every output depends on its own input only."""
        self.train(False)

    @contextmanager
    def evaluating(self):
        """Eval mode within this block; afterwards every layer is back in the mode that it was in.

        A layer has one mode, for all threads: only one thread at a time may use a network, as with `frozen`.
        """
        before = [(layer, layer.training) for layer in self.all_layers()]
        self.eval()
        try:
            yield self
        finally:
            for layer, training in before:
                layer.training = training

    @contextmanager
    def frozen(self):
        """Within this block nothing of this network changes: no gradients for its parameters, no new batch statistics.

        Gradients still flow through it to its input: this is how a generator learns from a discriminator.

        Put the block around the forward pass, where the graph is recorded, not around `backward()`: no pair (parent, vjp) is
        recorded for a frozen parameter, and `backward()` can only follow recorded pairs. So an optimiser's `minimize` can be
        called outside. Blocks may nest and overlap: a parameter stays frozen until the last of its blocks has ended.
        """
        parameters = self.parameters()
        for p in parameters:
            p.frozen += 1
        try:
            yield self
        finally:
            for p in parameters:
                p.frozen -= 1


def _walk(owner, path, names):
    """`walk` below a layer, list, tuple or dict. `names`: id of an item -> the one name that it goes by."""
    inside = vars(owner) if isinstance(owner, Layer) else owner if isinstance(owner, dict) else dict(enumerate(owner))
    items = [(f"{path}{name}", item) for name, item in inside.items()
             if isinstance(item, (Parameter, np.ndarray, Layer, list, tuple, dict))]
    for name, item in items:
        names.setdefault(id(item), name)  # before any list is entered: what is also an attribute goes by the attribute's name
    for name, item in items:
        if names[id(item)] == name:
            if isinstance(item, (Parameter, np.ndarray, Layer)):
                yield name, item
            if isinstance(item, (Layer, list, tuple, dict)):
                yield from _walk(item, f"{name}.", names)


def _shown(value):
    """An argument as it was written; a function by its name."""
    return value.__qualname__.partition(".")[0] if callable(value) and hasattr(value, "__qualname__") else repr(value)


def load_arrays(own, given, where):
    """Copy the arrays `given` into `own`, dicts name -> array. If names, shapes or dtypes differ: InputError, no change."""
    expected, got = ({name: described(a) for name, a in arrays.items()} for arrays in (own, given))
    for name in sorted(expected.keys() | got.keys()):
        if expected.get(name) != got.get(name):
            raise InputError(f"{where}: {name}: expected {expected.get(name, 'nothing')}, got {got.get(name, 'nothing')}")
    copies = {name: array.copy() for name, array in given.items()}  # they may be views of `own`, under other names
    for name, array in own.items():
        array[...] = copies[name]


def through(layers, x):
    """What comes out when x goes through these layers, one after another."""
    for layer in layers:
        x = layer(x)
    return x


class Sequential(Layer):
    """Layers one after another.

    With `input_shape` (one item's, without the batch axis) and `rng` it is built at once, with parameters of `dtype`;
    without, it is a part of another network. What does not fit raises InputError naming the layer and the shapes.

    A layer or Sequential that already belongs to a built network keeps its parameters and its mode. So a trained network can
    become part of another one, and two networks can share weights; their names are those in the network built last.
    """

    def __init__(self, *layers, input_shape=None, rng=None, dtype: str | type | np.dtype = np.float32):
        self.stack = layers
        for i, layer in enumerate(layers):
            if not isinstance(layer, Layer) or any(layer is other for other in layers[:i]):
                raise InputError(f"Sequential: layer {i}: expected a new Layer such as Dense(10), "
                                 f"got {' '.join(repr(layer).split())}")
            setattr(self, f"{i}_{type(layer).__name__}", layer)  # its name in `walk`
        self.input_shape = None
        if input_shape is not None:
            if np.ndim(input_shape) != 1:
                raise InputError(f"Sequential: expected input_shape as a tuple, such as (100,), got {input_shape!r}")
            for n in input_shape:
                check_positive("Sequential", input_shape=n)
            check_rng("Sequential", rng)
            self.build(tuple(input_shape), rng, dtype)
            for name, item in self.walk():
                if isinstance(item, Parameter):
                    item.name = name
            for layer in self.all_layers():
                layer.built = True

    def build(self, shape, rng, dtype):
        """Build layer after layer; an empty batch, sent through each, finds the input shape of the next one."""
        self.input_shape, self.dtype, self.output_shapes = shape, np.dtype(dtype), []
        for i, layer in enumerate(self.stack):
            try:
                if not layer.built:
                    layer.build(shape, rng, dtype)
                with no_grad(), layer.evaluating():
                    shape = layer(np.zeros((0, *shape), dtype)).shape[1:]
            except InputError as error:
                raise InputError(f"Sequential: layer {i} ({type(layer).__name__}), input {shape}: {error}") from None
            self.output_shapes.append(shape)

    def forward(self, x):
        if self.input_shape is None:
            raise InputError("Sequential: not built yet: give it input_shape and rng, or put it into a network that has them")
        if x.shape[1:] != self.input_shape:
            raise InputError(f"Sequential: expected input (N, {', '.join(map(str, self.input_shape))}), got {x.shape}")
        if x.dtype != self.dtype:
            raise InputError(f"Sequential: expected {self.dtype} input, as the parameters are, got {x.dtype} {x.shape}; "
                             f"use .astype(np.{self.dtype})")
        return through(self.stack, x)

    def __repr__(self):
        size = f"  # input {self.input_shape}, {sum(p.size for p in self.parameters()):,} parameters"
        lines = ",\n".join(map(repr, self.stack)).replace("\n", "\n    ")
        return f"Sequential({size if self.input_shape else ''}\n    {lines})"

    def summary(self):
        """The familiar table as text: layer, output shape, parameters; total, trainable, non-trainable."""
        rows = [("layer", "output shape", "parameters")]
        for layer, shape in zip(self.stack, self.output_shapes, strict=True):
            rows.append((type(layer).__name__, str(shape), f"{sum(a.size for a in layer.state().values()):,}"))
        total, trainable = sum(a.size for a in self.state().values()), sum(p.size for p in self.parameters() if p.trainable)
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [f"{a:{widths[0]}}  {b:{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
        return "\n".join([*lines, f"total {total:,}, trainable {trainable:,}, non-trainable {total - trainable:,}"])


def values_per_item(network):
    """About how many numbers a network's layers compute for one item: what leaves a nested Sequential counts twice."""
    return sum(math.prod(shape) for layer in network.all_layers() for shape in getattr(layer, "output_shapes", []))


def evaluate(network, x, function=None, pack=1):
    """function(x), by default network(x), as an array: `network` in eval mode, no graph. `pack` rows of x give one output row.

    At most 1,000 packs at a time, fewer if the values of all layers would take more than AT_ONCE bytes.
    """
    function = function or network
    rows = math.ceil(len(x) / pack)  # function refuses what is not a multiple
    chunk, y = max(1, min(1000, AT_ONCE // (x.itemsize * pack * max(values_per_item(network), 1)))), None
    with network.evaluating(), no_grad():
        for i in range(0, max(rows, 1), chunk):
            part = function(Tensor(x[pack * i:pack * (i + chunk)])).data
            y = np.empty((rows, *part.shape[1:]), part.dtype) if y is None else y  # the memory of a part serves the next
            y[i:i + chunk] = part
    return y
