"""The graph behind a value, as boxes: printed as a tree here, drawn by plotting.draw_graph.

    >>> x, w = (Tensor(np.array(value), requires_grad=True) for value in (3.0, 2.0))
    >>> print_graph((x * w) * x, x=x, w=w)
    mul  18  gradient 1
    ├─ x  3  gradient 12
    └─ mul  6  gradient 3
       ├─ x  3  gradient 12
       └─ w  2  gradient 9

A graph holds what `backward()` needs, and so does the picture: constants are not in it, since `from_op` drops them. Frozen
parameters are, in grey. Read rewrite.py next.
"""

import itertools
import sys
import textwrap
from collections import Counter
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

import numpy as np

from .errors import InputError
from .network import Layer
from .tensor import Parameter, Tensor

MANY = 40  # a graph of more boxes is folded, unless the caller decides
TOO_MANY = 400


@dataclass(eq=False)
class Box:
    """A value of the graph, or a layer: what its ops computed, one value after the other.

    title       the value's name, its op, or the layer's name
    kind        "op", "leaf" (wants a gradient), "frozen" (a parameter that gets none) or "layer"
    values      the tensors in the box, oldest first; the last is the result
    parameters  of a layer: name -> Parameter; the other boxes have them as inputs
    inputs      the boxes that it was computed from -> local derivatives, one for each use, if both values are single numbers;
                an empty list if not, or for a frozen parameter
    text        lines to show below the title; those about gradients start with "gradient"
    frozen      whether all parameters in the box get no gradient
    """

    title: str
    kind: str
    values: list
    parameters: dict = field(default_factory=dict)
    inputs: dict = field(default_factory=dict)
    text: list = field(default_factory=list)
    frozen: bool = False


def graph(tensor, *, gradients=True, fold=None, **names):
    """The boxes of a tensor's graph, inputs before what is computed from them; the last one is the tensor's own.

    gradients  whether to find and show d(tensor)/d(value) of all values, if the tensor is one number. The graph is not released
               and no `grad` changes: `backward()` may still follow
    fold       whether a layer becomes one box, with the ops that follow it and have no parameters; by default if there would
               be more than 40 boxes otherwise
    names      what to call tensors; for networks, what to put before their parameters' names: graph(loss, x=x, G=generator)

    Raises InputError if `backward()` has released the graph, if a parameter has moved since, if there are more than 400 boxes,
    and if one of the names is for anything other than a Tensor or a Layer.
    """
    if not isinstance(tensor, Tensor):
        raise InputError(f"graph: expected a Tensor, got {type(tensor).__name__}")
    if tensor.parents is None:
        raise InputError("graph: backward() has released this graph; draw it before: gradients are shown without backward()")
    tape, names = tensor._history(), _names(names)
    sources = {node: [*(pair[0] for pair in node.parents), *_frozen(node)] for node in tape}
    if fold is None:
        fold = len({*tape}.union(*sources.values())) > MANY
    boxes = _boxes(tape, sources, names, fold)
    if len(boxes) > TOO_MANY:
        raise InputError(f"graph: expected at most {TOO_MANY} boxes, got {len(boxes)}: show a value further back")
    found = walk_back(tape) if gradients and tensor.size == 1 and tensor.requires_grad else {}
    for box in boxes:
        box.frozen = box.kind == "frozen" or (box.kind == "layer" and not any(p in sources for p in box.parameters.values()))
        box.text = _text(box, found, sources)
    return boxes


def walk_back(tape):
    """d(last)/d(value) of every value on a tape: the loop of `Tensor.backward`, but nothing is released."""
    gradients = {tape[-1]: np.ones_like(tape[-1].data)}
    for node in reversed(tape):
        for parent, vjp in node.parents:
            g = vjp(gradients[node])
            gradients[parent] = gradients[parent] + g if parent in gradients else g
    return gradients


def print_graph(tensor, **options):
    """Print a tensor's graph as a tree, every value above what it was computed from; options as in `graph`."""
    from . import console  # noqa: F401  # slow to import; it registers "numgan.spell"

    stack, seen = [(graph(tensor, **options)[-1], "", "")], set()
    while stack:
        box, first, rest = stack.pop()  # what stands before its own line, and before those of its inputs
        again = box in seen and box.inputs
        texts = [text.replace(" ", "\xa0") for text in ([box.title, "(see above)"] if again else [box.title, *box.text])]
        ahead = rest + ("   " if again or not box.inputs else "│  ")
        lines = textwrap.wrap("  ".join(texts), max(100, len(ahead) + 60), initial_indent=first, subsequent_indent=ahead + "  ")
        text, encoding = "\n".join(lines).replace("\xa0", " "), getattr(sys.stdout, "encoding", None) or "utf-8"
        print(text.encode(encoding, "numgan.spell").decode(encoding))  # not every console has the lines of a tree
        if not again:
            seen.add(box)
            branches = sorted(box.inputs, key=lambda source: bool(source.inputs))  # leaves first
            for source in reversed(branches):
                stack.append((source, f"{rest}└─ ", f"{rest}   ") if source is branches[-1] else
                             (source, f"{rest}├─ ", f"{rest}│  "))


# ---- where the boxes stand in a drawing


def layout(boxes):
    """(box -> (x, row), edge -> points): rows from the inputs, 0, down to the result; boxes are 1 apart.

    An edge (source, box) leads through `points`, one in each row that it passes.
    """
    height = dict.fromkeys(boxes, 0)  # above the result: every box as close to its users as it can be
    for box in reversed(boxes):
        for source in box.inputs:
            height[source] = max(height[source], height[box] + 1)
    row = {box: max(height.values()) - h for box, h in height.items()}
    paths = {(source, box): [source, *(object() for _ in range(row[source] + 1, row[box])), box]
             for box in boxes for source in box.inputs}
    users, rows = {box: [] for box in boxes}, {}
    for (source, _), path in paths.items():
        row |= {point: row[source] + i for i, point in enumerate(path[1:-1], 1)}
        for point, user in itertools.pairwise(path):
            users.setdefault(point, []).append(user)
    for point in users:
        rows.setdefault(row[point], []).append(point)
    x = {}
    for number in sorted(rows, reverse=True):  # from the result up: where the users are on average, if there is room
        wanted = {point: float(np.mean([x[user] for user in users[point] if user in x] or [0])) for point in rows[number]}
        ops = {point for point in rows[number] if getattr(point, "inputs", None)}
        at = -np.inf
        for point in sorted(wanted, key=lambda point: (wanted[point], point not in ops)):
            x[point] = at = max(wanted[point], at + 1)
        shift = np.mean([wanted[point] - x[point] for point in ops or wanted])  # keeps a chain of ops straight
        for point in wanted:
            x[point] += shift
    return ({box: (x[box], row[box]) for box in boxes},
            {edge: [(x[point], row[point]) for point in path] for edge, path in paths.items()})


# ---- boxes


def _names(names):
    """Tensor -> name, from name -> Tensor or Layer."""
    named = {}
    for name, item in names.items():
        if isinstance(item, Layer):
            named |= {p: f"{name}.{path}" for path, p in item.walk() if isinstance(p, Parameter)}
        elif isinstance(item, Tensor):
            named[item] = name
        else:
            raise InputError(f"graph: expected a Tensor or a Layer as {name}, got {type(item).__name__}")
    return named


def _frozen(node):
    """The frozen parameters that an op read, except those whose memory the value shares, as after a reshape."""
    return dict.fromkeys(p for p in node.captured if not np.may_share_memory(p.data, node.data))


def _boxes(tape, sources, names, fold):
    """The boxes, without text.

    If they are folded, an op belongs to the layer of its parameter, or else to that of its youngest input. It joins the box of
    that input if both belong to the same layer, unless another of its inputs was computed from that box. A single number has a
    box of its own.
    """
    boxes, layers = {}, {}
    for node in tape:
        if not node.parents and node is not tape[-1]:
            continue  # a leaf: it gets its box from its first user
        own = {s: names.get(s, s.name) for s in sources[node] if isinstance(s, Parameter)} if fold and node.ndim else {}
        before = max((s for s in sources[node] if s.parents), key=lambda s: s.born, default=None)
        home = boxes.get(before)
        around = fold and any(_leads(home, boxes[s]) for s in sources[node] if s in boxes and boxes[s] is not home)
        layer = "" if not node.ndim or (around and not own) else layers.get(before, "")
        layers[node] = layer = next(iter(own.values())).rpartition(".")[0] if own else layer
        if layer and layer == layers.get(before) and not around:
            boxes[node] = box = home
            box.values.append(node)
        else:
            boxes[node] = box = Box(layer, "layer", [node]) if layer else _box(node, names)
        for source in sources[node]:
            if layer and source in own:
                box.parameters[own[source].removeprefix(f"{layer}.")] = source
                continue
            if source not in boxes:
                boxes[source] = _box(source, names, frozen=source not in sources)
            if boxes[source] is not box:
                box.inputs.setdefault(boxes[source], [])
        for parent, vjp in node.parents:
            if node.size == parent.size == 1 and not layer:
                box.inputs[boxes[parent]].append(float(vjp(np.ones_like(node.data)).item()))
    return list(TopologicalSorter({box: box.inputs for box in boxes.values()}).static_order())


def _leads(source, box):
    """Whether a box was computed from another one, directly or in several steps."""
    stack, seen = [box], {box}
    while stack:
        new = stack.pop().inputs.keys() - seen
        seen |= new
        stack += new
    return source in seen


def _box(node, names, frozen=False):
    """The box of one value."""
    name = names.get(node) or getattr(node, "name", "")
    title = f"{name} = {node.op}" if name and node.op else name or node.op or "leaf"
    return Box(title, "frozen" if frozen else "op" if node.op else "leaf", [node])


def _text(box, gradients, tape):
    """What a box says below its title."""
    value, lines = box.values[-1], []
    if box.kind == "layer":
        lines.append(", ".join(f"{op} ×{n}" if n > 1 else op for op, n in Counter(v.op for v in box.values).items()))
    lines.append(shown(value.data) if value.size == 1 else f"{value.shape}, {shown(value.data)}")
    if box.kind == "frozen":
        lines.append("frozen")
    elif value in gradients:
        lines.append(f"gradient {shown(gradients[value])}")
    lines += [f"gradient of {name} {shown(gradients[p])}" for name, p in box.parameters.items() if p in gradients]
    if rest := [name for name, p in box.parameters.items() if p not in tape]:
        lines.append(f"{', '.join(rest)} frozen")
    return lines


def shown(array):
    """An array in a few characters: its numbers if there are at most six, else its Euclidean norm."""
    if array.size > 6:
        return f"norm {np.linalg.norm(array):.3g}"
    return str(np.vectorize(lambda x: f"{x:.4g}", otypes=[object])(array).tolist()).replace("'", "")
