"""The page as a Space on the Hugging Face Hub, on a CPU: photographs-64, the quickest of the models that come along."""

import pathlib
import sys

# As it lies in the repository; on the Hub the package is installed.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from cvae import load_preset
from cvae.app.page import open_page

if __name__ == "__main__":
    open_page(load_preset("photographs-64"), browser=False).wait()
