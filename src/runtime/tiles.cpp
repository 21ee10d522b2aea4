#include "runtime/tiles.hpp"

#include <algorithm>
#include <cstring>

namespace graft::detail {
namespace {

using kind = tile_program::reference::kind;

// Elements of a tile: enough for calls to cost little, few enough for what an instruction touches
// to stay in cache.
constexpr std::int64_t least_tile = 256, most_tile = 1024, compiled_tile = 4096;
constexpr std::size_t cache_bytes = 24 * 1024;
// Rows of at least so many elements are cut into tiles; shorter ones go several to a tile.
constexpr std::int64_t wide_row = 256;
// Work is shared from so many elements on, in parts that depend on the size alone.
constexpr std::int64_t parallel_elements = 65536, part_elements = 16384, most_parts = 16;

template <class T>
void spread_columns(const void* from, void* to, std::int64_t rows, std::int64_t cols) {
  const T* source = static_cast<const T*>(from);
  T* target = static_cast<T*>(to);
  for (std::int64_t r = 0; r < rows; ++r) std::fill_n(target + r * cols, cols, source[r]);
}

}  // namespace

tile_program::reference tile_program::outer(std::uint32_t index, tile_mode mode,
                                            std::size_t width) const {
  return {kind::outer, mode, index, static_cast<std::uint32_t>(width), 0};
}

tile_program::reference tile_program::result_of(std::uint32_t number) const {
  return results_[number];
}

std::uint32_t tile_program::add(instruction code, std::span<const result> results) {
  const auto first = static_cast<std::uint32_t>(results_.size());
  for (const result& r : results) {
    const reference out{r.stored ? kind::output : kind::temporary,
                        tile_mode::full,
                        r.stored ? outputs_++ : 0,
                        static_cast<std::uint32_t>(r.width),
                        0,
                        static_cast<std::uint32_t>(results_.size())};
    results_.push_back(out);
    code.out.push_back(out);
  }
  code_.push_back(std::move(code));
  return first;
}

// Gives temporaries their tiles; one that is read for the last time makes room for the next.
void tile_program::share_temporaries() {
  std::vector<std::uint32_t> last_use(results_.size(), 0), tile_of(results_.size(), 0), free;
  for (std::uint32_t i = 0; i < code_.size(); ++i) {
    for (const reference& in : code_[i].in) {
      if (in.what == kind::temporary) last_use[in.producer] = i;
    }
  }
  for (std::uint32_t i = 0; i < code_.size(); ++i) {
    instruction& code = code_[i];
    std::vector<std::uint32_t> dying;
    bool over_them = true;  // the result may be written over every operand that dies
    for (std::uint32_t k = 0; k < code.in.size(); ++k) {
      reference& in = code.in[k];
      if (in.what != kind::temporary) continue;
      in.index = tile_of[in.producer];
      if (last_use[in.producer] != i) continue;
      if (std::find(dying.begin(), dying.end(), in.index) == dying.end()) dying.push_back(in.index);
      over_them = over_them && in.width == code.out[0].width &&
                  std::find(code.in_place.begin(), code.in_place.end(), k) != code.in_place.end();
    }
    if (over_them) free.insert(free.end(), dying.begin(), dying.end());
    for (reference& out : code.out) {
      if (out.what != kind::temporary) continue;
      if (free.empty()) {
        out.index = tiles_++;
      } else {
        out.index = free.back();
        free.pop_back();
      }
      tile_of[out.producer] = out.index;
    }
    if (!over_them) free.insert(free.end(), dying.begin(), dying.end());
  }
}

// An output may be written over an operand that no later instruction reads: elements depend on
// elements of the same place only.
void tile_program::allow_in_place(bound_kernel& kernel) const {
  for (std::uint32_t j = 0; j < code_.size(); ++j) {
    for (const reference& out : code_[j].out) {
      if (out.what != kind::output || out.index > 255) continue;
      std::vector<std::uint32_t> candidates;
      for (std::uint32_t i = 0; i <= j; ++i) {
        for (const reference& in : code_[i].in) {
          if (in.what == kind::outer && in.mode == tile_mode::full && in.width == out.width &&
              in.index <= 255 &&
              std::find(candidates.begin(), candidates.end(), in.index) == candidates.end()) {
            candidates.push_back(in.index);
          }
        }
      }
      for (const std::uint32_t candidate : candidates) {
        if (!may_be_written_over(candidate, j)) continue;
        kernel.in_place.push_back(
            {static_cast<std::uint8_t>(out.index), static_cast<std::uint8_t>(candidate)});
      }
    }
  }
}

// Whether instruction j may write over an outer operand: it is the last to read it, and may.
bool tile_program::may_be_written_over(std::uint32_t candidate, std::uint32_t j) const {
  for (std::uint32_t i = j; i < code_.size(); ++i) {
    for (std::uint32_t k = 0; k < code_[i].in.size(); ++k) {
      const reference& in = code_[i].in[k];
      if (in.what != kind::outer || in.index != candidate) continue;
      const auto& own = code_[i].in_place;
      if (i != j || std::find(own.begin(), own.end(), k) == own.end()) return false;
    }
  }
  return true;
}

struct tile_program::compiled {
  struct expansion {
    reference from;
    std::uint32_t tile;
  };
  std::vector<instruction> code;
  std::vector<expansion> rows, columns;  // operands that are spread out into scratch tiles
  std::int64_t size = 0, cols = 0;
  std::int64_t tile = 0;           // elements of a tile, a multiple of cols in narrow rows
  std::int64_t tiles_per_row = 0;  // of wide rows; 0: rows are narrow or do not matter
  std::int64_t tiles = 0, parts = 1;
  std::size_t tile_bytes = 0, part_bytes = 0;

  void run(const kernel_call& call) const {
    if (parts == 1) {
      run_part(call, 0);
    } else {
      call.parallel.run(parts, [&](std::int64_t part) { run_part(call, part); });
    }
  }

  void run_part(const kernel_call& call, std::int64_t part) const {
    std::byte* scratch = call.scratch + static_cast<std::size_t>(part) * part_bytes;
    const std::int64_t first = tiles * part / parts, last = tiles * (part + 1) / parts;
    for (const expansion& e : rows) {  // every tile begins at the start of a row
      const std::size_t bytes = static_cast<std::size_t>(cols) * e.from.width;
      std::byte* to = scratch + e.tile * tile_bytes;
      for (std::int64_t r = 0; r < std::min(tile, size) / cols; ++r) {
        std::memcpy(to + static_cast<std::size_t>(r) * bytes, call.in[e.from.index], bytes);
      }
    }
    for (std::int64_t t = first; t < last; ++t) run_tile(call, scratch, t);
  }

  void run_tile(const kernel_call& call, std::byte* scratch, std::int64_t t) const {
    std::int64_t at = t * tile, n = std::min(tile, size - at), row = 0, col = 0;
    if (tiles_per_row > 0) {
      row = t / tiles_per_row;
      col = t % tiles_per_row * tile;
      at = row * cols + col;
      n = std::min(tile, cols - col);
    }
    for (const expansion& e : columns) {
      spread(call, e, scratch + e.tile * tile_bytes, at / cols, n / cols);
    }
    for (const instruction& c : code) {
      if (c.fused != nullptr) {
        run_fused(call, scratch, c, at, row, col, n);
        continue;
      }
      const void* in[max_tile_operands];
      bool scalar[max_tile_operands];
      for (std::size_t k = 0; k < c.in.size(); ++k) {
        in[k] = operand(call, scratch, c.in[k], at, row, col, scalar[k]);
      }
      c.tile(in, scalar, result_at(call, scratch, c.out[0], at), n);
    }
  }

  // A compiled chain reads rows and columns itself: nothing is spread out for it.
  void run_fused(const kernel_call& call, std::byte* scratch, const instruction& c, std::int64_t at,
                 std::int64_t row, std::int64_t col, std::int64_t n) const {
    const void* in[max_form_operands];
    void* out[max_form_nodes];
    bool by_rows = false;
    for (std::size_t k = 0; k < c.in.size(); ++k) {
      const reference& r = c.in[k];
      if (r.mode == tile_mode::row || r.mode == tile_mode::column) {
        const std::int64_t first = r.mode == tile_mode::row ? col
                                   : tiles_per_row > 0      ? row
                                                            : at / cols;
        in[k] = static_cast<const std::byte*>(call.in[r.index]) +
                static_cast<std::size_t>(first) * r.width;
        by_rows = true;
      } else {
        bool scalar = false;
        in[k] = operand(call, scratch, r, at, row, col, scalar);
      }
    }
    for (std::size_t o = 0; o < c.out.size(); ++o) out[o] = result_at(call, scratch, c.out[o], at);
    const bool several = by_rows && tiles_per_row == 0;
    c.fused({in, out, several ? n / cols : 1, several ? cols : n, cols});
  }

  std::byte* result_at(const kernel_call& call, std::byte* scratch, const reference& out,
                       std::int64_t at) const {
    return out.what == kind::output ? static_cast<std::byte*>(call.out[out.index]) +
                                          static_cast<std::size_t>(at) * out.width
                                    : scratch + out.index * tile_bytes;
  }

  const void* operand(const kernel_call& call, std::byte* scratch, const reference& r,
                      std::int64_t at, std::int64_t row, std::int64_t col, bool& scalar) const {
    scalar = false;
    if (r.what == kind::temporary) return scratch + r.index * tile_bytes;
    const auto* base = static_cast<const std::byte*>(r.what == kind::output ? call.out[r.index]
                                                                            : call.in[r.index]);
    switch (r.mode) {
      case tile_mode::full:
        return base + static_cast<std::size_t>(at) * r.width;
      case tile_mode::scalar:
        scalar = true;
        return base;
      case tile_mode::row:
        return tiles_per_row > 0 ? base + static_cast<std::size_t>(col) * r.width
                                 : scratch + r.expansion * tile_bytes;
      case tile_mode::column:
        scalar = tiles_per_row > 0;
        return scalar ? base + static_cast<std::size_t>(row) * r.width
                      : scratch + r.expansion * tile_bytes;
    }
    return nullptr;
  }

  void spread(const kernel_call& call, const expansion& e, std::byte* to, std::int64_t row,
              std::int64_t count) const {
    const auto* from = static_cast<const std::byte*>(call.in[e.from.index]) +
                       static_cast<std::size_t>(row) * e.from.width;
    switch (e.from.width) {
      case 1:
        return spread_columns<std::uint8_t>(from, to, count, cols);
      case 2:
        return spread_columns<std::uint16_t>(from, to, count, cols);
      case 4:
        return spread_columns<std::uint32_t>(from, to, count, cols);
      default:
        return spread_columns<std::uint64_t>(from, to, count, cols);
    }
  }
};

bound_kernel tile_program::bind() && {
  share_temporaries();
  bound_kernel kernel;
  allow_in_place(kernel);

  auto program = std::make_shared<compiled>();
  compiled& c = *program;
  c.size = size_;
  c.cols = cols_;
  std::size_t width = 1, streams = tiles_ + outputs_;
  for (const instruction& code : code_) {
    for (const reference& out : code.out) width = std::max<std::size_t>(width, out.width);
    for (const reference& in : code.in) {
      width = std::max<std::size_t>(width, in.width);
      if (in.what == kind::outer && in.mode == tile_mode::full) ++streams;
    }
  }
  const auto fitting =
      static_cast<std::int64_t>(cache_bytes / (width * std::max<std::size_t>(streams, 1)));
  // A chain that is compiled as a whole leaves nothing for a second kernel to find in the cache.
  const bool whole = code_.size() == 1 && code_[0].fused != nullptr;
  c.tile = whole ? compiled_tile : std::clamp(fitting / 64 * 64, least_tile, most_tile);
  if (cols_ >= (whole ? compiled_tile : wide_row)) {
    c.tiles_per_row = (cols_ + c.tile - 1) / c.tile;
    c.tiles = c.tiles_per_row * (size_ / cols_);
  } else {
    if (cols_ > 0) c.tile = std::max<std::int64_t>(c.tile / cols_, 1) * cols_;
    c.tiles = (size_ + c.tile - 1) / c.tile;
    for (instruction& code : code_) {
      if (code.fused != nullptr) continue;
      for (reference& in : code.in) {
        if (in.what != kind::outer || in.mode == tile_mode::full || in.mode == tile_mode::scalar)
          continue;
        auto& spread_out = in.mode == tile_mode::row ? c.rows : c.columns;
        const auto known = std::find_if(spread_out.begin(), spread_out.end(), [&](const auto& e) {
          return e.from.index == in.index && e.from.mode == in.mode;
        });
        in.expansion = known != spread_out.end() ? known->tile : tiles_++;
        if (known == spread_out.end()) spread_out.push_back({in, in.expansion});
      }
    }
  }
  c.code = std::move(code_);
  c.tile_bytes = (static_cast<std::size_t>(c.tile) * width + 63) / 64 * 64;
  c.part_bytes = c.tile_bytes * tiles_;
  if (size_ >= parallel_elements) {
    c.parts = std::min({most_parts, (size_ + part_elements - 1) / part_elements, c.tiles});
  }
  kernel.scratch_bytes = c.part_bytes * static_cast<std::size_t>(c.parts);
  kernel.run = [program](const kernel_call& call) { program->run(call); };
  return kernel;
}

}  // namespace graft::detail
