"""One configuration in, one results folder out. Nothing else in the suite knows Hydra."""
