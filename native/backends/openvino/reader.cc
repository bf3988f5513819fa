#include "backends/openvino/reader.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "core/external_data.h"

namespace edge::openvino {
namespace {

// A private file with these bytes, gone with this object. OpenVINO reads TFLite from files only, and before 2023.2
// every binary format.
class ScratchFile {
 public:
  ScratchFile(const Bytes& bytes, const char* suffix) {
    const char* folder = std::getenv("TMPDIR");
    path_ = std::string(folder != nullptr && *folder != '\0' ? folder : "/tmp") + "/edge-infer-XXXXXX" + suffix;
    const int file = ::mkstemps(path_.data(), static_cast<int>(std::strlen(suffix)));  // readable by this user only
    size_t written = 0;
    while (file >= 0 && written < bytes.size) {
      const ssize_t count = ::write(file, bytes.data + written, bytes.size - written);
      if (count <= 0) break;
      written += static_cast<size_t>(count);
    }
    if (file >= 0) ::close(file);
    if (file >= 0 && written == bytes.size) return;
    if (file >= 0) ::unlink(path_.c_str());
    throw Error(ErrorCode::kPermission, "The model cannot be written to " + path_ + ".",
                "This OpenVINO reads the model from a file only: load it by its path, or make room in TMPDIR.",
                "openvino");
  }
  ~ScratchFile() { ::unlink(path_.c_str()); }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace

void Reader::read(const ModelSource& source) {
  const std::string remedy =
      "Check that the file is a whole ONNX or OpenVINO IR model; re-export or download it again.";
  if (!source.path.empty()) {
    const char* weights = source.weights_path.empty() ? nullptr : source.weights_path.c_str();
    files_ = external_files(source, "openvino");
    runtime_.check(api_.ov_core_read_model(runtime_.core, source.path.c_str(), weights, model_.out()),
                   ErrorCode::kInvalidModel, "OpenVINO cannot read the model " + source.path + ".", remedy);
    return;
  }
  external_files(source, "openvino");
  TensorHandle weights(api_);
  if (source.weights.size > 0) {
    int64_t size = static_cast<int64_t>(source.weights.size);
    const OvShape shape{1, &size};
    const char* message = "OpenVINO does not take the weights.";
    // Memory of OpenVINO's own: a compiled model may refer to it for as long as it lives (initial values of variables).
    runtime_.check(api_.ov_tensor_create(to_element_type(Dtype::kU8, runtime_.numbering), shape, weights.out()),
                   ErrorCode::kOutOfMemory, message, "Free memory, or give the weights as a file.");
    void* data = nullptr;
    runtime_.check(api_.ov_tensor_data(weights.get(), &data), ErrorCode::kBackend, message, "");
    std::memcpy(data, source.weights.data, source.weights.size);
  }
  const auto* text = reinterpret_cast<const char*>(source.bytes.data);
  const size_t size = source.bytes.size;
  Status status = kOk;
  // A flatbuffer's identifier comes after its first word.
  const bool tflite = size >= 8 && std::memcmp(text + 4, "TFL3", 4) == 0;
  const auto read_file = [&](const char* suffix) {
    const ScratchFile file(source.bytes, suffix);
    return api_.ov_core_read_model(runtime_.core, file.path().c_str(), nullptr, model_.out());
  };
  if (tflite) {
    status = read_file(".tflite");
  } else if (api_.ov_core_read_model_from_memory_buffer != nullptr) {
    status = api_.ov_core_read_model_from_memory_buffer(runtime_.core, text, size, weights.get(), model_.out());
  } else if (std::memchr(text, '\0', size) == nullptr) {
    const std::string ended(text, size);
    status = api_.ov_core_read_model_from_memory(runtime_.core, ended.c_str(), weights.get(), model_.out());
  } else {
    status = read_file(".onnx");
  }
  runtime_.check(status, ErrorCode::kInvalidModel, "OpenVINO cannot read the model from memory.", remedy);
}

// Fixes the shapes that the caller asked for.
void Reader::reshape() {
  if (options_.shapes.empty()) return;
  const std::vector<TensorSpec> inputs = specs(false);
  std::vector<size_t> indexes;
  std::vector<PartialShape> shapes;
  struct Free {
    const Api& api;
    std::vector<PartialShape>& shapes;
    ~Free() {
      for (PartialShape& shape : shapes) api.ov_partial_shape_free(&shape);
    }
  } free_later{api_, shapes};
  std::string wanted;
  for (const auto& [name, shape] : options_.shapes) {
    // By a name of its own: a lambda captures structured bindings only from C++20 on.
    const auto input =
        std::find_if(inputs.begin(), inputs.end(), [&asked = name](const auto& spec) { return spec.name == asked; });
    if (input == inputs.end()) {
      throw Error(ErrorCode::kInvalidArgument, "The model has no input '" + name + "' to give a shape to.",
                  "Use a name that `edge-infer inspect` shows.", "openvino");
    }
    byte_size(input->dtype, shape);
    indexes.push_back(static_cast<size_t>(input - inputs.begin()));
    PartialShape partial{};
    runtime_.check(api_.ov_partial_shape_create_static(static_cast<int64_t>(shape.size()), shape.data(), &partial),
                   ErrorCode::kInvalidArgument, "OpenVINO does not take the shape " + shape_text(shape) + ".", "");
    shapes.push_back(partial);
    wanted += (wanted.empty() ? "" : ", ") + name + " " + shape_text(shape);
  }
  runtime_.check(api_.ov_model_reshape_by_port_indexes(model_.get(), indexes.data(), shapes.data(), shapes.size()),
                 ErrorCode::kInvalidArgument, "The model cannot be given the shapes " + wanted + ".",
                 "Choose shapes that all its layers accept; the cause names the one that does not.");
}

std::string Reader::port_name(const ConstPort* port, bool output, size_t index) const {
  char* text = nullptr;
  if (api_.ov_port_get_any_name(port, &text) == kOk) {
    std::string name = take_string(api_, text);
    if (!name.empty()) return name;
  }
  return (output ? "output" : "input") + std::to_string(index);  // unnamed in the model
}

TensorSpec Reader::spec(const ConstPort* port, bool output, size_t index) const {
  TensorSpec spec;
  spec.name = port_name(port, output, index);
  const std::string which = std::string(output ? "output" : "input") + " '" + spec.name + "'";
  ElementType type = 0;
  runtime_.check(api_.ov_port_get_element_type(port, &type), ErrorCode::kBackend,
                 "OpenVINO does not tell the type of the " + which + ".", "");
  const auto dtype = to_dtype(type, runtime_.numbering);
  if (!dtype) {
    throw Error(ErrorCode::kUnsupported,
                "The " + which + " is of the type " + element_type_name(type, runtime_.numbering) +
                    ", which cannot be passed in or out.",
                "Export the model with inputs and outputs of f32, f16, bf16, f64, bool or integers of 8 to 64 bits.",
                "openvino");
  }
  spec.dtype = *dtype;
  PartialShape shape{};
  runtime_.check(api_.ov_port_get_partial_shape(port, &shape), ErrorCode::kBackend,
                 "OpenVINO does not tell the shape of the " + which + ".", "");
  spec.rank_known = shape.rank.min == shape.rank.max;
  for (int64_t i = 0; spec.rank_known && i < shape.rank.max; ++i) {
    spec.shape.push_back(shape.dims[i].min == shape.dims[i].max ? shape.dims[i].min : -1);
  }
  api_.ov_partial_shape_free(&shape);
  return spec;
}

std::vector<TensorSpec> Reader::specs(bool outputs) const {
  size_t size = 0;
  runtime_.check((outputs ? api_.ov_model_outputs_size : api_.ov_model_inputs_size)(model_.get(), &size),
                 ErrorCode::kBackend, "OpenVINO does not tell the model's ports.", "");
  std::vector<TensorSpec> specs;
  for (size_t i = 0; i < size; ++i) {
    PortHandle port(api_);
    runtime_.check((outputs ? api_.ov_model_const_output_by_index : api_.ov_model_const_input_by_index)(model_.get(), i,
                                                                                                        port.out()),
                   ErrorCode::kBackend, "OpenVINO does not tell the model's ports.", "");
    specs.push_back(spec(port.get(), outputs, i));
  }
  make_names_unique(specs);  // two ports over one tensor share its name
  return specs;
}

}  // namespace edge::openvino
