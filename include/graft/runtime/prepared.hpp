// Calls that are bound once and run many times.
#pragma once

#include <memory>
#include <span>

#include "graft/core/dims.hpp"
#include "graft/core/dtype.hpp"

namespace graft {

/// A call bound once: its fetches, its feeds and their shapes, with memory of its own for both.
///
/// After the first run, running allocates nothing, unless the graph was edited in between: where the edit touches an op
/// of the call, the next run binds the call again. One thread may use a prepared call at a time; several calls of one
/// session may run at once. Using one that was moved from is a handle_error.
///
/// Memory stays where it is when the call is moved, and from run to run. Spans of inputs are valid as long as the call;
/// spans and shapes of outputs until a run that binds it again, whether that run succeeds or throws: ask for them anew
/// after runs that follow edits.
/// @code
/// auto call = session.prepare(y, shaped(x, {32, 784}));
/// std::copy(pixels.begin(), pixels.end(), call.input<float>(0).begin());
/// call.run();
/// use(call.output<float>(0));
/// @endcode
class prepared_call {
 public:
  prepared_call(prepared_call&&) noexcept;
  prepared_call& operator=(prepared_call&&) noexcept;
  ~prepared_call();

  /// Runs the call. @throws what Session::run throws; variables and outputs are then as before, but
  /// for outputs that were computed already
  void run();

  /// The elements of feed i, to be written before run(). They stay between runs, and so does the span.
  /// @throws argument_error if there is no such feed, dtype_error if T is not its element type
  template <element T>
  [[nodiscard]] std::span<T> input(std::size_t i = 0) {
    const memory m = input_memory(i, dtype_of<T>);
    return {static_cast<T*>(m.data), m.size};
  }
  /// The elements of fetch i as the last run left them. The span is valid until a run that follows an edit of the graph.
  /// @throws argument_error if there is no such fetch, dtype_error if T is not its element type
  template <element T>
  [[nodiscard]] std::span<const T> output(std::size_t i = 0) const {
    const memory m = output_memory(i, dtype_of<T>);
    return {static_cast<const T*>(m.data), m.size};
  }
  /// The shape of feed i, fixed. @throws argument_error if there is no such feed
  [[nodiscard]] const dims& input_shape(std::size_t i = 0) const;
  /// The shape of fetch i. @throws argument_error if there is no such fetch
  [[nodiscard]] const dims& output_shape(std::size_t i = 0) const;
  /// How many feeds there are.
  [[nodiscard]] std::size_t input_count() const;
  /// How many fetches there are.
  [[nodiscard]] std::size_t output_count() const;

 private:
  friend class Session;
  struct state;
  struct memory {
    void* data;
    std::size_t size;
  };
  explicit prepared_call(std::unique_ptr<state> s);
  [[nodiscard]] state& held() const;  // refuses a call that was moved from
  [[nodiscard]] memory input_memory(std::size_t i, dtype type);
  [[nodiscard]] memory output_memory(std::size_t i, dtype type) const;

  std::unique_ptr<state> state_;
};

}  // namespace graft
