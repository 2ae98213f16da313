"""All that knows Hydra: choices, compositions, checks of settings, and the parts that they build."""
