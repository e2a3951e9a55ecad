# What AVIF takes natively: libavif in Pillow, one thread, as bnc codes images that are sent.
# usage: avif.py QUALITY FILE...
import io
import statistics
import sys
import time

from PIL import Image, features

SIZE, SHORT = 224, 256
if not features.check("avif"):
    print("the oracle's Pillow has no AVIF", file=sys.stderr)
    sys.exit()


def crop(path):
    img = Image.open(path).convert("RGB")
    scale = SHORT / min(img.size)
    img = img.resize([round(side * scale) for side in img.size], Image.BILINEAR)
    left, top = [(side - SIZE) // 2 for side in img.size]
    return img.crop((left, top, left + SIZE, top + SIZE))


def timed(do):
    times = []
    for _ in range(4):  # the first allocates
        start = time.perf_counter()
        result = do()
        times.append(1000 * (time.perf_counter() - start))
    return result, statistics.median(times[1:])


def coded(img, speed):
    def encode():
        file = io.BytesIO()
        img.save(file, "avif", quality=int(sys.argv[1]), speed=speed, subsampling="4:2:0", max_threads=1)
        return file.getvalue()

    file, encoding = timed(encode)
    _, decoding = timed(lambda: Image.open(io.BytesIO(file)).load())
    return len(file), encoding, decoding


images = [crop(path) for path in sys.argv[2:]]
parts = []
for speed in 6, 10:
    sizes, encoding, decoding = zip(*(coded(img, speed) for img in images))
    parts.append(
        f"speed {speed} encodes in {statistics.median(encoding):.1f} ms, decodes in {statistics.median(decoding):.1f} ms, {statistics.mean(sizes):.0f} bytes"
    )
print(f"libavif {features.version('avif')} natively, quality {sys.argv[1]}: {'; '.join(parts)}.")
