"""Beginning from the weights of another 2-D diffusion model."""

import pytest
import torch

from napari_depth_interp.errors import WeightsError
from napari_depth_interp.methods.msdsr import MsdsrConfig
from napari_depth_interp.methods.msdsr.network import PlaneNet
from napari_depth_interp.methods.msdsr.start import untrained
from napari_depth_interp.models import folder as model_folder


def config(start, channels=8):
    return MsdsrConfig(channels=channels, levels=2, start=start)


def weights(network):
    return {name: each for name, each in network.state_dict().items() if name != "gain"}


def test_a_model_of_our_own(tmp_path):
    torch.manual_seed(1)
    other = PlaneNet(8, 2, "residual")
    model_folder.save(tmp_path, model_folder.Model("msdsr", {}, other.state_dict(), {}))
    torch.manual_seed(2)
    begun = weights(untrained(config(tmp_path)))
    assert all(torch.equal(begun[name], each) for name, each in weights(other).items())
    assert not all(torch.equal(weights(untrained(config(None)))[name], each) for name, each in begun.items())


def test_an_image_model_of_diffusers(tmp_path):
    """It sees noise only, so the inputs for mask and linear interpolation begin at zero."""
    from diffusers import UNet2DModel

    torch.manual_seed(1)
    image_model = UNet2DModel(
        in_channels=1,
        out_channels=1,
        layers_per_block=1,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
        norm_num_groups=8,
        add_attention=False,
    )
    image_model.save_pretrained(tmp_path)
    begun = untrained(config(tmp_path)).unet
    first = begun.conv_in.weight
    assert torch.equal(first[:, :1], image_model.conv_in.weight)
    assert not first[:, 1:].any()
    assert torch.equal(begun.mid_block.resnets[0].conv1.weight, image_model.mid_block.resnets[0].conv1.weight)


def test_a_network_of_another_width_is_refused(tmp_path):
    model_folder.save(tmp_path, model_folder.Model("msdsr", {}, PlaneNet(16, 2, "residual").state_dict(), {}))
    with pytest.raises(WeightsError, match="set channels and levels to those"):
        untrained(config(tmp_path))


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="holds no model"):
        untrained(config(tmp_path))
