// Files of a test's own.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <unistd.h>

namespace graft_test {

/// A path that no other test uses; what is there is removed with it.
class temporary_file {
 public:
  temporary_file() {
    static int count = 0;
    path = (std::filesystem::temp_directory_path() /
            ("graft_test_" + std::to_string(::getpid()) + "_" + std::to_string(count++)))
               .string();
  }
  ~temporary_file() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  temporary_file(const temporary_file&) = delete;
  temporary_file& operator=(const temporary_file&) = delete;

  [[nodiscard]] std::string bytes() const {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(const std::string& bytes) const {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
  [[nodiscard]] bool exists() const { return std::filesystem::exists(path); }

  std::string path;
};

}  // namespace graft_test
