"""Puts data, a module file and a schema where the pods of a workflow look."""
