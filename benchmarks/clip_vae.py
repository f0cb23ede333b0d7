"""A training epoch of the CLIP-VAE on 60,000 digits, beside the original's PyTorch code of that size, written plainly.

    python benchmarks/clip_vae.py

Both train perceptrons of 64 units and 6 blocks, latents of 16 numbers, in batches of 128, in float32. The plain form is
what one writes first: a Dataset that gives one image at a time, a DataLoader, a loop. It runs in a process of its own,
as PyTorch and TensorFlow do not run together. Times of one run are compared only with each other.
"""

import argparse
import pathlib
import subprocess
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
COUNT, BATCH_SIZE, WIDTH, DEPTH, LATENT_DIM = 60_000, 128, 64, 6, 16


def random_digits():
    """Images and labels shaped as MNIST's; how long a step takes does not depend on what they show."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (COUNT, 28, 28, 1), np.uint8), rng.integers(0, 10, COUNT).astype(np.int32)


def plain_epochs(epochs):
    """Seconds of each epoch of the plain PyTorch form."""
    import torch
    from torch import nn
    from torch.nn import functional

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.GELU())

        def forward(self, x):
            return x + self.layers(x)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()

            def trunk():
                return [Block() for _ in range(DEPTH)]

            def small():
                return [nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.GELU()]

            self.image_encoder = nn.Sequential(
                nn.Flatten(), nn.Linear(784, WIDTH), *trunk(), nn.Linear(WIDTH, 2 * LATENT_DIM)
            )
            self.image_decoder = nn.Sequential(nn.Linear(LATENT_DIM, WIDTH), *trunk(), nn.Linear(WIDTH, 784))
            self.label_encoder = nn.Sequential(nn.Embedding(10, WIDTH), *small(), nn.Linear(WIDTH, 2 * LATENT_DIM))
            self.label_decoder = nn.Sequential(nn.Linear(LATENT_DIM, WIDTH), *small(), nn.Linear(WIDTH, 10))
            self.logit_scale = nn.Parameter(torch.tensor(np.log(1 / 0.07), dtype=torch.float32))

        def forward(self, image, label):
            loss = 0.0
            latents = []
            for encoder, x in ((self.image_encoder, image), (self.label_encoder, label)):
                mean, log_var = encoder(x).chunk(2, dim=-1)
                latents.append(mean + torch.exp(0.5 * log_var) * torch.randn_like(mean))
                loss = loss - 0.5 * torch.mean(torch.sum(1 + log_var - mean**2 - log_var.exp(), dim=-1))
            decoded = self.image_decoder(latents[0])
            loss = loss + functional.binary_cross_entropy_with_logits(decoded, image.flatten(1), reduction="sum") / len(
                image
            )
            loss = loss + functional.cross_entropy(self.label_decoder(latents[1]), label)
            x, y = (functional.normalize(z, dim=-1) for z in latents)
            logits = self.logit_scale.exp() * x @ y.T
            right = torch.arange(len(image))
            return loss + 0.5 * (functional.cross_entropy(logits, right) + functional.cross_entropy(logits.T, right))

    class Digits(torch.utils.data.Dataset):
        def __init__(self):
            self.images, self.labels = random_digits()

        def __len__(self):
            return len(self.labels)

        def __getitem__(self, index):
            return torch.from_numpy(self.images[index]).float() / 255, int(self.labels[index])

    model = Model()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    loader = torch.utils.data.DataLoader(Digits(), BATCH_SIZE, shuffle=True, drop_last=True)
    for _ in range(epochs):
        start = time.perf_counter()
        for image, label in loader:
            loss = model(image, label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(time.perf_counter() - start, flush=True)


def our_epochs(epochs):
    """Seconds of each epoch of ours, the first, which compiles, left out."""
    from cvae.digit_task import build_model, digit_batches
    from cvae.training import Settings

    settings, steps = Settings(batch_size=BATCH_SIZE), COUNT // BATCH_SIZE
    model = build_model(settings, steps, width=WIDTH, depth=DEPTH, latent_dim=LATENT_DIM)
    dataset = digit_batches(*random_digits(), settings, first_epoch=0)
    seconds = []
    for _ in range(epochs + 1):
        start = time.perf_counter()
        model.fit(dataset, steps_per_epoch=steps, verbose=0, shuffle=False)
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=3, help="epochs of each, of which the median counts")
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.plain:
        plain_epochs(arguments.epochs)
        return
    command = [sys.executable, __file__, "--plain", "--epochs", str(arguments.epochs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    plain = np.median([float(line) for line in done.stdout.split()])
    ours = np.median(our_epochs(arguments.epochs))
    print(f"{'an epoch of 60,000 digits':<32} {'seconds':>9} {'ratio':>7}")
    print(f"{'plain PyTorch':<32} {plain:>9.2f} {1:>7.2f}")
    print(f"{'ClipVAE':<32} {ours:>9.2f} {plain / ours:>7.2f}")


if __name__ == "__main__":
    main()
