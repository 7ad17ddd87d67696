"""Turns MediaPipe's face networks from TensorFlow Lite into ONNX (opset 16); for maintainers.

Covers the operators those networks use, among them three of MediaPipe's own, and stops at any other.
Activations of rank 4 are kept in ONNX's (N, C, H, W) layout; they are turned back to TensorFlow's
(N, H, W, C) only where an operator or an output needs it. Weights stay float16 as they are in the source,
followed by a Cast: half the size and exactly the same numbers.

Needs the packages tflite, flatbuffers and onnx.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import tflite
from flatbuffers import flexbuffers
from onnx import TensorProto, helper, numpy_helper

OPSET = 16
IR_VERSION = 8
TO_NCHW, TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)
DTYPES = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
}
OPERATORS = {value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}


class Graph:
    """An ONNX graph under construction: values are named by operator, equal constants are stored once."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[tuple[str, tuple[int, ...], bytes], onnx.TensorProto] = {}

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        name = output or f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, values: Any, dtype: Any = None) -> str:
        array = np.ascontiguousarray(np.asarray(values, dtype))
        key = (str(array.dtype), array.shape, array.tobytes())
        if key not in self.constants:
            self.constants[key] = numpy_helper.from_array(array, f"constant_{len(self.constants)}")
        return self.constants[key].name

    def weight(self, values: np.ndarray) -> str:
        """A float32 value; stored as it came, float16 or float32."""
        name = self.constant(values)
        return self.add("Cast", name, to=TensorProto.FLOAT) if values.dtype == np.float16 else name

    def index(self, *values: int) -> str:
        return self.constant(values, np.int64)

    def cut(self, value: str, axis: int, start: int, stop: int) -> str:
        return self.add("Slice", value, self.index(start), self.index(stop), self.index(axis))


class Converter:
    """One TensorFlow Lite model: constants by tensor number, activations by number and layout."""

    def __init__(self, data: bytes) -> None:
        self.model = tflite.Model.GetRootAs(data, 0)
        self.source = self.model.Subgraphs(0)
        self.graph = Graph()
        self.values: dict[tuple[int, bool], str] = {}  # (tensor, is it in NCHW) -> ONNX name
        self.constants = {
            i: a for i in range(self.source.TensorsLength()) if (a := self._stored(i)) is not None
        }

    def convert(self, name: str, input_name: str) -> onnx.ModelProto:
        entry = self.source.Inputs(0)
        self.values[entry, False] = input_name
        for i in range(self.source.OperatorsLength()):
            self._operator(self.source.Operators(i))
        leaving = [self.source.Outputs(i) for i in range(self.source.OutputsLength())]
        names = [self.source.Tensors(i).Name().decode() for i in leaving]
        for tensor, output in zip(leaving, names, strict=True):
            self.graph.add("Identity", self.plain(tensor), output=output)
        graph = helper.make_graph(
            self.graph.nodes,
            name,
            [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, self.shape(entry))],
            [
                helper.make_tensor_value_info(output, TensorProto.FLOAT, self.shape(tensor))
                for tensor, output in zip(leaving, names, strict=True)
            ],
            list(self.graph.constants.values()),
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            producer_name="ComfyUI-Ditto",
            ir_version=IR_VERSION,
        )
        onnx.checker.check_model(model, full_check=True)
        return model

    # ---- tensors ----

    def shape(self, tensor: int) -> list[int]:
        entry = self.source.Tensors(tensor)
        return [entry.Shape(i) for i in range(entry.ShapeLength())]

    def plain(self, tensor: int) -> str:
        """The name of a tensor in TensorFlow's layout."""
        if tensor in self.constants:
            return self.graph.weight(self.constants[tensor])
        if (tensor, False) not in self.values:
            self.values[tensor, False] = self.graph.add("Transpose", self.values[tensor, True], perm=TO_NHWC)
        return self.values[tensor, False]

    def nchw(self, tensor: int) -> str:
        """The name of a rank-4 tensor in ONNX's layout."""
        if (tensor, True) not in self.values:
            self.values[tensor, True] = self.graph.add("Transpose", self.values[tensor, False], perm=TO_NCHW)
        return self.values[tensor, True]

    def _stored(self, tensor: int) -> np.ndarray | None:
        entry = self.source.Tensors(tensor)
        buffer = self.model.Buffers(entry.Buffer())
        if not buffer.DataLength():
            return None
        return buffer.DataAsNumpy().view(DTYPES[entry.Type()]).reshape(self.shape(tensor))

    # ---- operators ----

    def _operator(self, operator: tflite.Operator) -> None:
        code = self.model.OperatorCodes(operator.OpcodeIndex())
        custom = code.CustomCode()
        name = custom.decode() if custom else OPERATORS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        convert = CONVERSIONS.get(name)
        if convert is None:
            raise ValueError(f"The operator {name} is not covered.")
        inputs = [operator.Inputs(i) for i in range(operator.InputsLength())]
        convert(self, operator, inputs, operator.Outputs(0))

    def dequantize(self, _operator: tflite.Operator, inputs: list[int], output: int) -> None:
        self.constants[output] = self.constants[inputs[0]]  # a float16 constant read as float32

    def convolution(self, operator: tflite.Operator, inputs: list[int], output: int) -> None:
        options = options_of(operator, tflite.Conv2DOptions)
        weights = self.constants[inputs[1]].transpose(0, 3, 1, 2)
        self._convolve(options, weights, 1, inputs, output)

    def depthwise(self, operator: tflite.Operator, inputs: list[int], output: int) -> None:
        options = options_of(operator, tflite.DepthwiseConv2DOptions)
        require(options.DepthMultiplier() == 1, "a depth multiplier of 1")
        weights = self.constants[inputs[1]].transpose(3, 0, 1, 2)
        self._convolve(options, weights, len(weights), inputs, output)

    def _convolve(
        self, options: Any, weights: np.ndarray, group: int, inputs: list[int], output: int
    ) -> None:
        kernel, strides = weights.shape[2:], (options.StrideH(), options.StrideW())
        dilations = (options.DilationHFactor(), options.DilationWFactor())
        require(dilations == (1, 1), "no dilation")
        self.values[output, True] = self.graph.add(
            "Conv",
            self.nchw(inputs[0]),
            self.graph.weight(weights),
            self.graph.weight(self.constants[inputs[2]]),
            kernel_shape=kernel,
            strides=strides,
            group=group,
            pads=self._pads(options, kernel, strides, inputs[0], output),
        )
        self._no_activation(options)

    def max_pool(self, operator: tflite.Operator, inputs: list[int], output: int) -> None:
        options = options_of(operator, tflite.Pool2DOptions)
        kernel, strides = (
            (options.FilterHeight(), options.FilterWidth()),
            (options.StrideH(), options.StrideW()),
        )
        pads = self._pads(options, kernel, strides, inputs[0], output)
        self.values[output, True] = self.graph.add(
            "MaxPool", self.nchw(inputs[0]), kernel_shape=kernel, strides=strides, pads=pads
        )
        self._no_activation(options)

    def _pads(self, options: Any, kernel: Any, strides: Any, entering: int, leaving: int) -> list[int]:
        """Padding before (y, x) and after (y, x); TensorFlow's SAME puts the odd pixel after."""
        if options.Padding() == tflite.Padding.VALID:
            return [0, 0, 0, 0]
        sizes = zip(self.shape(entering)[1:3], self.shape(leaving)[1:3], kernel, strides, strict=True)
        totals = [max((after - 1) * stride + side - before, 0) for before, after, side, stride in sizes]
        return [total // 2 for total in totals] + [total - total // 2 for total in totals]

    def relu(self, _operator: tflite.Operator, inputs: list[int], output: int) -> None:
        self.values[output, True] = self.graph.add("Relu", self.nchw(inputs[0]))

    def prelu(self, _operator: tflite.Operator, inputs: list[int], output: int) -> None:
        slope = self.constants[inputs[1]].transpose(2, 0, 1)
        self.values[output, True] = self.graph.add("PRelu", self.nchw(inputs[0]), self.graph.weight(slope))

    def add(self, operator: tflite.Operator, inputs: list[int], output: int) -> None:
        self._no_activation(options_of(operator, tflite.AddOptions))
        self.values[output, True] = self.graph.add("Add", *map(self.nchw, inputs))

    def multiply(self, operator: tflite.Operator, inputs: list[int], output: int) -> None:
        self._no_activation(options_of(operator, tflite.MulOptions))
        self.values[output, False] = self.graph.add("Mul", *map(self.plain, inputs))

    def pad(self, _operator: tflite.Operator, inputs: list[int], output: int) -> None:
        pads = self.constants[inputs[1]][list(TO_NCHW)]
        self.values[output, True] = self.graph.add(
            "Pad", self.nchw(inputs[0]), self.graph.index(*pads.T.ravel())
        )

    def reshape(self, _operator: tflite.Operator, inputs: list[int], output: int) -> None:
        shape = self.graph.index(*self.shape(output))
        self.values[output, False] = self.graph.add("Reshape", self.plain(inputs[0]), shape)

    def concatenate(self, operator: tflite.Operator, inputs: list[int], output: int) -> None:
        options = options_of(operator, tflite.ConcatenationOptions)
        self._no_activation(options)
        self.values[output, False] = self.graph.add("Concat", *map(self.plain, inputs), axis=options.Axis())

    def strided_slice(self, operator: tflite.Operator, inputs: list[int], output: int) -> None:
        options = options_of(operator, tflite.StridedSliceOptions)
        masks = (options.BeginMask(), options.EndMask(), options.ShrinkAxisMask(), options.NewAxisMask())
        require(not any(masks) and not options.EllipsisMask(), "a slice without masks")
        start, stop, step = (self.graph.index(*self.constants[i]) for i in inputs[1:])
        axes = self.graph.index(*range(len(self.shape(output))))
        self.values[output, False] = self.graph.add("Slice", self.plain(inputs[0]), start, stop, axes, step)

    def _no_activation(self, options: Any) -> None:
        require(
            options.FusedActivationFunction() == tflite.ActivationFunctionType.NONE, "no fused activation"
        )

    # ---- MediaPipe's own operators ----

    def landmarks_to_matrix(self, operator: tflite.Operator, inputs: list[int], output: int) -> None:
        """The matrix (1, 4, 4) from pixels of a small crop to the plane of the landmarks (1, n, 3).

        The crop is upright along the line between two landmarks and spans `scale` times the box of some.
        """
        graph, options = self.graph, flexbuffers.Loads(operator.CustomOptionsAsNumpy().tobytes())
        require(options["target_rotation_radians"] == 0.0, "an upright target")
        points = graph.cut(self.plain(inputs[0]), 2, 0, 2)
        ends = [options["left_rotation_idx"], options["right_rotation_idx"]]
        left, right = (graph.add("Gather", points, graph.index(i), axis=1) for i in ends)
        line = graph.add("Sub", right, left)
        across = graph.add("Div", line, graph.add("ReduceL2", line, axes=[2], keepdims=1))
        c, s = graph.cut(across, 2, 0, 1), graph.cut(across, 2, 1, 2)
        down = graph.add("Concat", graph.add("Neg", s), c, axis=2)
        subset = graph.add("Gather", points, graph.index(*options["subset_idxs"]), axis=1)

        steps, centre, shift = [], [], []
        for axis, scale, size in (
            (across, options["scale_x"], options["output_width"]),
            (down, options["scale_y"], options["output_height"]),
        ):
            along = graph.add("ReduceSum", graph.add("Mul", subset, axis), graph.index(2), keepdims=1)
            high = graph.add("ReduceMax", along, axes=[1], keepdims=1)
            low = graph.add("ReduceMin", along, axes=[1], keepdims=1)
            middle = graph.add("Mul", graph.add("Add", high, low), graph.constant([0.5], np.float32))
            pixel = graph.add("Mul", graph.add("Sub", high, low), graph.constant([scale / size], np.float32))
            steps.append(graph.add("Mul", axis, pixel))
            centre.append(graph.add("Mul", middle, axis))
            shift.append(graph.add("Mul", steps[-1], graph.constant([-size / 2], np.float32)))
        start = graph.add("Add", graph.add("Add", *centre), graph.add("Add", *shift))
        columns = graph.add("Concat", *steps, graph.constant(np.zeros((1, 1, 2), np.float32)), start, axis=1)
        last_rows = graph.constant([[[0, 0, 1, 0], [0, 0, 0, 1]]], np.float32)
        rows = graph.add("Transpose", columns, perm=(0, 2, 1))
        self.values[output, False] = graph.add("Concat", rows, last_rows, axis=1)

    def transform_tensor(self, operator: tflite.Operator, inputs: list[int], output: int) -> None:
        """The feature map seen through a matrix, bilinear; samples outside of it are zero as a whole."""
        graph, options = self.graph, flexbuffers.Loads(operator.CustomOptionsAsNumpy().tobytes())
        out_height, out_width = options["output_height"], options["output_width"]
        height, width = self.shape(inputs[0])[1:3]
        y, x = np.mgrid[:out_height, :out_width].reshape(2, -1) + 0.5
        pixels = np.stack([x, y, np.zeros_like(x), np.ones_like(x)])[None]
        matrix = graph.cut(self.plain(inputs[1]), 1, 0, 2)
        place = graph.add("MatMul", matrix, graph.constant(pixels, np.float32))
        place = graph.add("Sub", place, graph.constant([0.5], np.float32))
        place = graph.add("Div", place, graph.constant([[[width - 1], [height - 1]]], np.float32))
        grid = graph.add("Mul", place, graph.constant([2.0], np.float32))
        grid = graph.add("Sub", grid, graph.constant([1.0], np.float32))
        grid = graph.add("Transpose", grid, perm=(0, 2, 1))
        grid = graph.add("Reshape", grid, graph.index(1, out_height, out_width, 2))
        seen = graph.add(
            "GridSample", self.nchw(inputs[0]), grid, mode="bilinear", padding_mode="zeros", align_corners=1
        )
        lower, upper = (graph.constant(value, np.float32) for value in (0, 1))
        within = graph.add("Equal", graph.add("Clip", place, lower, upper), place)
        within = graph.add("ReduceMin", graph.add("Cast", within, to=TensorProto.FLOAT), axes=[1], keepdims=1)
        within = graph.add("Reshape", within, graph.index(1, 1, out_height, out_width))
        self.values[output, True] = graph.add("Mul", seen, within)

    def transform_landmarks(self, _operator: tflite.Operator, inputs: list[int], output: int) -> None:
        """Points (1, n, 2) through a matrix (1, 4, 4)."""
        graph = self.graph
        require(self.shape(inputs[0])[-1] == 2, "landmarks without depth")
        rows = graph.cut(self.plain(inputs[1]), 1, 0, 2)
        columns = graph.add("Transpose", rows, perm=(0, 2, 1))
        linear, start = graph.cut(columns, 1, 0, 2), graph.cut(columns, 1, 3, 4)
        turned = graph.add("MatMul", self.plain(inputs[0]), linear)
        self.values[output, False] = graph.add("Add", turned, start)


def options_of(operator: tflite.Operator, kind: Any) -> Any:
    """The operator's own options."""
    options, table = kind(), operator.BuiltinOptions()
    options.Init(table.Bytes, table.Pos)
    return options


def require(condition: bool, what: str) -> None:
    """Stop where a model has what no face network has."""
    if not condition:
        raise ValueError(f"Only {what} is covered.")


CONVERSIONS: dict[str, Callable[[Converter, tflite.Operator, list[int], int], None]] = {
    "DEQUANTIZE": Converter.dequantize,
    "CONV_2D": Converter.convolution,
    "DEPTHWISE_CONV_2D": Converter.depthwise,
    "MAX_POOL_2D": Converter.max_pool,
    "RELU": Converter.relu,
    "PRELU": Converter.prelu,
    "ADD": Converter.add,
    "MUL": Converter.multiply,
    "PAD": Converter.pad,
    "RESHAPE": Converter.reshape,
    "CONCATENATION": Converter.concatenate,
    "STRIDED_SLICE": Converter.strided_slice,
    "Landmarks2TransformMatrix": Converter.landmarks_to_matrix,
    "TransformTensorBilinear": Converter.transform_tensor,
    "TransformLandmarks": Converter.transform_landmarks,
}
