"""Quick linear heads on cached features."""
