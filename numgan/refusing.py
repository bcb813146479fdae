"""What Python or NumPy would otherwise do with a Tensor without a word, and what they are told instead. Read errors.py next."""

import numpy as np

from .errors import InputError

REFLECTED = {np.add: "__radd__", np.subtract: "__rsub__", np.multiply: "__rmul__", np.divide: "__rtruediv__",
             np.matmul: "__rmatmul__"}  # what Python calls for array + tensor, array - tensor, ...


class Refusing:
    """The base of Tensor: loops, comparisons, `x += y` and NumPy's functions."""

    __slots__ = ()

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        """What NumPy shall do with array * x, which is x.__rmul__(array), and with np.exp(x), which is refused."""
        if ufunc not in REFLECTED or method != "__call__" or options or inputs[1] is not self:
            return self.__array_function__(ufunc)
        return getattr(self, REFLECTED[ufunc])(inputs[0])

    def __array_function__(self, function, *_):
        raise TypeError(f"np.{function.__name__} does not take Tensors: use numgan's functions, or x.data for the array")

    def __array__(self, dtype=None, copy=None):
        raise TypeError("NumPy does not take Tensors: use x.data for the array")

    def __eq__(self, other):
        if not isinstance(other, Refusing):
            raise TypeError(f"a Tensor equals only itself, and cannot be compared with {type(other).__name__}: use x.data")
        return self is other

    __hash__ = object.__hash__

    def _in_place(self, other):
        """x += y: Python then makes a new x, x + y. A parameter, or another leaf that learns, would drop out of training."""
        if self.parents == () and (self.requires_grad or hasattr(self, "trainable")):
            raise InputError("a leaf that learns cannot become another value: change its array, p.data += ..., then p.moved()")
        return NotImplemented

    __iadd__ = __isub__ = __imul__ = __itruediv__ = _in_place
