"""The authoring side: settings, the base pipeline and the compiler to Argo YAML."""
