"""Outputs of models and of their teachers for 13 images, and what numpy makes of them, by
the definitions of the measures in package task's documentation. The model was not asked of
image 3, the teacher not of image 7. Prints a list of cases as JSON."""
import json

import numpy as np

r = np.random.default_rng(16)
N, LABELS = 13, [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 2]
BOTH = [i for i in range(N) if i not in (3, 7)]
MINE = [i for i in range(N) if i != 3]
cases = []


def case(name, task, kind, axis, mine, theirs, agreement, each, labelled=(), **more):
    full = [None] * N
    for i, v in zip(BOTH, each):
        full[i] = float(v)
    cases.append(dict(
        name=name, task=task, kind=kind, axis=axis, dtype=str(mine.dtype), shape=mine.shape, mine=mine.ravel().tolist(), theirs=theirs.ravel().tolist(),
        agreement=[dict(measure=m, value=float(v), images=n) for m, v, n in agreement], each=full,
        labelled=[dict(measure=m, value=float(v), images=n) for m, v, n in labelled], **more))


def f32(x):
    return np.asarray(x, dtype=np.float32)


# Segmentation.
def ious(a, b, classes):
    """IoU of each class that b has, over all places of a and b"""
    return [np.logical_and(a == c, b == c).sum() / np.logical_or(a == c, b == c).sum() for c in classes if (b == c).any()]


def segment(name, kind, axis, mine, theirs, decode, single, classes):
    a, b = decode(mine), decode(theirs)
    assert a.shape[0] == N and a.ndim == 3
    a, b = a[BOTH], b[BOTH]
    if single:
        cover = b.reshape(len(b), -1).mean(1)
        each = [1.0 if not (x | y).any() else (x & y).sum() / (x | y).sum() for x, y in zip(a, b)]
        some = [v for v, c in zip(each, cover) if 0.02 <= c <= 0.98]
        if some:
            return case(name, "segment", kind, axis, mine, theirs, [("miou", np.mean(some), len(some))], each)
    else:
        each = [np.mean(ious(x, y, range(classes))) for x, y in zip(a, b)]
    case(name, "segment", kind, axis, mine, theirs, [("miou", np.mean(ious(a, b, range(classes))), len(BOTH))], each)


def smooth(*shape):
    x = r.normal(size=shape)
    for ax in (-1, -2):
        x = x + np.roll(x, 1, ax) + np.roll(x, 2, ax) + np.roll(x, -1, ax)
    return x


theirs = smooth(N, 1, 10, 14)
mine = theirs + 0.7 * smooth(N, 1, 10, 14)
for i, shift in ((0, -99), (1, 99), (2, -99), (5, 0)):  # an empty mask, a full one, two that are empty, equal ones
    theirs[i] += shift
mine[2] = -99
mine[5] = theirs[5]
one = lambda x: (x[:, 0] >= 0.5).astype(int)
sig = lambda x: 1 / (1 + np.exp(-x))
segment("one mask", "sigmoid", 0, f32(sig(mine)), f32(sig(theirs)), one, True, 2)
segment("one mask, nothing known", "", 0, f32(sig(mine)), f32(sig(theirs)), one, True, 2)
segment("one mask, channels last", "sigmoid", -1, f32(sig(mine)).transpose(0, 2, 3, 1), f32(sig(theirs)).transpose(0, 2, 3, 1), lambda x: one(x.transpose(0, 3, 1, 2)), True, 2)
segment("one mask, before its sigmoid", "values", 1, f32(mine), f32(theirs), lambda x: (x[:, 0] >= 0).astype(int), True, 2)
segment("one mask without channels", "sigmoid", -1, f32(sig(mine))[:, 0], f32(sig(theirs))[:, 0], lambda x: (x >= 0.5).astype(int), True, 2)
segment("masks that cover nothing", "sigmoid", -1, f32(sig(mine)), f32(np.zeros_like(theirs)), one, True, 2)
theirs = smooth(N, 6, 10, 14)
theirs[:, 4] = -50  # a class that the teacher never has
mine = theirs + 0.7 * smooth(N, 6, 10, 14)
mine[:, 4, :2] = 60
soft = lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True)
top = lambda x: x.argmax(1)
segment("classes", "softmax", 1, f32(soft(mine)), f32(soft(theirs)), top, False, 6)
segment("classes before the softmax", "values", 1, f32(mine), f32(theirs), top, False, 6)
segment("classes in half precision", "values", 1, mine.astype(np.float16), theirs.astype(np.float16), top, False, 6)
segment("classes, channels last", "softmax", 3, f32(mine).transpose(0, 2, 3, 1), f32(theirs).transpose(0, 2, 3, 1), lambda x: x.argmax(3), False, 6)
segment("classes by number", "indices", -1, top(mine).astype(np.int64), top(theirs).astype(np.int64), lambda x: x, False, 6)
segment("classes by number, with a channel", "indices", -1, top(mine).astype(np.int32)[:, None], top(theirs).astype(np.int32)[:, None], lambda x: x[:, 0], False, 6)
above = lambda x: np.where(x.max(1) >= 0.5, x.argmax(1) + 1, 0)
segment("several masks", "sigmoid", -1, f32(sig(mine)), f32(sig(theirs)), above, False, 7)


# Embeddings.
def nearest(x):
    u = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-300)
    c = u @ u.T
    np.fill_diagonal(c, -np.inf)
    return c.argmax(1)


theirs = f32(r.normal(size=(N, 24)) + 2 * r.normal(size=(3, 24))[LABELS])
mine = f32(theirs + r.normal(size=(N, 24)))
mine[5] = 0
mine[6] = theirs[6] = 0
theirs[9] = -mine[9]
a, b = mine.astype(float), theirs.astype(float)
with np.errstate(invalid="ignore"):
    cos = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
cos[5], cos[6] = 0, 1
label = np.array(LABELS)[MINE]
for name, kind, shape in (("vectors", "l2norm", (N, 24)), ("vectors with axes of 1", "", (N, 24, 1, 1))):
    case(name, "embed", kind, 1, mine.reshape(shape), theirs.reshape(shape),
         [("cosine", cos[BOTH].mean(), len(BOTH)), ("neighbours", (nearest(a[BOTH]) == nearest(b[BOTH])).mean(), len(BOTH))],
         np.maximum(0, cos[BOTH]), [("neighbour_top1", (label[nearest(a[MINE])] == label).mean(), len(MINE))])

print(json.dumps(cases))
