// Running several elementwise kernels over one tile of elements after another.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "graft/core/form.hpp"
#include "graft/graph/operator.hpp"

namespace graft::detail {

/// Operands of a primitive kernel.
inline constexpr std::size_t max_tile_operands = 8;

/// How an operand of a result of rows of `cols` elements is read.
enum class tile_mode : std::uint8_t {
  full,    ///< element i for element i
  scalar,  ///< one element for all
  row,     ///< element i % cols
  column,  ///< element i / cols
};

/// A short program of elementwise kernels. What passes between them stays in tiles of scratch
/// memory, small enough for the first-level cache.
class tile_program {
 public:
  /// Where an operand or result is.
  struct reference {
    enum class kind : std::uint8_t { outer, temporary, output } what = kind::outer;
    tile_mode mode = tile_mode::full;
    std::uint32_t index = 0;
    std::uint32_t width = 0;               // bytes an element
    std::uint32_t expansion = 0;           // scratch tile that holds a row or column spread out
    std::uint32_t producer = 0xffffffffu;  // the number of the result, if it is one
  };
  /// A call of a primitive kernel, or of one that was compiled for several operators.
  struct instruction {
    std::function<void(const void* const* in, const bool* scalar, void* out, std::int64_t n)> tile;
    fused_kernel fused = nullptr;
    small_vector<reference, 3> in;
    small_vector<reference, 1> out;
    small_vector<std::uint8_t, 3> in_place;  // operands that a result may be written over
  };
  /// A result of an instruction that is to be added.
  struct result {
    std::size_t width = 0;  ///< bytes an element
    bool stored = false;    ///< an output of the program, numbered in the order of results
  };

  /// @param size elements of every result, > 0
  /// @param cols elements a row; 0 if no operand is read by rows or columns
  tile_program(std::int64_t size, std::int64_t cols) : size_(size), cols_(cols) {}

  [[nodiscard]] reference outer(std::uint32_t index, tile_mode mode, std::size_t width) const;
  [[nodiscard]] reference result_of(std::uint32_t number) const;
  /// Adds an instruction. @return the number of its first result; the others follow
  std::uint32_t add(instruction code, std::span<const result> results);

  /// The program as a kernel.
  bound_kernel bind() &&;

 private:
  struct compiled;
  void share_temporaries();
  void allow_in_place(bound_kernel& kernel) const;
  [[nodiscard]] bool may_be_written_over(std::uint32_t candidate, std::uint32_t j) const;

  std::int64_t size_, cols_;
  std::vector<instruction> code_;
  std::vector<reference> results_;
  std::uint32_t outputs_ = 0, tiles_ = 0;  // scratch tiles a part
};

}  // namespace graft::detail
