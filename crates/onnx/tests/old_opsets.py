"""Writes one-node models of many opset versions with the results that ONNX Runtime computes for them, in the layout
that conformance.rs reads (CNNC_CONFORMANCE=OUT). ONNX's own backend tests cover only the newest version of an operator.

    python old_opsets.py OUT          (needs onnx, onnxruntime and numpy)
"""
import itertools, json, os, shutil, sys
import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

OUT = sys.argv[1]
rng = np.random.default_rng(1)
index, failed = {}, []
EMPTY = np.array([], np.float32)


def f(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def i64(*values):
    return np.array(values, np.int64)


def scalar(value, dtype=np.float32):
    return np.array(value, dtype)


def case(opset, op, inputs, outputs=1, consts=(), **attributes):
    """One test; the inputs numbered in `consts` become initializers, the inputs that are None are absent."""
    present = {k: array for k, array in enumerate(inputs) if array is not None}
    names = [f"x{k}" if k in present else "" for k in range(len(inputs))]
    results = [f"y{k}" for k in range(outputs)]
    node = helper.make_node(op, names, results, **attributes)
    feeds = {f"x{k}": array for k, array in present.items() if k not in consts}
    declared = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for n, a in feeds.items()]
    initializers = [numpy_helper.from_array(present[k], f"x{k}") for k in consts]
    graph = helper.make_graph([node], op, declared, [onnx.ValueInfoProto(name=r) for r in results], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    name = f"{op}_{opset}_{len(index):04}"
    try:
        options = ort.SessionOptions()
        options.log_severity_level = 4
        bytes_ = onnx.shape_inference.infer_shapes(model).SerializeToString()
        want = ort.InferenceSession(bytes_, options, providers=["CPUExecutionProvider"]).run(None, feeds)
    except Exception as error:  # ONNX Runtime has no kernel for some old versions
        failed.append((name, str(error).split("\n")[0][:100]))
        return
    data = os.path.join(OUT, name, "test_data_set_0")
    os.makedirs(data)
    onnx.save(model, os.path.join(OUT, name, "model.onnx"))
    for kind, arrays in (("input", feeds.values()), ("output", want)):
        for k, array in enumerate(arrays):
            with open(os.path.join(data, f"{kind}_{k}.pb"), "wb") as file:
                file.write(numpy_helper.from_array(np.asarray(array)).SerializeToString())
    index[name] = dict(rtol=1e-3, atol=1e-5)


def softmax():
    x = f(2, 3, 4, 5)
    for opset, axis, op in itertools.product((7, 9, 11, 12, 13), (0, 1, 2, 3), ("Softmax", "LogSoftmax", "Hardmax")):
        case(opset, op, [x], axis=axis)
    for opset, op in itertools.product((9, 11, 13), ("Softmax", "LogSoftmax", "Hardmax")):
        case(opset, op, [x])
    case(11, "Softmax", [x], axis=-1)


def slices_and_pads():
    x = f(2, 3, 4, 5)
    case(9, "Slice", [x], starts=[1, -3], ends=[100, -1], axes=[1, 3])
    case(7, "Slice", [x], starts=[0, 1], ends=[1, 2])
    for opset in (10, 11, 13):
        case(opset, "Slice", [x, i64(-1, 3), i64(-1000, 0), i64(1, 2), i64(-1, -2)], consts=(1, 2, 3, 4))
        case(opset, "Slice", [x, i64(1), i64(2**63 - 1)])
    for opset, mode in itertools.product((2, 7, 10), ("constant", "reflect", "edge")):
        case(opset, "Pad", [x], pads=[0, 0, 1, 2, 0, 0, 2, 1], mode=mode)
        case(opset, "Pad", [x], pads=[0, 1, -1, 2, 0, 0, 2, -1], value=1.5)
    for opset in (11, 13):
        case(opset, "Pad", [x, i64(0, 0, 1, 2, 0, 0, 2, 1), scalar(2)], consts=(1,))
        case(opset, "Pad", [x, i64(0, 0, -1, 2, 0, 0, -2, 1)])
    for opset in (7, 11):
        case(opset, "Split", [x], outputs=2, axis=1, split=[1, 2])
        case(opset, "Split", [x], outputs=2, axis=2)
    case(13, "Split", [x, i64(2, 3)], outputs=2, axis=-1)
    case(18, "Split", [x], outputs=2, axis=-1, num_outputs=2)


def views():
    x = f(2, 3, 4, 5)
    for opset in (7, 11, 12):
        case(opset, "Squeeze", [f(1, 3, 1, 2)], axes=[0, 2])
        case(opset, "Squeeze", [f(1, 3, 1, 2)])
        case(opset, "Unsqueeze", [f(3, 2)], axes=[0, 3])
    for opset, axis in ((9, 0), (9, 4), (11, -2)):
        case(opset, "Flatten", [x], axis=axis)
    case(7, "Tile", [f(2, 3), i64(2, 3)])
    case(8, "Expand", [f(3, 1), i64(2, 1, 4)])
    case(11, "DepthToSpace", [f(1, 8, 2, 3)], blocksize=2, mode="CRD")
    case(9, "DepthToSpace", [f(1, 8, 2, 3)], blocksize=2)
    case(9, "SpaceToDepth", [f(1, 2, 4, 6)], blocksize=2)


def reductions():
    x = f(2, 3, 4, 5)
    kinds = ("Mean", "Max", "Min", "Prod", "L1", "L2", "LogSumExp", "SumSquare")
    for opset, kind in itertools.product((7, 11, 13, 17), kinds):
        case(opset, "Reduce" + kind, [x], axes=[1, 3], keepdims=0)
        case(opset, "Reduce" + kind, [x])
    for opset in (7, 11):
        case(opset, "ReduceSum", [x], axes=[0])
    for opset in (7, 17):
        case(opset, "ReduceLogSum", [np.abs(x)], axes=[2])
    for op in ("ReduceMean", "ReduceL2"):
        case(13, op, [np.arange(12, dtype=np.int32).reshape(3, 4)], axes=[1])
    for opset in (8, 11, 13):
        case(opset, "ArgMax", [x], axis=2, keepdims=0)
    case(9, "TopK", [x], outputs=2, k=2, axis=3)
    case(10, "TopK", [x, i64(2)], outputs=2, axis=1)
    case(11, "TopK", [x, i64(2)], outputs=2, axis=-2, largest=0)
    case(11, "CumSum", [x, scalar(2, np.int32)], exclusive=1, reverse=1)


def resampling():
    x = f(1, 2, 7, 9)
    for scales, mode in itertools.product(([1, 1, 2, 3], [1, 1, 2.5, 1.5]), ("nearest", "linear")):
        case(7, "Upsample", [x], scales=[float(s) for s in scales], mode=mode)
        case(9, "Upsample", [x, scalar(scales)], consts=(1,), mode=mode)
    for scales, mode in itertools.product(([1, 1, 2, 3], [1, 1, 2.5, 1.5], [1, 1, 0.5, 0.7], [1, 1, 0.4, 2]), ("nearest", "linear")):
        case(10, "Resize", [x, scalar(scales)], consts=(1,), mode=mode)
    coordinates = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")
    rounding = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    modes = [dict(mode="linear"), dict(mode="cubic")] + [dict(mode="nearest", nearest_mode=r) for r in rounding]
    for opset, coordinate, mode in itertools.product((11, 13, 18), coordinates, modes):
        attributes = dict(coordinate_transformation_mode=coordinate, **mode)
        for sizes in ((14, 5), (3, 4), (11, 17), (1, 1)):
            case(opset, "Resize", [x, EMPTY, EMPTY, i64(1, 2, *sizes)], consts=(1, 2, 3), **attributes)
        for scales in ((2, 3), (1.5, 0.6), (0.3, 0.7)):
            case(opset, "Resize", [x, EMPTY, scalar([1, 1, *scales])], consts=(1, 2), **attributes)
    bytes_ = rng.integers(0, 255, (1, 1, 5, 6)).astype(np.uint8)
    case(13, "Resize", [bytes_, EMPTY, scalar([1, 1, 2, 2])], consts=(1, 2), mode="nearest")
    case(13, "Resize", [x, EMPTY, scalar([1, 1, 2, 0.8])], consts=(1, 2), mode="cubic", exclude_outside=1)
    points = rng.uniform(-1.3, 1.3, (1, 4, 3, 2)).astype(np.float32)
    case(16, "GridSample", [x, points], mode="bicubic", padding_mode="reflection")
    case(16, "GridSample", [x, points], align_corners=1, padding_mode="border")


def windows():
    x = f(1, 2, 7, 8)
    settings = [{}, dict(strides=[2, 3]), dict(pads=[1, 0, 1, 1], strides=[2, 2]), dict(auto_pad="VALID")]
    settings += [dict(auto_pad="SAME_UPPER", strides=[2, 2]), dict(auto_pad="SAME_LOWER", strides=[2, 1])]
    for opset, setting in itertools.product((8, 10, 12), settings):
        window = dict(kernel_shape=[3, 2], **setting)
        case(opset, "MaxPool", [x], outputs=2, **window)
        case(opset, "AveragePool", [x], **window)
        case(opset, "AveragePool", [x], count_include_pad=1, **window)
        case(opset, "LpPool", [x], p=3, **window)
        if opset >= 10 and "auto_pad" not in setting:
            case(opset, "MaxPool", [x], ceil_mode=1, **window)
            case(opset, "MaxPool", [x], ceil_mode=1, dilations=[2, 1], **window)
            case(opset, "AveragePool", [x], ceil_mode=1, **window)
            case(19, "AveragePool", [x], ceil_mode=1, count_include_pad=1, **window)
    for opset, setting in itertools.product((7, 11), settings):
        case(opset, "Conv", [f(1, 4, 7, 8), f(6, 2, 3, 2), f(6)], group=2, **setting)
        case(opset, "Conv", [f(1, 4, 9, 8), f(6, 4, 3, 2)], dilations=[2, 2], **setting)
        case(opset, "ConvTranspose", [f(1, 4, 5, 4), f(4, 3, 3, 2), f(6)], group=2, **setting)
    case(12, "MaxPool", [x], outputs=2, kernel_shape=[3, 2], storage_order=1)
    case(7, "GlobalLpPool", [x], p=3)
    image, weights = f(1, 4, 5, 4), f(4, 3, 3, 3)
    case(11, "ConvTranspose", [image, weights], strides=[2, 2], output_shape=[10, 9])
    case(11, "ConvTranspose", [image, weights], strides=[2, 2], output_shape=[10, 8], auto_pad="SAME_UPPER")
    padding = dict(output_padding=[1, 2], pads=[1, 1, 0, 1])
    case(11, "ConvTranspose", [image, weights], strides=[2, 3], dilations=[2, 1], **padding)
    case(11, "Conv", [f(2, 3, 9), f(4, 3, 3)], pads=[1, 2])
    case(11, "Conv", [f(1, 2, 4, 5, 6), f(3, 2, 2, 3, 3)], strides=[1, 2, 1])


def normalisation():
    x = f(2, 3, 4, 5)
    for opset in (7, 8, 9, 14, 15):
        operands = [x, f(3), f(3), f(3), np.abs(f(3)) + 0.1]
        case(opset, "BatchNormalization", operands, epsilon=1e-3)
        case(opset, "BatchNormalization", operands, consts=(1, 2, 3, 4))
    case(9, "BatchNormalization", [f(4, 3), f(3), f(3), f(3), np.abs(f(3)) + 0.1])
    case(14, "BatchNormalization", [x, f(3), f(3), f(3), np.abs(f(3)) + 0.1], outputs=3, training_mode=1)
    case(7, "LRN", [f(1, 7, 3, 3)], size=3, alpha=0.1, beta=0.6, bias=1.5)
    case(7, "InstanceNormalization", [x, f(3), f(3)])
    case(9, "MeanVarianceNormalization", [x])
    case(11, "LpNormalization", [x], p=1, axis=1)
    case(11, "LpNormalization", [x], axis=-1)
    case(17, "LayerNormalization", [x, f(4, 5), f(4, 5)], axis=2, outputs=3)


def products():
    for opset in (7, 9, 11):
        case(opset, "Gemm", [f(3, 4), f(5, 4), f(5)], transB=1, alpha=0.5, beta=2.0)
        case(opset, "Gemm", [f(4, 3), f(4, 5), f(3, 1)], transA=1, consts=(2,), beta=0.3)
    for a, b in (([4], [4]), ([4], [2, 4, 3]), ([2, 3, 4], [4]), ([2, 1, 3, 4], [5, 4, 2])):
        case(9, "MatMul", [f(*a), f(*b)])
    equations = [("bij,jik->bk", [2, 3, 4], [4, 3, 5]), ("bij,bjk,k", [2, 3, 4], [2, 4, 5], [5]), ("ii->i", [3, 3])]
    equations += [("...ij,...ji->...", [1, 2, 3, 4], [5, 1, 4, 3]), ("ij,k->kji", [2, 3], [4])]
    for equation, *shapes in equations:
        case(12, "Einsum", [f(*shape) for shape in shapes], equation=equation)


def elementwise():
    x = f(2, 3, 4, 5)
    for opset in (7, 10):
        case(opset, "Clip", [x], min=-0.5, max=0.25)
        case(opset, "Clip", [x], min=-0.5)
        case(opset, "Clip", [x])
        case(opset, "Dropout", [x], ratio=0.3)
    case(11, "Clip", [x, None, scalar(0.1)], consts=(2,))
    case(12, "Clip", [i64(1, 5, 9), scalar(2, np.int64), scalar(7, np.int64)])
    for opset in (7, 9, 12):
        case(opset, "Pow", [np.abs(x), f(5)])
        case(opset, "Pow", [x, scalar(2)], consts=(1,))
        case(opset, "Pow", [np.abs(x), scalar(0.5)], consts=(1,))
    case(12, "Pow", [np.array([2, 3, -4], np.int32), scalar([2, 0.5, 3])])
    case(12, "Pow", [f(3), i64(2, -1, 3)])
    for opset in (7, 9):
        case(opset, "PRelu", [x, f(3, 1, 1)])
    for opset in (7, 13):
        case(opset, "Sum", [x, f(5), f(4, 1)])
        case(opset, "Mean", [x, f(5)])
        case(opset, "Max", [x, f(4, 1)])
    activations = [("Elu", 7, dict(alpha=0.7)), ("HardSigmoid", 7, dict(alpha=0.3, beta=0.4))]
    activations += [("LeakyRelu", 7, dict(alpha=0.2)), ("Selu", 7, {}), ("Softplus", 7, {}), ("Softsign", 7, {})]
    activations += [("ThresholdedRelu", 10, {}), ("Shrink", 9, {}), ("Celu", 12, {}), ("HardSwish", 14, {})]
    activations += [("Mish", 18, {}), ("Gelu", 20, {}), ("Gelu", 20, dict(approximate="tanh"))]
    for op, opset, attributes in activations:
        case(opset, op, [x], **attributes)
    case(9, "Cast", [np.abs(x) * 50], to=onnx.TensorProto.UINT8)
    for opset, to in ((9, onnx.TensorProto.FLOAT16), (9, onnx.TensorProto.BOOL), (13, onnx.TensorProto.DOUBLE)):
        case(opset, "Cast", [x], to=to)
    case(10, "Mod", [i64(-7, 7, 5), i64(3, -3, 2)])
    case(10, "Mod", [f(5), f(5)], fmod=1)
    case(10, "IsInf", [scalar([1, np.inf, -np.inf, np.nan])], detect_negative=0)
    case(11, "Round", [scalar([0.5, 1.5, 2.5, -0.5])])
    case(14, "Trilu", [f(3, 4, 5), scalar(-1, np.int64)], upper=0)


def indexing():
    x = f(2, 3, 4, 5)
    case(9, "Gather", [x, i64(2, 0)], axis=1)
    case(11, "Gather", [x, i64(-1, 0).reshape(2, 1)], axis=-1)
    case(11, "Gather", [x, scalar(-2, np.int64)], axis=2, consts=(1,))
    case(11, "OneHot", [i64(0, -1, 5, 2, -9), scalar(4), f(2)], axis=0, consts=(1,))
    case(11, "ScatterElements", [f(3, 3), i64(0, 2, 1).reshape(1, 3), f(1, 3)], axis=0)
    case(11, "ScatterND", [f(4, 3), i64(1, -1).reshape(2, 1), f(2, 3)])
    case(12, "GatherND", [f(2, 3, 4), i64(1, 0).reshape(2, 1)], batch_dims=1)
    boxes = rng.uniform(0, 1, (1, 20, 4)).astype(np.float32)
    boxes[..., 2:] += boxes[..., :2]
    scores = rng.uniform(0, 1, (1, 2, 20)).astype(np.float32)
    case(11, "NonMaxSuppression", [boxes, scores, i64(5), scalar([0.4]), scalar([0.2])], consts=(2, 3, 4))


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    for group in (softmax, slices_and_pads, views, reductions, resampling, windows, normalisation, products, elementwise, indexing):
        group()
    with open(os.path.join(OUT, "index.json"), "w") as out:
        json.dump(index, out, indent=0, sort_keys=True)
    print(f"{len(index)} tests in {OUT}; {len(failed)} that ONNX Runtime does not run")
    for name, why in failed[:10]:
        print(f"  {name}: {why}")


if __name__ == "__main__":
    main()
