"""Writes ONNX's backend tests as files, those whose nodes cnnc is meant to take: conformance.py OUT_DIR

One folder a test, KIND/NAME, with model.onnx and test_data_set_K/{input,output}_I.pb (serialised TensorProto), and an
index.json with each test's operators and tolerances. Left out: operators outside the list, model-local functions,
other domains, and tensors of other types than float32, int32, int64, uint8 and bool.
"""
import json, os, shutil, sys, warnings
import onnx
from onnx import TensorProto, numpy_helper
from onnx.backend.test.case.node import collect_testcases
from onnx.backend.test.loader import load_model_tests

OPERATORS = set("""
Conv ConvTranspose MaxPool AveragePool LpPool GlobalAveragePool GlobalMaxPool GlobalLpPool BatchNormalization
InstanceNormalization LayerNormalization GroupNormalization LRN LpNormalization MeanVarianceNormalization
RMSNormalization Gemm MatMul Add Sub Mul Div Pow Mod Max Min Mean Sum Abs Neg Exp Log Sqrt Reciprocal Floor Ceil Round
Sign Erf Sin Cos Tanh Relu LeakyRelu PRelu Elu Selu Celu Gelu Sigmoid HardSigmoid HardSwish Swish Mish Softplus
Softsign ThresholdedRelu Shrink Clip Softmax LogSoftmax Hardmax Concat Split Slice Pad Reshape Flatten Transpose
Squeeze Unsqueeze Expand Tile Identity Dropout Cast CastLike Constant ConstantOfShape Shape Size Range Gather
GatherElements GatherND ScatterElements ScatterND Where Equal Greater GreaterOrEqual Less LessOrEqual And Or Not Xor
IsNaN IsInf ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp
ReduceSumSquare ArgMax ArgMin TopK CumSum Resize Upsample DepthToSpace SpaceToDepth Trilu EyeLike OneHot Einsum
NonMaxSuppression GridSample
""".split())
TYPES = {TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64, TensorProto.UINT8, TensorProto.BOOL}


def wanted(model):
    values = [*model.graph.input, *model.graph.output]
    tensors = all(v.type.HasField("tensor_type") and v.type.tensor_type.elem_type in TYPES for v in values)
    known = all(n.op_type in OPERATORS and n.domain in ("", "ai.onnx") for n in model.graph.node)
    return tensors and known and not model.functions


def to_proto(value, name):
    return value if isinstance(value, TensorProto) else numpy_helper.from_array(value, name)


def write_case(case, folder):
    os.makedirs(folder)
    onnx.save(case.model, os.path.join(folder, "model.onnx"))
    for k, (inputs, outputs) in enumerate(case.data_sets):
        data = os.path.join(folder, f"test_data_set_{k}")
        os.makedirs(data)
        for kind, values, infos in (("input", inputs, case.model.graph.input), ("output", outputs, case.model.graph.output)):
            for i, (value, info) in enumerate(zip(values, infos)):
                with open(os.path.join(data, f"{kind}_{i}.pb"), "wb") as out:
                    out.write(to_proto(value, info.name).SerializeToString())


def main():
    out = sys.argv[1]
    shutil.rmtree(out, ignore_errors=True)
    warnings.simplefilter("ignore")
    index = {}

    def note(name, case, model):
        index[name] = dict(ops=sorted({n.op_type for n in model.graph.node}), rtol=case.rtol, atol=case.atol)

    for case in collect_testcases(None):
        if wanted(case.model):
            write_case(case, os.path.join(out, "node", case.name))
            note(f"node/{case.name}", case, case.model)
    for kind in ("simple", "pytorch-converted", "pytorch-operator"):
        for case in load_model_tests(kind=kind):
            if case.model_dir is None:
                continue
            model = onnx.load(os.path.join(case.model_dir, "model.onnx"))
            if wanted(model):
                shutil.copytree(case.model_dir, os.path.join(out, kind, case.name))
                note(f"{kind}/{case.name}", case, model)
    with open(os.path.join(out, "index.json"), "w") as file:
        json.dump(index, file, indent=0, sort_keys=True)
    print(f"{len(index)} of ONNX's backend tests in {out}")


if __name__ == "__main__":
    main()
