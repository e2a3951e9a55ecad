"""Writes images with masks into a folder and prints scores of 5 classes for places of each,
and the mean IoU that numpy finds: masks are read at the pixel in which the middle of a place
lies when a picture is stretched over the input of 20 x 12; 255 does not count."""
import json, os, sys

import numpy as np
from PIL import Image

out, r = sys.argv[1], np.random.default_rng(17)
N, K, H, W = 7, 5, 12, 20
grid = (6, 10)  # of the output: every other pixel of the input
frames, scores, both, either, seen = [], [], np.zeros(K), np.zeros(K), np.zeros(K)
for i in range(N):
    w, h = (int(v) for v in r.integers(15, 60, 2))
    blocks = r.integers(0, K - 1, (4, 4), dtype=np.uint8)  # no image has the last class
    blocks[r.random((4, 4)) < 0.15] = 255
    mask = np.kron(blocks, np.ones((15, 15), np.uint8))[:h, :w]
    Image.fromarray(r.integers(0, 256, (h, w, 3), dtype=np.uint8)).save(f"{out}/{i}.jpg")
    Image.fromarray(mask).save(f"{out}/{i}.png")
    at = lambda n, size, step: np.floor((np.floor((np.arange(n) + 0.5) * step) + 0.5) * size / (n * step) + 1e-9).astype(int)
    truth = mask[at(grid[0], h, 2)][:, at(grid[1], w, 2)]
    score = r.normal(size=(K, *grid)).astype(np.float32)
    score[np.where(truth < K, truth, 0), np.arange(grid[0])[:, None], np.arange(grid[1])] += 1
    said, counts = score.argmax(0), truth != 255
    for c in range(K):
        both[c] += ((said == c) & (truth == c)).sum()
        either[c] += (((said == c) | (truth == c)) & counts).sum()
        seen[c] += (truth == c).sum()
    frames.append([w, h])
    scores.append(score.ravel().tolist())
has = seen > 0
print(json.dumps(dict(frames=frames, scores=scores, shape=[1, K, *grid], miou=float((both[has] / either[has]).mean()))))
