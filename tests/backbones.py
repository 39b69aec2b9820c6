"""Image networks of LPIPS with weights drawn at random, for the tests: nothing comes from the internet."""

import numpy as np
import torch
import torchvision

MODELS = {
    "alex": torchvision.models.alexnet,
    "vgg": torchvision.models.vgg16,
    "squeeze": torchvision.models.squeezenet1_1,
}


def drawn(net):
    """Return a backbone with weights at random, called as torchvision calls its convolutions."""
    with torch.device("meta"):
        shapes = {name: each.shape for name, each in MODELS[net]().state_dict().items() if name.startswith("features.")}
    generator = torch.Generator().manual_seed(5)
    std = {name: (2 / max(1, np.prod(shape[1:]))) ** 0.5 for name, shape in shapes.items()}
    return {name: std[name] * torch.randn(shape, generator=generator) for name, shape in shapes.items()}
