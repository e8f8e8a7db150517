"""The curated schema: what data need of it, and its file."""
