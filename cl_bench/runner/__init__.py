"""One configuration in, a results folder out, whatever happens to the process."""
