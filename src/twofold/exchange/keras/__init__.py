"""Keras files (`.keras`, Keras 3): read without Keras, converted layer by layer, proved beside Keras itself."""
