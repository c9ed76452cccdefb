"""Features: what is measured on an image's views, and the cache of it."""
