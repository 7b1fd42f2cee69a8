"""Quick linear heads on kept embeddings."""
