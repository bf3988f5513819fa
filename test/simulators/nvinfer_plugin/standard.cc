// A simulator of libnvinfer_plugin.so: registers one of the standard plugins by name.
extern "C" {
void nvinfer_simulator_register_plugin(const char* name);

__attribute__((visibility("default"))) bool initLibNvInferPlugins(void* logger, const char* name_space) {
  if (logger == nullptr || name_space == nullptr) return false;
  nvinfer_simulator_register_plugin("EfficientNMS_TRT");
  return true;
}
}
