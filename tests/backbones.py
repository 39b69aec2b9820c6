"""Image networks of LPIPS with weights drawn at random, for the tests: nothing comes from the internet."""

import numpy as np
import torch

MODELS = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}
"""What torchvision calls them."""


def drawn(net):
    """Return a backbone with weights at random, called as torchvision calls its convolutions."""
    from torchvision import models  # two seconds for every process

    with torch.device("meta"):
        network = getattr(models, MODELS[net])()
        shapes = {name: each.shape for name, each in network.state_dict().items() if name.startswith("features.")}
    generator = torch.Generator().manual_seed(5)
    std = {name: (2 / max(1, np.prod(shape[1:]))) ** 0.5 for name, shape in shapes.items()}
    return {name: std[name] * torch.randn(shape, generator=generator) for name, shape in shapes.items()}
