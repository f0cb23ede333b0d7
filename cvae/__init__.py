"""CLIP-conditioned variational autoencoders in Keras."""
