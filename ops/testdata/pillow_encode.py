"""Encodes grey images with Pillow: lines "height width quality hex-pixels" on
stdin, one JPEG file in hex a line on stdout."""

import io
import sys

from PIL import Image

for line in sys.stdin:
    height, width, quality, pixels = line.split()
    image = Image.frombytes("L", (int(width), int(height)), bytes.fromhex(pixels))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=int(quality))
    print(file.getvalue().hex())
