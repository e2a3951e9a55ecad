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


# Text.
def ctc(scores, blank):
    """best class at each step, equal neighbours once, blanks left out"""
    path = scores.argmax(-1)
    return [int(c) for i, c in enumerate(path) if c != blank and (i == 0 or c != path[i - 1])]


def levenshtein(a, b):
    d = np.zeros((len(a) + 1, len(b) + 1), int)
    d[:, 0], d[0] = np.arange(len(a) + 1), np.arange(len(b) + 1)
    for i in range(len(a)):
        for j in range(len(b)):
            d[i + 1, j + 1] = min(d[i, j] + (a[i] != b[j]), d[i, j + 1] + 1, d[i + 1, j] + 1)
    return d[-1, -1]


T, K = 15, 11
theirs = f32(r.normal(size=(N, T, K)))
mine = f32(theirs + 0.25 * r.normal(size=(N, T, K)))
mine[2, :, 0] = theirs[2, :, 0] = 9  # both empty, whatever is the blank
theirs[4, :, 10] = 9
mine[4, :, 10] = 9
mine[5] = theirs[5]
mine[6, :, 0] = 9  # one is empty
for name, blank, metadata, labels in (("text", 0, {}, list("0123456789")), ("text, the last is blank", 10, {"blank": "last"}, []),
                                      ("text, the blank has a name", 3, {}, list("abc") + ["[blank]"] + list("defghij")), ("text, a blank by number", 4, {"blank": "4"}, [])):
    a, b = [ctc(x, blank) for x in mine[BOTH]], [ctc(x, blank) for x in theirs[BOTH]]
    each = [1.0 if not x and not y else 1 - levenshtein(x, y) / max(len(x), len(y)) for x, y in zip(a, b)]
    case(name, "text", "", -1, mine, theirs, [("exact", np.mean([x == y for x, y in zip(a, b)]), len(BOTH)), ("edit", np.mean(each), len(BOTH))], each, metadata=metadata, labels=labels)
a, b = [ctc(x, 0) for x in mine[BOTH]], [ctc(x, 0) for x in theirs[BOTH]]
each = [1.0 if not x and not y else 1 - levenshtein(x, y) / max(len(x), len(y)) for x, y in zip(a, b)]
want = [("exact", np.mean([x == y for x, y in zip(a, b)]), len(BOTH)), ("edit", np.mean(each), len(BOTH))]
case("text, steps first", "text", "softmax", 2, mine.transpose(1, 0, 2), theirs.transpose(1, 0, 2), want, each, batch=1)
case("text, characters before steps", "text", "softmax", 1, mine.transpose(0, 2, 1), theirs.transpose(0, 2, 1), want, each)
case("text, characters before steps by their number", "text", "values", 1, mine.transpose(0, 2, 1), theirs.transpose(0, 2, 1), want, each, labels=list("0123456789"))


# Numbers.
def relative(a, b):
    """the relative error, and that of each image"""
    scale = ((b - b.mean(0)) ** 2).sum() / len(b)
    if scale <= 1e-12 * (b ** 2).sum() / len(b):
        scale = (b ** 2).sum() / len(b)
    wrong = ((a - b) ** 2).reshape(len(b), -1).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(wrong.mean() > 0, np.sqrt(wrong.mean() / scale), 0) if scale else float(wrong.any()), [0.0 if not w else 1 if not scale else np.sqrt(w / scale) for w in wrong]


def regress(name, mine, theirs, **more):
    a, b = mine[BOTH].astype(np.float64), theirs[BOTH].astype(np.float64)
    error, each = relative(a, b)
    case(name, "regress", "values", 1, mine, theirs, [("relative_error", error, len(BOTH)), ("absolute_error", np.abs(a - b).mean(), len(BOTH))], [1 - min(1, e) for e in each], **more)


theirs = f32(r.normal(size=(N, 10)) * r.uniform(0.1, 30, 10) + 100 * r.normal(size=10))
regress("coordinates", f32(theirs + r.normal(size=(N, 10))), theirs)
regress("a number", f32(theirs[:, :1] + 9 * r.normal(size=(N, 1))), theirs[:, :1])
regress("points", f32(theirs + r.normal(size=(N, 10))).reshape(N, 5, 2), theirs.reshape(N, 5, 2))
same = np.repeat(theirs[:1], N, 0)
regress("numbers that never change", f32(same + r.normal(size=(N, 10))), same)
regress("numbers that are 0", f32(np.eye(N, 10)), np.zeros((N, 10), np.float32))
regress("equal numbers", np.zeros((N, 10), np.float32), np.zeros((N, 10), np.float32))
regress("whole numbers", np.rint(theirs + r.normal(size=(N, 10))).astype(np.int64), np.rint(theirs).astype(np.int64))


# Pictures.
def picture(name, mine, theirs, peak):
    a, b = mine[BOTH].astype(np.float64), theirs[BOTH].astype(np.float64)
    mse = ((a - b) ** 2).reshape(len(b), -1).mean(1)
    with np.errstate(divide="ignore"):
        ratio = np.minimum(100, 10 * np.log10(peak ** 2 / mse))
    case(name, "image", "values", 1, mine, theirs, [("psnr", ratio.mean(), len(BOTH))], np.clip(ratio / 50, 0, 1))


theirs = f32(r.uniform(size=(N, 3, 6, 8)))
mine = f32(theirs + r.normal(size=(N, 3, 6, 8)) * r.choice([1e-4, 0.01, 0.1, 3], size=(N, 1, 1, 1)))
mine[1] = theirs[1]
picture("pictures", mine, theirs, 1)
picture("pictures in -1..1", f32(2 * mine - 1), f32(2 * theirs - 1), 2)
picture("pictures in 0..255, channels last", f32(255 * mine).transpose(0, 2, 3, 1), f32(255 * theirs).transpose(0, 2, 3, 1), 255)
picture("pictures less their mean", f32(4 * mine - 2.1), f32(4 * theirs - 2.1), float(f32(4 * theirs - 2.1)[BOTH].max()) - float(f32(4 * theirs - 2.1)[BOTH].min()))
picture("pictures in bytes", np.clip(200 * mine[:, :1], 0, 255).astype(np.uint8), (200 * theirs[:, :1]).astype(np.uint8), 255)


# Outputs of any kind.
def raw(name, kind, axis, mine, theirs, each, errors=None, value=None, **more):
    agreement = [("likeness", np.mean(each) if value is None else value, len(BOTH))]
    case(name, "raw", kind, axis, mine, theirs, agreement + ([("relative_error", errors, len(BOTH))] if errors is not None else []), each, **more)


theirs = f32(r.normal(size=(N, 9, 5)))
mine = f32(theirs + r.normal(size=(N, 9, 5)) * 0.5)
mine[1] = theirs[1] = -1
theirs[2] = -1
a, b = mine[BOTH].astype(np.float64), theirs[BOTH].astype(np.float64)
rows = (a.argmax(2) == b.argmax(2)).mean(1)
raw("any: classes of rows", "softmax", 2, mine, theirs, rows)
raw("any: classes of columns", "softmax", 1, mine.transpose(0, 2, 1), theirs.transpose(0, 2, 1), rows)
iou = [1.0 if not ((x >= 0.5) | (y >= 0.5)).any() else ((x >= 0.5) & (y >= 0.5)).sum() / ((x >= 0.5) | (y >= 0.5)).sum() for x, y in zip(a, b)]
raw("any: scores", "sigmoid", -1, mine, theirs, iou)
cosines = np.maximum(0, (a * b).sum(2) / np.linalg.norm(a, axis=2) / np.linalg.norm(b, axis=2)).mean(1)
raw("any: vectors of rows", "l2norm", 2, mine, theirs, cosines)
raw("any: vectors of columns", "l2norm", 1, mine.transpose(0, 2, 1), theirs.transpose(0, 2, 1), cosines)
error, numbers = relative(a, b)
numbers = [1 - min(1, e) for e in numbers]
raw("any: numbers", "values", 2, mine, theirs, numbers, float(error), 1 - min(1, float(error)))
raw("any: nothing known", "", 0, mine, theirs, numbers, float(error), 1 - min(1, float(error)))
raw("any: numbers of classes", "indices", -1, mine.argmax(2), theirs.argmax(2), rows)
# three scores, five numbers and a softmax of four, joined along axis 2
theirs = f32(r.normal(size=(N, 6, 12)))
mine = f32(theirs + r.normal(size=(N, 6, 12)) * 0.4)
a, b = mine[BOTH].astype(np.float64), theirs[BOTH].astype(np.float64)
hits, truth = a[..., :3] >= 0.5, b[..., :3] >= 0.5
iou = (hits & truth).sum((1, 2)) / (hits | truth).sum((1, 2))
error, numbers = relative(a[..., 3:8], b[..., 3:8])
top = (a[..., 8:].argmax(2) == b[..., 8:].argmax(2)).mean(1)
raw("any: three parts", "", 0, mine, theirs, np.mean([iou, 1 - np.minimum(1, numbers), top], 0), float(error), np.mean([iou.mean(), 1 - min(1, float(error)), top.mean()]),
    ends=[dict(Kind="sigmoid", Axis=-1, Part=[0, 3], PartAxis=2), dict(Kind="values", Axis=2, Part=[3, 8], PartAxis=2), dict(Kind="softmax", Axis=2, Part=[8, 12], PartAxis=2)])

print(json.dumps(cases))
