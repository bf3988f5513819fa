// TFLite's element types, quantisation and operators in our words.
#pragma once

#include <optional>
#include <string>

#include "backends/tflite/api.h"
#include "core/tensor.h"

namespace edge::tflite {

// Nothing for types that no dtype of ours stands for (strings, complex numbers, i4, …).
std::optional<Dtype> to_dtype(Type type);
// For messages: "string", "i4", or the number.
std::string type_name(Type type);
// "CONV_2D"; a custom operator by its own name; "BUILTIN_207" for what is newer than our list.
std::string operator_name(const Registration& registration);
// What a node computes in, judged by its first output: "i8" for quantised ones.
std::string precision_of(Type type);

}  // namespace edge::tflite
