"""Writes the small ONNX models that the runtime's tests run.

Run it with the oracle's Python (onnx 1.19.1) from any directory; the .onnx
files beside it are its output and are committed, so that the tests need no
Python.
"""

import json
import pathlib

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

HERE = pathlib.Path(__file__).parent
ONNX13 = [h.make_opsetid("", 13)]


def save(name, nodes, inputs, outputs, init=(), opsets=ONNX13, ir=8, meta=None):
    graph = h.make_graph(nodes, name, inputs, outputs, list(init))
    model = h.make_model(graph, opset_imports=opsets, ir_version=ir, producer_name="bnc test")
    for key, value in (meta or {}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    path = HERE / f"{name}.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def value(name, dtype, shape):
    return h.make_tensor_value_info(name, dtype, shape)


def const(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def plain_models():
    save("add", [h.make_node("Add", ["x", "y"], ["sum"])],
         [value("x", T.FLOAT, ["n", 2]), value("y", T.FLOAT, ["n", 2])],
         [value("sum", T.FLOAT, ["n", 2])], meta={"greeting": "hello", "empty": ""})

    kinds = [("float32", T.FLOAT), ("float64", T.DOUBLE), ("float16", T.FLOAT16),
             ("int8", T.INT8), ("int16", T.INT16), ("int32", T.INT32), ("int64", T.INT64),
             ("uint8", T.UINT8), ("uint16", T.UINT16), ("uint32", T.UINT32), ("uint64", T.UINT64),
             ("bool", T.BOOL), ("string", T.STRING)]
    save("identity", [h.make_node("Identity", [k], [k + "_out"]) for k, _ in kinds],
         [value(k, t, ["n"]) for k, t in kinds], [value(k + "_out", t, ["n"]) for k, t in kinds])

    # A scalar the file declares, and one it does not.
    save("scalar", [h.make_node("ReduceSum", ["x"], ["sum"], keepdims=0)],
         [value("x", T.FLOAT, ["n"])], [value("sum", T.FLOAT, [])])
    save("scalar_undeclared", [h.make_node("ReduceSum", ["x"], ["sum"], keepdims=0)],
         [value("x", T.FLOAT, ["n"])], [h.make_tensor_value_info("sum", T.FLOAT, None)])
    save("scalar_input", [h.make_node("Add", ["x", "y"], ["sum"])],
         [value("x", T.FLOAT, []), value("y", T.FLOAT, ["n"])], [value("sum", T.FLOAT, ["n"])])

    # A float16 output whose size follows from the values only.
    save("float16_unknown", [h.make_node("Compress", ["x", "keep"], ["y"], axis=0)],
         [value("x", T.FLOAT16, ["n"]), value("keep", T.BOOL, ["n"])], [value("y", T.FLOAT16, ["m"])])

    # A payload input without a shape takes any rank.
    save("anyrank", [h.make_node("Size", ["payload"], ["size"])],
         [h.make_tensor_value_info("payload", T.UINT8, None)], [value("size", T.INT64, [])])

    save("noinput", [h.make_node("Constant", [], ["one"], value=const("one", np.ones(2, np.float32)))],
         [], [value("one", T.FLOAT, [2])])

    # IR 3: the initialiser is listed as an input as well.
    save("ir3", [h.make_node("Add", ["x", "w"], ["y"])],
         [value("x", T.FLOAT, [2]), value("w", T.FLOAT, [2])], [value("y", T.FLOAT, [2])],
         init=[const("w", np.array([10, 20], np.float32))], opsets=[h.make_opsetid("", 9)], ir=3)

    # Counts to n in a Loop: long enough to be stopped.
    body = h.make_graph(
        [h.make_node("Identity", ["go"], ["go_out"]), h.make_node("Add", ["acc", "one"], ["acc_out"])],
        "body",
        [value("i", T.INT64, []), value("go", T.BOOL, []), value("acc", T.FLOAT, [1])],
        [value("go_out", T.BOOL, []), value("acc_out", T.FLOAT, [1])],
        [const("one", np.ones(1, np.float32))])
    save("count", [h.make_node("Loop", ["n", "yes", "start"], ["count"], body=body)],
         [value("n", T.INT64, [1])], [value("count", T.FLOAT, [1])],
         init=[const("yes", np.array(True)), const("start", np.zeros(1, np.float32))])

    save("split_to_sequence", [h.make_node("SplitToSequence", ["x"], ["parts"], axis=0)],
         [value("x", T.FLOAT, ["n", 2])], [h.make_tensor_sequence_value_info("parts", T.FLOAT, None)])

    # What converters of scikit-learn and TensorFlow emit at a classifier's end.
    zipmap = h.make_node("ZipMap", ["scores"], ["maps"], domain="ai.onnx.ml",
                         classlabels_strings=["cat", "dog", "emu"])
    maps = h.make_tensor_value_info("maps", T.FLOAT, None)
    maps.type.CopyFrom(h.make_sequence_type_proto(h.make_map_type_proto(T.STRING, h.make_tensor_type_proto(T.FLOAT, None))))
    labels = const("names", np.array(["cat", "dog", "emu"], object))
    save("zipmap",
         [h.make_node("ArgMax", ["scores"], ["index"], axis=1, keepdims=0),
          h.make_node("Gather", ["names", "index"], ["label"], axis=0), zipmap],
         [value("scores", T.FLOAT, ["n", 3])], [value("label", T.STRING, ["n"]), maps],
         init=[labels], opsets=ONNX13 + [h.make_opsetid("ai.onnx.ml", 2)])
    save("argmax", [h.make_node("ArgMax", ["scores"], ["index"], axis=1, keepdims=0)],
         [value("scores", T.FLOAT, ["n", 3])], [value("index", T.INT64, ["n"])])


# A network of two convolutions with a bottleneck of 4 planes of 8x8 between
# them: the tile is 2x2 planes, 16x16.
HEIGHT, WIDTH, PLANES, ROWS, COLS, CLASSES = 8, 8, 4, 2, 2, 5
LO, HI, QUALITY = 0.0, 2.0, 60


def network(rng):
    weights = [
        const("w1", rng.normal(0, 0.3, (PLANES, 3, 3, 3)).astype(np.float32)),
        const("w2", rng.normal(0, 0.5, (CLASSES, PLANES, 3, 3)).astype(np.float32)),
    ]
    first = [h.make_node("Conv", ["input", "w1"], ["c1"], pads=[1, 1, 1, 1], strides=[4, 4]),
             h.make_node("Relu", ["c1"], ["features"])]
    second = [h.make_node("Conv", ["restored", "w2"], ["c2"], pads=[1, 1, 1, 1]),
              h.make_node("GlobalAveragePool", ["c2"], ["pooled"]),
              h.make_node("Flatten", ["pooled"], ["logits"])]
    return weights, first, second


def quantise(dynamic):
    """Nodes from features to the uint8 tile, as the design's quantiser says."""
    nodes, init = [], [const("levels", np.float32(255)), const("half", np.float32(0.5)),
                       const("zero", np.float32(0)),
                       const("tile_split", np.array([0, ROWS, COLS, HEIGHT, WIDTH], np.int64)),
                       const("tile_shape", np.array([0, 1, ROWS * HEIGHT, COLS * WIDTH], np.int64))]
    if dynamic:
        nodes += [h.make_node("ReduceMin", ["features"], ["lo4"], axes=[1, 2, 3]),
                  h.make_node("ReduceMax", ["features"], ["hi4"], axes=[1, 2, 3]),
                  h.make_node("Concat", ["lo4", "hi4"], ["range4"], axis=1),
                  h.make_node("Reshape", ["range4", "range_shape"], ["range"])]
        init += [const("range_shape", np.array([-1, 2], np.int64))]
        lo, hi = "lo4", "hi4"
    else:
        init += [const("lo", np.float32(LO)), const("hi", np.float32(HI))]
        lo, hi = "lo", "hi"
    nodes += [h.make_node("Sub", ["features", lo], ["above"]), h.make_node("Sub", [hi, lo], ["width"]),
              h.make_node("Div", ["above", "width"], ["unit"]), h.make_node("Mul", ["unit", "levels"], ["scaled"]),
              h.make_node("Add", ["scaled", "half"], ["shifted"]), h.make_node("Floor", ["shifted"], ["floored"]),
              h.make_node("Clip", ["floored", "zero", "levels"], ["clipped"]),
              h.make_node("Reshape", ["clipped", "tile_split"], ["cells"]),
              h.make_node("Transpose", ["cells"], ["rows"], perm=[0, 1, 3, 2, 4]),
              h.make_node("Reshape", ["rows", "tile_shape"], ["plane"]),
              h.make_node("Cast", ["plane"], ["tile"], to=T.UINT8)]
    return nodes, init


def dequantise(dynamic):
    init = [const("levels", np.float32(255)),
            const("cell_shape", np.array([0, ROWS, HEIGHT, COLS, WIDTH], np.int64)),
            const("feature_shape", np.array([0, PLANES, HEIGHT, WIDTH], np.int64))]
    nodes = [h.make_node("Cast", ["tile"], ["plane"], to=T.FLOAT),
             h.make_node("Reshape", ["plane", "cell_shape5"], ["rows"]),
             h.make_node("Transpose", ["rows"], ["cells"], perm=[0, 1, 3, 2, 4]),
             h.make_node("Reshape", ["cells", "feature_shape"], ["levels4"]),
             h.make_node("Div", ["levels4", "levels"], ["unit"])]
    init[1] = const("cell_shape5", np.array([-1, ROWS, HEIGHT, COLS, WIDTH], np.int64))
    if dynamic:
        nodes += [h.make_node("Split", ["range", "ones"], ["lo2", "hi2"], axis=1),
                  h.make_node("Unsqueeze", ["lo2", "last"], ["lo"]), h.make_node("Unsqueeze", ["hi2", "last"], ["hi"])]
        init += [const("ones", np.array([1, 1], np.int64)), const("last", np.array([2, 3], np.int64))]
    else:
        init += [const("lo", np.float32(LO)), const("hi", np.float32(HI))]
    nodes += [h.make_node("Sub", ["hi", "lo"], ["width"]), h.make_node("Mul", ["unit", "width"], ["above"]),
              h.make_node("Add", ["above", "lo"], ["restored"])]
    return nodes, init


def bundles():
    rng = np.random.default_rng(7)
    weights, first, second = network(rng)
    image = value("input", T.FLOAT, ["batch", 3, 4 * HEIGHT, 4 * WIDTH])
    logits = value("logits", T.FLOAT, ["batch", CLASSES])
    features = value("features", T.FLOAT, ["batch", PLANES, HEIGHT, WIDTH])
    # An output that is computed before the cut leaves with the mobile graph.
    early = [h.make_node("ReduceMean", ["input"], ["brightness"], axes=[1, 2, 3], keepdims=0)]
    brightness = value("brightness", T.FLOAT, ["batch"])
    whole_second = [h.make_node("Identity", ["features"], ["restored"])] + second
    save("whole", first + early + whole_second, [image], [logits, brightness], weights)

    labels = ["ant", "bee", "cat", "dog", "eel"]
    preprocess = {"color": "rgb", "resize": 0, "crop": [32, 32], "scale": 1 / 255,
                  "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}

    def meta(part, codec, codec_at, range_, pair, tensor="features"):
        both = {"format": 1, "part": part, "cut": "cut1", "tensor": tensor, "codec": codec,
                "codec_at": codec_at, "source_sha256": "ab" * 32, "pair": pair,
                "preprocess": preprocess, "labels": labels, "backbone": True,
                "outputs": ["logits", "brightness"]}
        if codec != "none":
            both |= {"c": PLANES, "s": 1, "bits": 8, "range": range_, "quality": QUALITY,
                     "tile": [ROWS * HEIGHT, COLS * WIDTH], "grid": [ROWS, COLS]}
            if range_ == "static":
                both |= {"lo": LO, "hi": HI}
        return {"bnc." + key: json.dumps(v, separators=(",", ":")) for key, v in both.items()}

    save("plain/mobile", first + early, [image], [features, brightness], weights[:1],
         meta=meta("mobile", "none", "graph", "static", "11" * 32))
    save("plain/cloud", [h.make_node("Identity", ["features"], ["restored"])] + second, [features], [logits], weights[1:],
         meta=meta("cloud", "none", "graph", "static", "11" * 32))

    # Two tensors cross: the features, and the mean of each colour, which makes an output.
    mean = [h.make_node("ReduceMean", ["input"], ["colours"], axes=[2, 3])]
    colours = value("colours", T.FLOAT, ["batch", 3, 1, 1])
    tint = [h.make_node("Flatten", ["colours"], ["tint"])]
    tint_out = value("tint", T.FLOAT, ["batch", 3])
    back = [h.make_node("Identity", ["features"], ["restored"])]
    save("two/whole", first + mean + early + back + second + tint, [image], [logits, brightness, tint_out], weights)
    pair = ["none", "graph", "static", "44" * 32, ["features", "colours"]]
    outputs = {"bnc.outputs": json.dumps(["logits", "brightness", "tint"], separators=(",", ":"))}
    save("two/mobile", first + mean + early, [image], [features, colours, brightness], weights[:1],
         meta=meta("mobile", *pair) | outputs)
    save("two/cloud", back + second + tint, [features, colours], [logits, tint_out], weights[1:],
         meta=meta("cloud", *pair) | outputs)

    bnc = ONNX13 + [h.make_opsetid("bnc", 1)]
    for range_ in ("static", "dynamic"):
        dynamic = range_ == "dynamic"
        quant, quant_init = quantise(dynamic)
        dequant, dequant_init = dequantise(dynamic)
        tile = value("tile", T.UINT8, ["batch", 1, ROWS * HEIGHT, COLS * WIDTH])
        limits = [value("range", T.FLOAT, ["batch", 2])] if dynamic else []
        names = ["tile", "range"] if dynamic else ["tile"]
        encode = [h.make_node("JpegEncode", names, ["payload"], domain="bnc", quality=QUALITY)]
        decode = [h.make_node("JpegDecode", ["payload"], names, domain="bnc", height=ROWS * HEIGHT,
                              width=COLS * WIDTH, quality=QUALITY, dynamic_range=int(dynamic))]
        mobile_nodes = first + early + quant
        cloud_nodes = dequant + second
        payload_out = value("payload", T.UINT8, ["payload_bytes"])
        payload_in = h.make_tensor_value_info("payload", T.UINT8, None)
        pair = ("22" if dynamic else "33") * 32
        for codec_at in ("graph", "device-host", "host"):
            on_device, in_cloud = codec_at == "graph", codec_at != "host"
            folder = f"{codec_at}-{range_}"
            save(f"{folder}/mobile", mobile_nodes + (encode if on_device else []), [image],
                 ([payload_out] if on_device else [tile] + limits) + [brightness],
                 weights[:1] + quant_init, opsets=bnc if on_device else ONNX13,
                 meta=meta("mobile", "jpeg", codec_at, range_, pair))
            save(f"{folder}/cloud", (decode if in_cloud else []) + cloud_nodes,
                 [payload_in] if in_cloud else [tile] + limits, [logits],
                 weights[1:] + dequant_init, opsets=bnc if in_cloud else ONNX13,
                 meta=meta("cloud", "jpeg", codec_at, range_, pair))


def training_step():
    """A line through the origin: the mean of an image times the weight is to be the label."""
    nodes = [
        h.make_node("ReduceMean", ["x"], ["s"], axes=[1, 2, 3], keepdims=0),
        h.make_node("Mul", ["s", "w:"], ["p"]),
        h.make_node("Cast", ["labels"], ["wanted"], to=T.FLOAT),
        h.make_node("Sub", ["p", "wanted"], ["d"]),
        h.make_node("Mul", ["d", "d"], ["dd"]),
        h.make_node("ReduceMean", ["dd"], ["loss"], axes=[0], keepdims=1),
        h.make_node("Mul", ["d", "s"], ["ds"]),
        h.make_node("ReduceMean", ["ds"], ["half"], axes=[0], keepdims=1),
        h.make_node("Add", ["half", "half"], ["gradient"]),
        h.make_node("Abs", ["gradient"], ["norm"]),
        h.make_node("Abs", ["d"], ["off"]),
        h.make_node("Less", ["off", "limit"], ["hit"]),
        h.make_node("Cast", ["hit"], ["hit_number"], to=T.FLOAT),
        h.make_node("ReduceSum", ["hit_number", "first"], ["hits"], keepdims=1),
        h.make_node("Mul", ["gradient", "lr"], ["step"]),
        h.make_node("Sub", ["w:", "step"], ["w:'"]),
        h.make_node("Sub", ["w:'", "e:w:"], ["moved"]),
        h.make_node("Mul", ["moved", "limit"], ["half_moved"]),
        h.make_node("Add", ["e:w:", "half_moved"], ["e:w:'"]),
        h.make_node("Mul", ["correct1", "correct2"], ["corrections"]),
        h.make_node("Add", ["m:w:", "corrections"], ["m:w:'"]),
        h.make_node("Mul", ["labels", "ten"], ["payload_bytes"]),
    ]
    scalars = ["loss", "hits", "norm"]
    state = ["w:", "m:w:", "e:w:"]
    manifest = {"batch": 4, "input": "x", "labels": "labels", "scalars": ["lr", "correct1", "correct2"],
                "beta1": 0.9, "beta2": 0.99,
                "state": [{"name": "w:", "dims": [1]}, {"name": "m:w:", "dims": [1]},
                          {"name": "e:w:", "dims": [1], "from": "w:"}],
                "params": [{"name": "slope", "dims": [1], "state": "w:", "offset": 0}],
                "averages": [{"name": "slope", "dims": [1], "state": "e:w:", "offset": 0}],
                "loss": "loss", "hits": "hits", "norm": "norm", "watch": "payload_bytes"}
    one = lambda names: [value(n, T.FLOAT, [1]) for n in names]
    save("training_step", nodes,
         [value("x", T.FLOAT, [4, 1, 2, 2]), value("labels", T.INT64, [4])] + one(["lr", "correct1", "correct2"] + state),
         one(scalars + [s + "'" for s in state]) + [value("payload_bytes", T.INT64, [4])],
         [const("limit", np.float32([0.5])), const("ten", np.int64([10])), const("first", np.int64([0]))],
         meta={"bnc.step": json.dumps(manifest, separators=(",", ":"))})


def serving_models():
    """y = x for any number of images, after as many rounds as the largest of rounds."""
    body = h.make_graph(
        [h.make_node("Identity", ["go"], ["go_out"]), h.make_node("Add", ["acc", "one"], ["acc_out"])],
        "body",
        [value("i", T.INT64, []), value("go", T.BOOL, []), value("acc", T.INT64, [1])],
        [value("go_out", T.BOOL, []), value("acc_out", T.INT64, [1])],
        [const("one", np.ones(1, np.int64))])
    save("slow",
         [h.make_node("ReduceMax", ["rounds"], ["most"], keepdims=0),
          h.make_node("Loop", ["most", "yes", "start"], ["count"], body=body),
          h.make_node("Sub", ["count", "count"], ["nothing"]),
          h.make_node("Cast", ["nothing"], ["zero"], to=T.FLOAT),
          h.make_node("Add", ["x", "zero"], ["y"])],
         [value("x", T.FLOAT, ["n", 1]), value("rounds", T.INT64, ["n", 1])], [value("y", T.FLOAT, ["n", 1])],
         init=[const("yes", np.array(True)), const("start", np.zeros(1, np.int64))])

    # Its shapes say that an output has a row an image, and it has one row.
    save("one_row", [h.make_node("ReduceSum", ["x", "axis"], ["sum"], keepdims=1)],
         [value("x", T.FLOAT, [None, 2])], [value("sum", T.FLOAT, [None, 2])],
         init=[const("axis", np.zeros(1, np.int64))])

    # Its weights are in a file of their own, which the tests write: 4096 numbers. They are added, so that ONNX Runtime
    # packs no copy of them.
    w = T(name="w", data_type=T.FLOAT, dims=[4096], data_location=T.EXTERNAL)
    for k, v in {"location": "external.onnx.data", "offset": "0", "length": str(4 * 4096)}.items():
        entry = w.external_data.add()
        entry.key, entry.value = k, v
    save("external", [h.make_node("Add", ["x", "w"], ["y"])],
         [value("x", T.FLOAT, ["n", 1])], [value("y", T.FLOAT, ["n", 4096])], init=[w])


if __name__ == "__main__":
    plain_models()
    serving_models()
    training_step()
    bundles()
