"""Lineage: from a model back to its data, and from data forward to its models."""
