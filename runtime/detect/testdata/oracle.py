"""Second opinions on boxes: ONNX Runtime's NonMaxSuppression, pycocotools' average precision, and
decoders as their authors' code has them, in numpy. Reads a job as JSON, prints the answer as JSON."""
import contextlib
import io
import json
import sys

import numpy as np


def nms(job):
    """boxes [A, 4], scores [A] and classes [A]: what NonMaxSuppression selects, as indices."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    boxes = np.array(job["boxes"], np.float32)[None]
    scores = np.zeros((1, job["of"], boxes.shape[1]), np.float32)
    scores[0, np.array(job["classes"]), np.arange(boxes.shape[1])] = job["scores"]
    init = [numpy_helper.from_array(np.array(v, t), n) for n, v, t in
            [("most", [job["most"]], np.int64), ("iou", [job["iou"]], np.float32), ("score", [1e-6], np.float32)]]
    graph = helper.make_graph(
        [helper.make_node("NonMaxSuppression", ["boxes", "scores", "most", "iou", "score"], ["selected"])], "nms",
        [helper.make_tensor_value_info("boxes", TensorProto.FLOAT, boxes.shape), helper.make_tensor_value_info("scores", TensorProto.FLOAT, scores.shape)],
        [helper.make_tensor_value_info("selected", TensorProto.INT64, ["n", 3])], init)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return {"selected": session.run(None, {"boxes": boxes, "scores": scores})[0][:, 2].tolist()}


def ap(job):
    """The annotations file, and results as COCO has them: AP50:95 and AP50, of the images given."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(job["annotations"])
        e = COCOeval(truth, truth.loadRes(job["results"]), "bbox")
        if job.get("images"):
            e.params.imgIds = job["images"]
        e.evaluate()
        e.accumulate()
        e.summarize()
    return {"ap": e.stats[0], "ap50": e.stats[1]}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def corners(x, y, w, h):
    return np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], -1)


def grids(h, w, strides):
    """x, y and stride of every cell, as YOLOX' demo makes them."""
    g, s = [], []
    for stride in strides:
        x, y = np.meshgrid(np.arange(-(-w // stride)), np.arange(-(-h // stride)))
        g.append(np.stack([x, y], 2).reshape(-1, 2))
        s.append(np.full((g[-1].shape[0], 1), stride))
    return np.concatenate(g).astype(np.float64), np.concatenate(s).astype(np.float64)


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def fastestdet(y):
    """[85, H, W] by the formula beside the model: corners as shares of the image, class and score of every cell."""
    c, hh, ww = y.shape
    h, w = np.meshgrid(np.arange(hh), np.arange(ww), indexing="ij")
    score = y[0] ** 0.6 * y[5:].max(0) ** 0.4
    box = corners((w + np.tanh(y[1])) / ww, (h + np.tanh(y[2])) / hh, sigmoid(y[3]), sigmoid(y[4]))
    return box.reshape(-1, 4), y[5:].argmax(0).ravel(), score.ravel()


def fastest(job):
    """Boxes with a score of 0.5 and more in pixels of a picture, best first, by naive suppression."""
    box, cls, score = fastestdet(np.fromfile(job["maps"], np.float32).astype(np.float64).reshape(85, 22, 22))
    box = box * ([job["width"], job["height"]] * 2)
    kept = []
    for i in np.argsort(-score, kind="stable"):
        def iou(k):
            lo, hi = np.maximum(box[i, :2], box[k, :2]), np.minimum(box[i, 2:], box[k, 2:])
            both = np.prod(np.maximum(hi - lo, 0))
            return both / (np.prod(box[i, 2:] - box[i, :2]) + np.prod(box[k, 2:] - box[k, :2]) - both)
        if score[i] >= 0.5 and not any(iou(k) > 0.45 for k in kept):
            kept.append(i)
    box = np.clip(box, 0, [job["width"], job["height"]] * 2)
    return [dict(zip(("x0", "y0", "x1", "y1"), box[i].tolist())) | {"class": int(cls[i]), "score": float(score[i])} for i in kept]


def decoders(job):
    """Outputs of made heads, and every candidate: corners in pixels of an input of 64 x 96, class, score."""
    r = np.random.default_rng(job["seed"])
    H, W, K = 64, 96, 3
    cases = {}

    def case(name, outputs, box, cls, score, points=None, **more):
        f = {n: (np.asarray(v) if np.asarray(v).dtype.kind == "i" else np.asarray(v, np.float32)) for n, v in outputs.items()}
        cases[name] = {
            "outputs": [{"name": n, "shape": v.shape, "int": v.dtype.kind == "i", "values": v.ravel().tolist()} for n, v in f.items()],
            "boxes": np.asarray(box).reshape(-1, 4).tolist(), "classes": np.asarray(cls).ravel().tolist(), "scores": np.asarray(score).ravel().tolist(),
            "points": None if points is None else np.asarray(points).tolist(), **more}

    f32 = lambda x: np.asarray(x, np.float32).astype(np.float64)
    g, s = grids(H, W, [8, 16, 32])
    A = len(g)
    xywh = f32(r.uniform([0, 0, 4, 4], [W, H, W, H], (A, 4)))
    cls, obj = f32(r.uniform(size=(A, K))), f32(r.uniform(size=(A, 1)))
    best = cls.argmax(1)
    v8 = np.concatenate([xywh, cls], 1)
    case("yolo", {"y": v8.T[None]}, corners(*xywh.T), best, cls.max(1))
    case("yolo transposed", {"y": v8[None]}, corners(*xywh.T), best, cls.max(1), labels=K)
    case("yolo segment", {"y": np.concatenate([v8, f32(r.normal(size=(A, 32)))], 1).T[None], "protos": np.zeros((1, 32, 16, 24))}, corners(*xywh.T), best, cls.max(1))
    kpt = f32(r.uniform(0, 64, (A, 5, 3)))
    case("yolo pose", {"y": np.concatenate([v8[:, :5], kpt.reshape(A, -1)], 1).T[None]}, corners(*xywh.T), np.zeros(A), cls[:, 0],
         kpt[:, :, :2], metadata={"task": "pose", "kpt_shape": "[5, 3]", "names": "{0: 'person'}"})
    angle = f32(r.uniform(0, 1.5, (A, 1)))
    c, n = np.abs(np.cos(angle[:, 0])), np.abs(np.sin(angle[:, 0]))
    x, y, w, h = xywh.T
    case("yolo obb", {"y": np.concatenate([v8, angle], 1).T[None]}, corners(x, y, w * c + h * n, w * n + h * c), best, cls.max(1),
         metadata={"task": "obb", "names": "{0: 'a', 1: 'b', 2: 'c'}"})
    boxes5, cls5, obj5 = (f32(r.uniform(0, 64, (3 * A, 4))), f32(r.uniform(size=(3 * A, K))), f32(r.uniform(size=(3 * A, 1))))
    case("yolo v5", {"y": np.concatenate([boxes5, obj5, cls5], 1)[None]}, corners(*boxes5.T), cls5.argmax(1), obj5[:, 0] * cls5.max(1))
    raw = f32(np.concatenate([r.normal(size=(A, 2)), r.normal(size=(A, 2)) / 2], 1))
    xy, wh = (raw[:, :2] + g) * s, np.exp(raw[:, 2:]) * s
    case("yolox", {"y": np.concatenate([raw, obj, cls], 1)[None]}, corners(xy[:, 0], xy[:, 1], wh[:, 0], wh[:, 1]), best, obj[:, 0] * cls.max(1))
    m = f32(np.concatenate([sigmoid(r.normal(size=(1, 4, 6))), r.normal(size=(4, 4, 6)), softmax(r.normal(size=(K, 4, 6)), 0)]))
    b, k, p = fastestdet(m)
    case("fastestdet", {"y": m[None]}, b * [W, H, W, H], k, p)
    P = 40
    c0 = f32(r.uniform(0, 0.5, (P, 2)))
    corner = np.concatenate([c0, f32(c0 + r.uniform(0.1, 0.5, (P, 2)))], 1)
    ssd = f32(softmax(r.normal(size=(P, K + 1)) * 2, 1))
    each = dict(cls=np.tile(np.arange(K), P), score=ssd[:, 1:].ravel(), box=np.repeat(corner, K, 0) * [W, H, W, H])
    case("ssd", {"scores": ssd[None], "boxes": corner[None]}, **each, softmax="scores")
    # SSD's variances: Liu et al., as the usual decoders have them
    priors = f32(r.uniform(0.1, 0.9, (P, 4)))
    off = f32(r.normal(size=(P, 4)))
    xy, wh = priors[:, :2] + off[:, :2] * 0.1 * priors[:, 2:], priors[:, 2:] * np.exp(off[:, 2:] * 0.2)
    case("ssd priors", {"loc": off[None], "conf": ssd[None]}, np.repeat(corners(xy[:, 0], xy[:, 1], wh[:, 0], wh[:, 1]) * [W, H, W, H], K, 0),
         each["cls"], each["score"], softmax="conf", decoder={
        "name": "ssd", "boxes": {"form": "anchor", "unit": "anchor", "size_activation": "exp", "factors": [0.1, 0.2]}, "grid": {"places": priors.tolist()}})
    centre = f32(np.concatenate([(corner[:, :2] + corner[:, 2:]) / 2, corner[:, 2:] - corner[:, :2]], 1))
    sig = f32(sigmoid(r.normal(size=(P, K))))
    case("ssd centre", {"boxes": centre[None], "scores": sig[None]}, np.repeat(corners(*centre.T) * [W, H, W, H], K, 0), each["cls"], sig, decoder={"name": "ssd", "boxes": {"form": "centre"}})
    found = np.concatenate([corner * [W, H, W, H], f32(r.uniform(size=(P, 1))), r.integers(0, K, (P, 1))], 1)
    box = f32(found[:, :4])
    case("nms", {"y": np.concatenate([box, found[:, 4:]], 1)[None]}, box, found[:, 5], found[:, 4])
    case("nms images", {"y": np.concatenate([np.zeros((P, 1)), box, found[:, 5:], found[:, 4:5]], 1)}, box, found[:, 5], found[:, 4])
    case("nms caffe", {"y": np.concatenate([np.zeros((P, 1)), found[:, 5:], found[:, 4:5], corner], 1)[None, None]}, corner * [W, H, W, H], found[:, 5], found[:, 4])
    case("nms paddle", {"y": np.concatenate([found[:, 5:], found[:, 4:5], box], 1), "n": np.array([P])}, box, found[:, 5], found[:, 4])
    case("nms torchvision", {"boxes": box, "labels": found[:, 5].astype(int), "scores": found[:, 4]}, box, found[:, 5], found[:, 4])
    n = P - 7
    case("nms tensorflow", {"detection_boxes": corner[None][:, :, [1, 0, 3, 2]], "detection_classes": found[None, :, 5] + 1, "detection_scores": found[None, :, 4],
         "num_detections": np.array([n])}, (corner * [W, H, W, H])[:n], found[:n, 5], found[:n, 4])
    case("nms tensorrt", {"num_dets": np.array([[n]]), "det_boxes": box[None], "det_scores": found[None, :, 4], "det_classes": found[None, :, 5].astype(int)},
         box[:n], found[:n, 5], found[:n, 4])
    # MediaPipe's anchors of 128 x 128: two a cell of 16 x 16, six of 8 x 8
    at = np.concatenate([np.repeat((np.stack(np.meshgrid(np.arange(e), np.arange(e)), 2).reshape(-1, 2) + 0.5) / e, k, 0) for e, k in ((16, 2), (8, 6))])
    reg, sc = f32(r.normal(size=(896, 16)) * 20), f32(r.normal(size=(896, 1)) * 3)
    xy, wh = reg[:, :2] / 128 + at, reg[:, 2:4] / 128
    points = (reg[:, 4:].reshape(-1, 6, 2) / 128 + at[:, None]) * 128
    face = dict(box=corners(xy[:, 0], xy[:, 1], wh[:, 0], wh[:, 1]) * 128, cls=np.zeros(896), score=sigmoid(sc), points=points, size=[128, 128])
    case("blazeface", {"regressors": reg[None], "classificators": sc[None]}, **face)
    case("blazeface levels", {"a": sc[None, :512], "b": sc[None, 512:], "c": reg[None, 512:], "d": reg[None, :512]}, **face)
    # an anchor-free head of distances in 8 bins on two maps (GFL, NanoDet), classes beside them
    outs, bb, cc, ss = {}, [], [], []
    for stride in (8, 16):
        h, w = H // stride, W // stride
        dist, kl = f32(r.normal(size=(32, h, w))), f32(r.normal(size=(K, h, w)))
        d = (softmax(dist.reshape(4, 8, -1), 1) * np.arange(8)[None, :, None]).sum(1) * stride
        x, y = (np.stack(np.meshgrid(np.arange(w), np.arange(h))).reshape(2, -1) + 0.5) * stride
        bb.append(np.stack([x - d[0], y - d[1], x + d[2], y + d[3]], 1))
        cc.append(kl.reshape(K, -1).argmax(0))
        ss.append(sigmoid(kl.reshape(K, -1).max(0)))
        outs[f"box{stride}"], outs[f"cls{stride}"] = dist[None], kl[None]
    case("distances", outs, np.concatenate(bb), np.concatenate(cc), np.concatenate(ss), decoder={
        "name": "gfl", "boxes": {"outputs": ["box8", "box16"], "axis": 1, "form": "distance", "unit": "stride", "bins": 8},
        "grid": {"strides": [8, 16], "shift": 0.5}, "classes": {"outputs": ["cls8", "cls16"], "axis": 1, "activation": "sigmoid"}})
    # YOLOv3: anchors times exp, sigmoid from the cell; the anchors' numbers behind each other
    an = np.array([[10.0, 13], [16, 30], [33, 23]])
    t = f32(r.normal(size=(3, 5 + K, 4, 6)))
    gx, gy = np.meshgrid(np.arange(6), np.arange(4))
    x, y = (sigmoid(t[:, 0]) + gx) * 16, (sigmoid(t[:, 1]) + gy) * 16
    w, h = np.exp(t[:, 2]) * an[:, 0, None, None], np.exp(t[:, 3]) * an[:, 1, None, None]
    o, kl = sigmoid(t[:, 4]), sigmoid(t[:, 5:])
    cellwise = lambda v: np.moveaxis(v, 0, 2)
    v3 = dict(box=np.moveaxis(corners(x, y, w, h), 0, 2), cls=cellwise(kl.argmax(1)), score=cellwise(o * kl.max(1)))
    part = lambda a, b, act, axis: {"outputs": ["y"], "axis": axis, "from": a, "to": b, "activation": act}
    v3decoder = lambda axis: {
        "name": "v3", "boxes": {**part(0, 4, "sigmoid", axis), "form": "anchor", "unit": "stride", "size_unit": "anchor", "size_activation": "exp"},
        "grid": {"strides": [16], "anchors": [an.tolist()]}, "objectness": part(4, 5, "sigmoid", axis), "classes": part(5, 5 + K, "sigmoid", axis)}
    case("anchors", {"y": t.reshape(1, -1, 4, 6)}, **v3, decoder=v3decoder(1))
    case("anchors outside", {"y": np.moveaxis(t, 1, 3)[None]}, **v3, decoder=v3decoder(4))
    # YOLOv5's maps before its last layer, a level each, [N, 3, H, W, 5+K]
    outs, bb, cc, ss, anchors = {}, [], [], [], []
    for stride in (8, 16):
        h, w = H // stride, W // stride
        t, an = f32(r.normal(size=(3, h, w, 5 + K))), f32(r.uniform(8, 40, (3, 2)))
        gx, gy = np.meshgrid(np.arange(w), np.arange(h))
        p = sigmoid(t)
        x, y = (p[..., 0] * 2 - 0.5 + gx) * stride, (p[..., 1] * 2 - 0.5 + gy) * stride
        size = (p[..., 2:4] * 2) ** 2 * an[:, None, None]
        for all_, v in ((bb, corners(x, y, size[..., 0], size[..., 1])), (cc, p[..., 5:].argmax(-1)), (ss, p[..., 4] * p[..., 5:].max(-1))):
            v = cellwise(v)
            all_.append(v.reshape(-1, *v.shape[3:]))
        outs[f"y{stride}"] = t[None]
        anchors.append(an.tolist())
    part = lambda a, b, act: {"outputs": ["y8", "y16"], "axis": 4, "from": a, "to": b, "activation": act}
    case("maps of anchors", outs, np.concatenate(bb), np.concatenate(cc), np.concatenate(ss), decoder={
        "name": "v5maps", "boxes": {**part(0, 4, "sigmoid2"), "form": "anchor", "unit": "stride", "size_unit": "anchor", "size_activation": "square"},
        "grid": {"strides": [8, 16], "anchors": anchors}, "objectness": part(4, 5, "sigmoid"), "classes": part(5, 5 + K, "sigmoid")})
    return cases


job = json.load(sys.stdin)
print(json.dumps([{"nms": nms, "ap": ap, "decoders": decoders, "fastest": fastest}[job["ask"]](j) for j in job["jobs"]]))
