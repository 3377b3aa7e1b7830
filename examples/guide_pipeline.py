"""
Guidance of a diffusers pipeline.

The example trains a small DDPM of scikit-learn's digits with diffusers alone and saves it as a pipeline. It then trains a discriminator of the pipeline's
samples, and samples with both. It takes minutes on a CPU and needs `pip install 'ridgewalk[diffusers]'`.

    python examples/guide_pipeline.py OUT
"""

import sys
from pathlib import Path

import diffusers
import torch
from sklearn.datasets import load_digits
from torch.nn import functional as F

from ridgewalk.adapters import as_pipeline, load_score, save_guide, train_guide
from ridgewalk.diffusion import Heun
from ridgewalk.metrics.transport import sliced_wasserstein
from ridgewalk.settings.diffusion import Guidance
from ridgewalk.settings.training import Schedule


def load_images() -> tuple[torch.Tensor, torch.Tensor]:
    """The training images and the held-out images, (n, 1, 8, 8) in [0, 1]."""
    x = torch.tensor(load_digits().images, dtype=torch.float32)[:, None] / 16
    x = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))]
    return x[:1200], x[1200:]


def train_pipeline(images: torch.Tensor, folder: Path, steps: int = 400) -> None:
    """Trains a DDPM with diffusers alone and saves it in a folder."""
    torch.manual_seed(0)
    network = diffusers.UNet2DModel(
        sample_size=8,
        in_channels=1,
        out_channels=1,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
    )
    scheduler = diffusers.DDPMScheduler(clip_sample=False)
    optimiser = torch.optim.Adam(network.parameters(), 2e-3)
    for _ in range(steps):
        x = 2 * images[torch.randint(len(images), (64,))] - 1
        noise, t = torch.randn_like(x), torch.randint(1000, (64,))
        loss = F.mse_loss(network(scheduler.add_noise(x, noise, t), t).sample, noise)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    diffusers.DDPMPipeline(network, scheduler).save_pretrained(folder)


def main(out: Path) -> None:
    """Trains the pipeline and its guide, and compares samples with and without guidance."""
    images, held = load_images()
    train_pipeline(images, out / "pipeline")
    model = load_score(out / "pipeline")
    sampler = Heun(model.sde, 18)
    schedule = Schedule(epochs=60, batch=64, rate=1e-3, decay="cosine", ema=0.99)
    guide = train_guide(model, images, sampler, settings=Guidance(matching=10.0, t_min=1e-2), schedule=schedule)
    save_guide(guide, out / "guide")
    print(guide.diagnosis.sentence)
    for name, guidance in (("the pipeline", None), ("guided", guide.guidance())):
        pipeline = as_pipeline(model, sampler, guidance)
        drawn = pipeline(len(held), torch.Generator().manual_seed(1), output_type="pt").images
        distance = sliced_wasserstein(drawn.flatten(1).double(), held.flatten(1).double())
        print(f"{name}: sliced Wasserstein distance to {len(held)} held-out digits {distance:.4f}")
        grid = drawn[:32, 0].reshape(4, 8, 8, 8).permute(0, 2, 1, 3).reshape(32, 64)
        diffusers.DDPMPipeline.numpy_to_pil(grid[None, :, :, None].numpy())[0].resize((512, 256), 0).save(
            out / f"{name.split()[-1]}.png"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "guided-pipeline"))
