// Options of the sanitizers for the native tests: an allocation that cannot be had fails, as it does without them.

extern "C" {

#if defined(__SANITIZE_ADDRESS__)
__attribute__((visibility("default"))) const char* __asan_default_options() { return "allocator_may_return_null=1"; }
#elif defined(__SANITIZE_THREAD__)
__attribute__((visibility("default"))) const char* __tsan_default_options() {
  // Tests of the exit leave threads behind on purpose.
  return "allocator_may_return_null=1:report_thread_leaks=0";
}
#else
// An empty file is no C++ to a pedantic compiler.
const char* edge_no_sanitizer() { return ""; }
#endif
}
