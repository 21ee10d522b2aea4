// The handwritten digits that several examples learn: reading, shuffling and splitting them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <graft/graft.hpp>

/// 8x8 images with values in [0, 1] and the digits they show.
struct digit_set {
  graft::Array images;  ///< float32 [n, 64]
  graft::Array labels;  ///< int64 [n]
};
struct digits {
  digit_set train;  ///< two thirds
  digit_set test;   ///< the held-out third
};

/// Reads the data and splits it after shuffling by the seed: in file order the writers of the last
/// third are not those of the first two.
digits read_digits(const std::string& path, std::uint64_t seed);

/// The share of rows whose largest logit is at the label.
/// @param logits float32 [n, 10]
double accuracy(const graft::Array& logits, const graft::Array& labels);
