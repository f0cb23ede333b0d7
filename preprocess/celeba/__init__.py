"""CelebA's archive and attributes."""
