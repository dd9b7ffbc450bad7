"""Durable buffer between the stream and the database: a directory of entries on disk."""
