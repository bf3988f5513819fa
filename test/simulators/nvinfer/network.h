// What a simulated parser and the simulated builder share: a network that is an engine's plan in the making.
#pragma once

// Defines the network (an INetworkDefinition of the simulated library) by the lines of an engine, README.md's, without
// the first and the last. Returns false where it does not take them.
extern "C" bool nvinfer_simulator_define(void* network, const char* lines);
// A setting of the simulated driver's control file, `NAME NUMBER`, that is for TensorRT; 0 where it is not there.
extern "C" unsigned long nvinfer_simulator_setting(const char* name);
// Whether a plugin library has registered it.
extern "C" bool nvinfer_simulator_has_plugin(const char* name);
