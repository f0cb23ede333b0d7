"""A training epoch of the CLIP-VAE on 60,000 digits, beside the original's PyTorch code of that size, written plainly.

    python benchmarks/clip_vae.py

Both train perceptrons of 64 units, one block applied 6 times, latents of 16 numbers, in batches of 64, in float32.
The plain form does what the original does (https://github.com/phykn/clip-vae): torchvision's way with one image at a
time, a DataLoader, a forward pass for the contrastive loss and another for the VAE's, the loss read after every step.
Each runs in a process of its own, with one thread an operation and with two, as small operations gain nothing from
two; ratios are to the faster of the plain form's. Times of one run are compared only with each other.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from preprocess.utils.command import run_command
from preprocess.utils.errors import summary

COUNT, BATCH_SIZE, WIDTH, DEPTH, LATENT_DIM = 60_000, 64, 64, 6, 16


def random_digits():
    """Images and labels shaped as MNIST's; how long a step takes does not depend on what they show."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (COUNT, 28, 28, 1), np.uint8), rng.integers(0, 10, COUNT).astype(np.int32)


def plain_model():
    """The original's model and losses, in PyTorch."""
    import torch
    from torch import nn
    from torch.nn import functional

    def block():
        return nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.GELU())

    class Residual(nn.Module):
        def __init__(self, inputs):
            super().__init__()
            self.stem = nn.Linear(inputs, WIDTH)
            self.block = block()

        def forward(self, x):
            x = self.stem(x)
            for _ in range(DEPTH):
                x = x + self.block(x)
            return x

    class Encoder(nn.Module):
        def __init__(self, trunk):
            super().__init__()
            self.trunk = trunk
            self.to_mean, self.to_log_var = nn.Linear(WIDTH, LATENT_DIM), nn.Linear(WIDTH, LATENT_DIM)

        def forward(self, x):
            x = self.trunk(x)
            mean, log_var = self.to_mean(x), self.to_log_var(x)
            return mean + torch.exp(0.5 * log_var) * torch.rand_like(mean), mean, log_var

    def kl(mean, log_var):
        return -0.5 * torch.mean(1 + log_var - mean.pow(2) - log_var.exp())

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            words = nn.Sequential(nn.Embedding(10, WIDTH), block())
            self.image_encoder, self.label_encoder = Encoder(Residual(784)), Encoder(words)
            self.image_decoder = nn.Sequential(Residual(LATENT_DIM), nn.Linear(WIDTH, 784), nn.Sigmoid())
            self.label_decoder = nn.Sequential(nn.Linear(LATENT_DIM, WIDTH), block(), nn.Linear(WIDTH, 10))
            self.log_scale = nn.Parameter(torch.tensor(np.log(1 / 0.07), dtype=torch.float32))

        def clip_loss(self, image, label):
            x, y = self.image_encoder(image)[0], self.label_encoder(label)[0]
            x, y = x / x.norm(dim=1, keepdim=True), y / y.norm(dim=1, keepdim=True)
            logits = self.log_scale.exp() * x @ y.T
            right = torch.arange(len(image))
            return (functional.cross_entropy(logits, right) + functional.cross_entropy(logits.T, right)) / 2

        def vae_loss(self, image, label):
            image_z, *image_posterior = self.image_encoder(image)
            label_z, *label_posterior = self.label_encoder(label)
            pixels = functional.binary_cross_entropy(self.image_decoder(image_z), image)
            labels = functional.cross_entropy(self.label_decoder(label_z), label)
            return pixels + kl(*image_posterior) + labels + kl(*label_posterior)

        def forward(self, image, label):
            return self.clip_loss(image, label) + self.vae_loss(image, label)

    return Model()


def plain_epochs(epochs):
    """Prints the seconds of each epoch of the plain PyTorch form."""
    import PIL.Image
    import torch
    from torchvision.transforms import ToTensor

    class Digits(torch.utils.data.Dataset):
        """As `torchvision.datasets.MNIST` gives them."""

        def __init__(self):
            self.images, self.labels = random_digits()
            self.transform = ToTensor()

        def __len__(self):
            return len(self.labels)

        def __getitem__(self, index):
            return self.transform(PIL.Image.fromarray(self.images[index, ..., 0])), int(self.labels[index])

    model = plain_model()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    loader = torch.utils.data.DataLoader(Digits(), BATCH_SIZE, shuffle=True)
    for _ in range(epochs):
        start, total = time.perf_counter(), 0.0
        for image, label in loader:
            optimizer.zero_grad()
            loss = model(image.flatten(1), label)
            total += loss.item()
            loss.backward()
            optimizer.step()
        print(time.perf_counter() - start, flush=True)


def our_epochs(epochs):
    """Prints the seconds of each epoch of ours, the first, which compiles, left out."""
    from cvae.systems.digits.task import build_model, digit_batches, epoch_steps
    from cvae.training.settings import Settings
    from preprocess.utils.quiet import import_keras

    keras = import_keras()
    settings, steps = Settings(batch_size=BATCH_SIZE), epoch_steps(COUNT, BATCH_SIZE)
    model = build_model(settings, steps, width=WIDTH, depth=DEPTH, latent_dim=LATENT_DIM, share_blocks=True)
    dataset = digit_batches(*random_digits(), settings, first_epoch=0)
    start = []

    def note_time(epoch, logs):
        if start:
            print(time.perf_counter() - start[-1], flush=True)
        start.append(time.perf_counter())

    note = keras.callbacks.LambdaCallback(on_epoch_end=note_time)
    model.fit(dataset, epochs=epochs + 1, steps_per_epoch=steps, verbose=0, shuffle=False, callbacks=[note])


FORMS = {"plain PyTorch": plain_epochs, "ClipVAE": our_epochs}


def median_seconds(form, threads, epochs):
    """The median epoch of one of `FORMS` in a process of its own, with a number of threads for an operation."""
    environment = os.environ | {"TF_NUM_INTRAOP_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, __file__, "--epochs", str(epochs), "--form", form]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return np.median([float(line) for line in done.stdout.split()])


def main():
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--epochs", type=int, default=3, help="epochs of each, of which the median counts")
    parser.add_argument("--form", choices=FORMS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.form:
        FORMS[arguments.form](arguments.epochs)
        return
    rows = {(form, threads): median_seconds(form, threads, arguments.epochs) for threads in (1, 2) for form in FORMS}
    plain = min(seconds for (form, _), seconds in rows.items() if form == "plain PyTorch")
    print(f"{'an epoch of 60,000 digits':<42} {'seconds':>9} {'ratio':>7}")
    for (form, threads), seconds in rows.items():
        name = f"{form}, {threads} thread{'s'[: threads - 1]} an operation"
        print(f"{name:<42} {seconds:>9.2f} {plain / seconds:>7.2f}")


if __name__ == "__main__":
    run_command(main, again="run it again")
