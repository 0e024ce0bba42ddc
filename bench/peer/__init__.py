"""The peers of `bench/peers.py`: each module runs one of them and measures it as it is."""
