"""Hydra's side: choices, compositions, checks of settings, and the parts that a configuration builds."""
