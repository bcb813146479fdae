"""numgan: a GAN engine in pure NumPy.

To learn backpropagation, read the modules in this order: tensor, ops, gradcheck, losses, optim, network, layers. Now you can
train something. Then read conv, norm, resize, residual and embedding, and the games. README.md lists all modules.
"""

import builtins

from .conv import conv2d, conv2d_transpose, max_pool2d
from .embedding import Augmentation, Beside, Embedding
from .errors import InputError
from .gradcheck import gradcheck, numerical_gradient
from .graph import print_graph
from .layers import (
    ELU,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    LeakyReLU,
    MaxPool2D,
    ReLU,
    Reshape,
    ResizeConv2D,
    Sigmoid,
    Tanh,
    UpSampling2D,
    glorot_uniform,
    normal,
)
from .losses import accuracy, bce, bce_with_logits, l1, l2, softmax, softmax_cross_entropy
from .network import Layer, Sequential
from .norm import batch_norm
from .ops import (
    abs,
    add,
    broadcast_to,
    concatenate,
    div,
    elu,
    exp,
    getitem,
    leaky_relu,
    log,
    matmul,
    max,
    mean,
    mul,
    neg,
    pad,
    power,
    relu,
    reshape,
    sigmoid,
    softplus,
    sqrt,
    sub,
    sum,
    tanh,
    transpose,
)
from .optim import SGD, Adam, LinearDecay, MovingAverage
from .residual import PixelShuffle, PReLU, Residual
from .resize import depth_to_space, resize_conv2d, upsample
from .tensor import Parameter, Tensor, from_op, no_grad

__version__ = "0.1.0"
__all__ = [name for name, value in list(globals().items())  # `import *` leaves abs, max and sum to Python
           if not name.startswith("_") and not hasattr(builtins, name) and not isinstance(value, type(builtins))]
