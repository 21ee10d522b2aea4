// Pairing two pieces of graphs from their outputs backwards.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "graft/surgery/diff.hpp"

#include "surgery/anchored.hpp"

namespace graft::detail {

class matcher {
 public:
  /// @param stop_at_first true: only whether they are the same
  matcher(anchored a, anchored b, const compare_options& options, bool stop_at_first);
  correspondence run();

 private:
  static constexpr std::uint32_t none = anchored::none;
  static constexpr std::size_t max_depth = 64;  // of bodies in bodies

  // One side of the comparison.
  struct side {
    explicit side(anchored piece) : a(std::move(piece)) {}
    anchored a;
    std::vector<std::uint32_t> partner;      // by place: place on the other side
    std::vector<std::uint32_t> cut_partner;  // by place among the cuts
    std::unordered_map<std::uint32_t, variable_id> variables;
  };
  struct pending {
    tensor_id left, right;
    op_id left_user, right_user;  // not valid: an output
    std::uint32_t slot = 0;
    const char* role = "operand";  // of whom `slot` is the number
    bool whole_op = false;         // the output does not count
  };

  void add(difference_kind what, op_id left, op_id right, std::string text);
  /// Of the graphs that have the variables: bodies have none.
  [[nodiscard]] matcher& outermost() { return outer_ != nullptr ? outer_->outermost() : *this; }
  [[nodiscard]] bool stopped() const { return stop_ && !result_.differences.empty(); }
  [[nodiscard]] std::string left(op_id op) const;
  [[nodiscard]] std::string right(op_id op) const;
  [[nodiscard]] std::string left(tensor_id t) const { return name(l_, t); }
  [[nodiscard]] std::string right(tensor_id t) const { return name(r_, t); }
  [[nodiscard]] static std::string name(const side& s, tensor_id t);
  [[nodiscard]] std::string place_of(const pending& p) const;

  void match_boundary();
  void match_tensor(const pending& p);
  void match_cut(const pending& p, int left_cut, int right_cut);
  void match_given(const pending& p, const Array* left_value, const Array* right_value);
  bool skip_extra(const pending& p);
  [[nodiscard]] bool looks_like(const side& s, tensor_id t, const side& other, tensor_id u) const;
  void match_op(op_id left_op, op_id right_op, const pending& p);
  void match_attributes(op_id left_op, op_id right_op);
  void match_attribute(op_id left_op, op_id right_op, const attribute& x, const attribute& y);
  void match_variables(op_id left_op, op_id right_op, variable_id x, variable_id y);
  void match_types(op_id left_op, op_id right_op);
  void match_body(op_id left_op, op_id right_op, const attribute& x, const attribute& y);
  void match_values(const variable_info& x, const variable_info& y);
  void push_needs(op_id left_op, op_id right_op);
  void check_controls();
  void check_collections();
  void list_unmatched();

  side l_, r_;
  compare_options options_;
  bool stop_;
  matcher* outer_ = nullptr;  // of a body: pairs the variables
  // Whether two bodies were found to be the same, of the outermost: they may be owned many times over.
  std::map<std::pair<const Graph*, const Graph*>, bool> same_bodies_;
  std::size_t depth_ = 0;
  correspondence result_;
  std::vector<pending> stack_, later_;
};

}  // namespace graft::detail
