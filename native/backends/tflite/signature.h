// Signatures: the names under which a model file offers its graphs, inputs and outputs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace edge::tflite {

// One name for each input and output of the signature's graph, in the graph's order; '' where it gives none.
struct Signature {
  std::vector<std::string> inputs, outputs;
};

// Finds a signature of the model, and puts its graph first, which is where every release of TFLite looks for the one
// that it runs; all that works on a model works on this graph then. Throws kInvalidArgument, with the signatures that
// there are, kInvalidModel, or kUnsupported where other graphs call one of those that change places.
Signature select_signature(std::vector<uint8_t>& model, const std::string& name);

}  // namespace edge::tflite
