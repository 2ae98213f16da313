"""Streams, strategies, training and sweeps for a researcher's own code: the choices of conf/, from Python.

What is here is a client of the suite, as the command line is: nothing else imports it.
"""
