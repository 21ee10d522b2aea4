// The code of the page on errors, and what each says.
#include <graft/graft.hpp>

#include "check.hpp"

using namespace graft;

int main() {
  //! [network]
  Graph g;
  auto x = placeholder<float, shape<dim<"batch">, 4>>(g, "x");
  auto noise = placeholder<float, shape<dim<"batch">, 8>>(g, "noise");
  auto h = relu(dense<8, "hidden">(x));
  auto y = dense<2, "logits">(h + noise);
  Session session(g);
  //! [network]
  const Array some(dtype::float32, {3, 4}), other(dtype::float32, {3, 8});

  check_says<uninitialized_error>(
      [&] {
        //! [uninitialized]
        session.run(h, feed(x, some));
        //! [uninitialized]
      },
      R"(
        //! [uninitialized_says]
        variable 'hidden/kernel' was read; it has no value yet (hidden/kernel, declared at FILE:LINE).
        Run session.initialize() once after the last variable was made.
        //! [uninitialized_says]
      )");
  session.initialize();

  check_says<boundary_error>(
      [&] {
        //! [boundary]
        Region region = extract(inputs(x), outputs(y));
        //! [boundary]
      },
      R"(
        //! [boundary_says]
        extract(inputs('x'), outputs('logits/add')); output 'logits/add' <- 'logits/matmul' <- 'add' <- placeholder
        'noise'. Add what is missing to inputs(...), or pass leaks::keep to leave it outside or leaks::lift to make it
        an input, or give it a value: given(t, value).
        //! [boundary_says]
      )");

  const any_tensor pixels = placeholder<float, shape<784>>(g, "pixels");
  check_says<shape_error>(
      [&] {
        //! [layer]
        dense<10, "digits">(pixels);  // an any_tensor: only the graph knows its shape
        //! [layer]
      },
      R"(
        //! [layer_says]
        dense 'digits' was called on 'pixels'; the operand has too few axes: needs float32 [?, ?], got float32 [784]
        (FILE:LINE). Insert reshape or expand_dims before it.
        //! [layer_says]
      )");

  check_says<shape_error>(
      [&] {
        //! [feed]
        session.run(h, feed(x, Array(dtype::float32, {3, 5})));
        //! [feed]
      },
      R"(
        //! [feed_says]
        'x' was fed float32 [3, 5]; the tensor is float32 [batch, 4]: axis 1 has 4 elements, the value's 5 (x, declared
        at FILE:LINE). Feed a value of the tensor's shape.
        //! [feed_says]
      )");

  check_says<feed_error>(
      [&] {
        //! [unfed]
        session.run(y, feed(x, some));
        //! [unfed]
      },
      R"(
        //! [unfed_says]
        the value of placeholder 'noise' is needed; it was not fed, and 'add' reads it on the way to 'logits/add'
        (noise, declared at FILE:LINE). Add feed(noise, value) with float32 [batch, 8].
        //! [unfed_says]
      )");

  check_says<argument_error>(
      [&] {
        //! [rate]
        minimize(mean(square(y)), adam{.rate = -1});
        //! [rate]
      },
      R"(
        //! [rate_says]
        an optimiser was given rate = -1.000000; rate must be finite and at least 0. Nothing was added to the graph.
        //! [rate_says]
      )");

  Graph elsewhere;
  const Clone there = clone(extract(inputs(x), outputs(h)), into(elsewhere, "there"));
  check_says<handle_error>(
      [&] {
        //! [foreign]
        auto kernel = session.value(there.variables()[0]);  // of a clone in another graph
        //! [foreign]
      },
      R"(
        //! [foreign_says]
        variable 0 was asked for; the id is of another graph. Use the ids that this graph gave; those of what was cloned
        are found by the clone: clone(id).
        //! [foreign_says]
      )");

  //! [parts]
  try {
    session.run(y, feed(x, some));
  } catch (const feed_error& e) {
    const error_parts& p = e.parts();
    std::fprintf(stderr, "asked: %s\nfound: %s\nwhere: %s\nhint:  %s\n", p.asked.c_str(),
                 p.found.c_str(), p.where.c_str(), p.hint.c_str());
  }
  //! [parts]
}
