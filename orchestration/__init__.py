"""The operating side: validates compiled workflows, runs them here and reads their metadata."""
