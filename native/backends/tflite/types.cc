#include "backends/tflite/types.h"

#include <iterator>

namespace edge::tflite {
namespace {

// In the order of TFLite's enumeration BuiltinOperator (schema version 3).
constexpr const char* kOperators[] = {"ADD",
                                      "AVERAGE_POOL_2D",
                                      "CONCATENATION",
                                      "CONV_2D",
                                      "DEPTHWISE_CONV_2D",
                                      "DEPTH_TO_SPACE",
                                      "DEQUANTIZE",
                                      "EMBEDDING_LOOKUP",
                                      "FLOOR",
                                      "FULLY_CONNECTED",
                                      "HASHTABLE_LOOKUP",
                                      "L2_NORMALIZATION",
                                      "L2_POOL_2D",
                                      "LOCAL_RESPONSE_NORMALIZATION",
                                      "LOGISTIC",
                                      "LSH_PROJECTION",
                                      "LSTM",
                                      "MAX_POOL_2D",
                                      "MUL",
                                      "RELU",
                                      "RELU_N1_TO_1",
                                      "RELU6",
                                      "RESHAPE",
                                      "RESIZE_BILINEAR",
                                      "RNN",
                                      "SOFTMAX",
                                      "SPACE_TO_DEPTH",
                                      "SVDF",
                                      "TANH",
                                      "CONCAT_EMBEDDINGS",
                                      "SKIP_GRAM",
                                      "CALL",
                                      "CUSTOM",
                                      "EMBEDDING_LOOKUP_SPARSE",
                                      "PAD",
                                      "UNIDIRECTIONAL_SEQUENCE_RNN",
                                      "GATHER",
                                      "BATCH_TO_SPACE_ND",
                                      "SPACE_TO_BATCH_ND",
                                      "TRANSPOSE",
                                      "MEAN",
                                      "SUB",
                                      "DIV",
                                      "SQUEEZE",
                                      "UNIDIRECTIONAL_SEQUENCE_LSTM",
                                      "STRIDED_SLICE",
                                      "BIDIRECTIONAL_SEQUENCE_RNN",
                                      "EXP",
                                      "TOPK_V2",
                                      "SPLIT",
                                      "LOG_SOFTMAX",
                                      "DELEGATE",
                                      "BIDIRECTIONAL_SEQUENCE_LSTM",
                                      "CAST",
                                      "PRELU",
                                      "MAXIMUM",
                                      "ARG_MAX",
                                      "MINIMUM",
                                      "LESS",
                                      "NEG",
                                      "PADV2",
                                      "GREATER",
                                      "GREATER_EQUAL",
                                      "LESS_EQUAL",
                                      "SELECT",
                                      "SLICE",
                                      "SIN",
                                      "TRANSPOSE_CONV",
                                      "SPARSE_TO_DENSE",
                                      "TILE",
                                      "EXPAND_DIMS",
                                      "EQUAL",
                                      "NOT_EQUAL",
                                      "LOG",
                                      "SUM",
                                      "SQRT",
                                      "RSQRT",
                                      "SHAPE",
                                      "POW",
                                      "ARG_MIN",
                                      "FAKE_QUANT",
                                      "REDUCE_PROD",
                                      "REDUCE_MAX",
                                      "PACK",
                                      "LOGICAL_OR",
                                      "ONE_HOT",
                                      "LOGICAL_AND",
                                      "LOGICAL_NOT",
                                      "UNPACK",
                                      "REDUCE_MIN",
                                      "FLOOR_DIV",
                                      "REDUCE_ANY",
                                      "SQUARE",
                                      "ZEROS_LIKE",
                                      "FILL",
                                      "FLOOR_MOD",
                                      "RANGE",
                                      "RESIZE_NEAREST_NEIGHBOR",
                                      "LEAKY_RELU",
                                      "SQUARED_DIFFERENCE",
                                      "MIRROR_PAD",
                                      "ABS",
                                      "SPLIT_V",
                                      "UNIQUE",
                                      "CEIL",
                                      "REVERSE_V2",
                                      "ADD_N",
                                      "GATHER_ND",
                                      "COS",
                                      "WHERE",
                                      "RANK",
                                      "ELU",
                                      "REVERSE_SEQUENCE",
                                      "MATRIX_DIAG",
                                      "QUANTIZE",
                                      "MATRIX_SET_DIAG",
                                      "ROUND",
                                      "HARD_SWISH",
                                      "IF",
                                      "WHILE",
                                      "NON_MAX_SUPPRESSION_V4",
                                      "NON_MAX_SUPPRESSION_V5",
                                      "SCATTER_ND",
                                      "SELECT_V2",
                                      "DENSIFY",
                                      "SEGMENT_SUM",
                                      "BATCH_MATMUL",
                                      "PLACEHOLDER_FOR_GREATER_OP_CODES",
                                      "CUMSUM",
                                      "CALL_ONCE",
                                      "BROADCAST_TO",
                                      "RFFT2D",
                                      "CONV_3D",
                                      "IMAG",
                                      "REAL",
                                      "COMPLEX_ABS",
                                      "HASHTABLE",
                                      "HASHTABLE_FIND",
                                      "HASHTABLE_IMPORT",
                                      "HASHTABLE_SIZE",
                                      "REDUCE_ALL",
                                      "CONV_3D_TRANSPOSE",
                                      "VAR_HANDLE",
                                      "READ_VARIABLE",
                                      "ASSIGN_VARIABLE",
                                      "BROADCAST_ARGS",
                                      "RANDOM_STANDARD_NORMAL",
                                      "BUCKETIZE",
                                      "RANDOM_UNIFORM",
                                      "MULTINOMIAL",
                                      "GELU",
                                      "DYNAMIC_UPDATE_SLICE",
                                      "RELU_0_TO_1",
                                      "UNSORTED_SEGMENT_PROD",
                                      "UNSORTED_SEGMENT_MAX",
                                      "UNSORTED_SEGMENT_SUM",
                                      "ATAN2",
                                      "UNSORTED_SEGMENT_MIN",
                                      "SIGN",
                                      "BITCAST",
                                      "BITWISE_XOR",
                                      "RIGHT_SHIFT"};
constexpr int kCustomOperator = 32;

}  // namespace

std::optional<Dtype> to_dtype(Type type) {
  switch (type) {
    case kFloat32:
      return Dtype::kF32;
    case kFloat16:
      return Dtype::kF16;
    case kBFloat16:
      return Dtype::kBF16;
    case kFloat64:
      return Dtype::kF64;
    case kInt8:
      return Dtype::kI8;
    case kUInt8:
      return Dtype::kU8;
    case kInt16:
      return Dtype::kI16;
    case kUInt16:
      return Dtype::kU16;
    case kInt32:
      return Dtype::kI32;
    case kUInt32:
      return Dtype::kU32;
    case kInt64:
      return Dtype::kI64;
    case kUInt64:
      return Dtype::kU64;
    case kBool:
      return Dtype::kBool;
    default:
      return std::nullopt;
  }
}

std::string type_name(Type type) {
  if (const auto dtype = to_dtype(type)) return dtype_name(*dtype);
  switch (type) {
    case kString:
      return "string";
    case kComplex64:
      return "complex64";
    case kComplex128:
      return "complex128";
    case kResource:
      return "resource";
    case kVariant:
      return "variant";
    case kInt4:
      return "i4";
    default:
      return "number " + std::to_string(static_cast<int>(type));
  }
}

std::string operator_name(const Registration& registration) {
  const OldRegistration& known = registration.old;
  if (known.custom_name != nullptr && (known.builtin_code == kCustomOperator || known.builtin_code == 0)) {
    return known.custom_name;
  }
  if (known.builtin_code >= 0 && static_cast<size_t>(known.builtin_code) < std::size(kOperators)) {
    return kOperators[known.builtin_code];
  }
  return "BUILTIN_" + std::to_string(known.builtin_code);
}

std::string precision_of(Type type) {
  const auto dtype = to_dtype(type);
  return dtype ? dtype_name(*dtype) : "";
}

}  // namespace edge::tflite
