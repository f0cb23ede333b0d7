"""Encoders, and shards with embeddings."""
