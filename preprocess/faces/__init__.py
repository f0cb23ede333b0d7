"""Drawn faces in CelebA's format, for machines without CelebA."""
