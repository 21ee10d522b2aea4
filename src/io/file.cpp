#include "io/file.hpp"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "graft/core/error.hpp"

namespace graft::io {
namespace {

[[noreturn]] void fail(const std::string& what, const std::string& path, int reason) {
  throw io_error({"'" + path + "' was to be " + what, std::strerror(reason), path,
                  "check the path, the permissions and the space on the device"});
}

// Closes on every way out.
class descriptor {
 public:
  explicit descriptor(int fd) : fd_(fd) {}
  ~descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  /// Closes now; some systems report a failed write only here.
  [[nodiscard]] int close_now() {
    const int result = ::close(fd_);
    fd_ = -1;
    return result;
  }

 private:
  int fd_;
};

// Removes the temporary file unless it was renamed.
class temporary {
 public:
  explicit temporary(std::string path) : path_(std::move(path)) {}
  ~temporary() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  temporary(const temporary&) = delete;
  temporary& operator=(const temporary&) = delete;
  void keep() { path_.clear(); }

 private:
  std::string path_;
};

void write_all(int fd, std::span<const std::byte> bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail("written", path, n < 0 ? errno : EIO);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe";
  return "a device";
}

// Where a file is to be put: at the end of symbolic links, which stay. What is there and is no regular file would be
// replaced by one, so it is refused.
std::string target_of(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return path;
  if (!S_ISREG(info.st_mode)) {
    throw io_error({"'" + path + "' was to be written",
                    std::string("it is ") + kind_of(info.st_mode) + ", not a regular file", path,
                    "give the path of a file"});
  }
  const std::unique_ptr<char, decltype(&std::free)> end(::realpath(path.c_str(), nullptr),
                                                        &std::free);
  if (end == nullptr) fail("written", path, errno);
  return end.get();
}

// Makes a new file in the folder of `path` and gives its name. (mkstemp would make it private to
// its owner, and the mask that other files are made with cannot be asked for without changing it
// for all threads.)
int create_beside(const std::string& path, std::string& name) {
  static std::atomic<unsigned> count{0};
  for (int attempt = 0; attempt < 1000; ++attempt) {
    name = path + "." + std::to_string(::getpid()) + "-" + std::to_string(count++) + ".tmp";
    const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0 || errno != EEXIST) return fd;
  }
  return -1;
}

}  // namespace

std::vector<std::byte> read_file(const std::string& path) {
  // A pipe without a writer would keep open() waiting. Regular files are read the same either way.
  const descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) fail("read", path, errno);
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) fail("read", path, errno);
  if (!S_ISREG(info.st_mode)) {
    throw io_error({"'" + path + "' was to be read",
                    std::string("it is ") + kind_of(info.st_mode) + ", not a regular file", path,
                    "give the path of a file"});
  }
  std::vector<std::byte> bytes(static_cast<std::size_t>(info.st_size));
  std::size_t at = 0;
  while (at < bytes.size()) {
    const ssize_t n = ::read(file.get(), bytes.data() + at, bytes.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("read", path, errno);
    if (n == 0) break;
    at += static_cast<std::size_t>(n);
  }
  bytes.resize(at);
  return bytes;
}

void replace_file(const std::string& asked, std::span<const std::span<const std::byte>> parts) {
  const std::string path = target_of(asked);
  std::string name;
  descriptor file(create_beside(path, name));
  if (file.get() < 0) fail("written", path, errno);
  temporary unfinished(name);
  for (const auto& part : parts) write_all(file.get(), part, path);
  if (::fsync(file.get()) != 0) fail("synced", path, errno);
  if (file.close_now() != 0) fail("closed", path, errno);
  if (::rename(name.c_str(), path.c_str()) != 0) fail("put in place", path, errno);
  unfinished.keep();
  const descriptor folder(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0) ::fsync(folder.get());  // best effort: the file itself is complete
}

}  // namespace graft::io
