"""Where photographs with captions come from: one file a kind of source, one way to list and to open them."""
