"""What knows Hydra: choices, compositions, checks of settings, and the parts that a configuration builds."""
