// The host program: one process that holds SDKs, devices and models for an application that must outlive them.
// Started by the library only: its socket is descriptor 3.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "host/sandbox.h"
#include "host/server.h"

int main(int count, char** arguments) {
  constexpr int kControl = 3;
  edge::host::SandboxOptions options;
  for (int i = 1; i < count; ++i) {
    const std::string option = arguments[i];
    if (option == "--strict") options.strict = true;
    if (option == "--max-memory" && i + 1 < count) options.max_memory = std::strtoull(arguments[++i], nullptr, 10);
    if (option == "--writable" && i + 1 < count) options.writable.emplace_back(arguments[++i]);
  }
  struct stat facts{};
  if (fstat(kControl, &facts) != 0 || !S_ISSOCK(facts.st_mode)) {
    std::fputs("This program is started by edge-infer's library, for models that are loaded with `isolate: true`.\n",
               stderr);
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  fcntl(kControl, F_SETFD, FD_CLOEXEC);
  // What else was inherited belongs to the parent; an open socket here would keep its peers waiting.
  for (int other = kControl + 1, last = static_cast<int>(sysconf(_SC_OPEN_MAX)); other < last && other < 4096;
       ++other) {
    close(other);
  }
  const std::string sandbox = edge::host::enter_sandbox(options);
  edge::host::serve(edge::host::Channel(edge::host::FileDescriptor(kControl)), sandbox, options.max_memory);
}
