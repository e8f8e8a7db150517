"""Runs a compiled workflow on this machine, without a cluster."""
