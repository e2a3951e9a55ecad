# What AVIF takes natively: libavif in Pillow, one thread, as bnc codes images that are sent.
# usage: avif.py QUALITY FAST-QUALITY FILE...     of avif and avif-fast
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


def coded(img, quality, speed):
    def encode():
        file = io.BytesIO()
        img.save(file, "avif", quality=quality, speed=speed, subsampling="4:2:0", max_threads=1)
        return file.getvalue()

    file, encoding = timed(encode)
    _, decoding = timed(lambda: Image.open(io.BytesIO(file)).load())
    return len(file), encoding, decoding


images = [crop(path) for path in sys.argv[3:]]
parts = []
for name, quality, speed in ("avif", int(sys.argv[1]), 6), ("avif-fast", int(sys.argv[2]), 10):
    sizes, encoding, decoding = zip(*(coded(img, quality, speed) for img in images))
    parts.append(
        f"{name} of quality {quality} encodes in {statistics.median(encoding):.1f} ms, decodes in {statistics.median(decoding):.1f} ms, {statistics.mean(sizes):.0f} bytes"
    )
print(f"libavif {features.version('avif')} natively: {'; '.join(parts)}.")
