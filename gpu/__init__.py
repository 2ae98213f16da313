"""The programme for ten minutes of a GPU: correctness, speed, headline and studies, in this order.

`python -m gpu --minutes 8 --output DIR` does it, `--device cpu --tiny` rehearses it. Each result is
on disk as soon as it is had. The same command continues with what is left.
"""
