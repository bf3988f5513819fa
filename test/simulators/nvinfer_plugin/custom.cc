// A library of somebody's own plugin, which registers it when it is opened, as REGISTER_TENSORRT_PLUGIN does.
extern "C" void nvinfer_simulator_register_plugin(const char* name);

namespace {

const bool registered = [] {
  nvinfer_simulator_register_plugin("Custom_TRT");
  return true;
}();

}  // namespace
