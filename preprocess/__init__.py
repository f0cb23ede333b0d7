"""Data in: captions, images, TFRecord shards and tf.data pipelines."""
