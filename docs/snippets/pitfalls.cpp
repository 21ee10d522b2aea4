// The code of the page on what can go wrong, and that it does.
#include <graft/graft.hpp>

#include "check.hpp"

using namespace graft;

namespace {

void layers_used_twice() {
  Graph g;
  auto a = placeholder<float, shape<dyn, 64>>(g, "a");
  auto b = placeholder<float, shape<dyn, 64>>(g, "b");
  {
    //! [twice]
    auto d = dense<64>;
    auto y = d(a) + d(b);  // two layers: two kernels, two biases
    //! [twice]
    check(trainable_variables(y).size() == 4, "a plain layer makes variables at each call");
  }
  {
    //! [shared]
    auto d = dense<64>.shared("encoder");
    auto y = d(a) + d(b);  // one layer, used twice
    auto z = d(relu(a));   // and once more, wherever the key is used in this graph
    //! [shared]
    check(trainable_variables(z) == trainable_variables(y), "the key finds the layer again");
    check(trainable_variables(y).size() == 2, "a layer with a key makes its variables once");
    auto copy = clone(extract(inputs(a, b), outputs(y)), variables::fresh);
    check(copy.variables().size() == 2, "a clone keeps it one layer");
    auto narrow = placeholder<float, shape<dyn, 32>>(g, "narrow");
    check_refused([&] { d(narrow); }, "encoder");
  }
}

void equal_calls() {
  Graph g;
  auto x = placeholder<float, shape<2>>(g, "x");
  //! [equal_calls]
  auto h = relu(x);
  auto once = h + h;               // one relu
  auto twice = relu(x) + relu(x);  // two of them
  //! [equal_calls]
  Session session(g);
  const Array some = Array::from<float>({2}, {1.0f, 2.0f});
  check(session.run(once, feed(h, some)).at<float>({1}) == 4, "feeding h feeds both operands");
  check(session.run(twice, feed(x, some)).at<float>({1}) == 4, "both sums are equal");
}

void rebinding() {
  Graph g;
  const Array some = Array::from<float>({2}, {255.0f, 510.0f});
  //! [rebinding]
  auto pixels = placeholder<float, shape<2>>(g, "pixels");
  auto x = pixels / 255.0f;
  auto y = relu(x);
  Session session(g);
  session.run(y, feed(pixels, some));  // divided
  session.run(y, feed(x, some));       // not divided: x is what the division returns
  //! [rebinding]
  check(session.run(y, feed(pixels, some)).at<float>({1}) == 2, "feeding the placeholder divides");
  check(session.run(y, feed(x, some)).at<float>({1}) == 510, "feeding x does not");
}

void old_values() {
  Graph g;
  const Array some(dtype::float32, {4, 3}), digits(dtype::int64, {4});
  auto x = placeholder<float, shape<dyn, 3>>(g, "x");
  auto labels = placeholder<std::int64_t, shape<dyn>>(g, "labels");
  auto y = dense<2>(x);
  auto step = minimize(mean(softmax_cross_entropy(y, labels)), sgd{.rate = 0.5});
  Session session(g);
  session.initialize();
  //! [old_values]
  auto [before, done] =
      session.run(std::tuple{y, step.updates}, feed(x, some), feed(labels, digits));
  auto after = session.run(y, feed(x, some));
  //! [old_values]
  check(!before.same_bits(after), "the run that updates still sees the old values");
}

void copied_needs_values() {
  Graph g;
  auto x = placeholder<float, shape<dyn, 3>>(g, "x");
  auto y = dense<2>(x);
  check_refused(
      [&] {
        //! [copied]
        clone(extract(inputs(x), outputs(y)), variables::copied);  // throws: no values yet
        //! [copied]
      },
      "dense/kernel");
}

void formatted() {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  //! [formatted]
  // clang-format off
  constexpr auto chained = dense<8> >> relu >> dense<3>;
  // clang-format on
  constexpr auto listed = sequence(dense<8>, relu(), dense<3>);  // the same network
  //! [formatted]
  check(std::is_same_v<decltype(chained(x)), decltype(listed(x))>, "both are of one type");
}

void activations_alone() {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  //! [activations_alone]
  auto squash = sequence(relu(), tanh());  // relu >> tanh does not compile
  auto y = squash(x);
  //! [activations_alone]
  check(updates_of(y).empty(), "activations own no variables");
}

void unused_feed() {
  Graph g;
  Session session(g);
  const Array some(dtype::float32, {3});
  check_refused(
      [&] {
        //! [unused_feed]
        auto x = placeholder<float, shape<3>>(g, "x");
        auto y = x * 2.0f;
        auto dy = gradient(y, x);  // twos, whatever x is
        session.run(dy);
        session.run(dy, feed(x, some));  // throws: nothing that was asked for needs x
        //! [unused_feed]
      },
      "nothing that was asked for needs it");
}

void hidden_name() {
  //! [hidden_name]
  Graph g;
  auto in = placeholder<float, shape<dyn, 4>>(g, "in");  // hides graft::in from here on
  constexpr auto mlp = net<[](auto x) { return dense<3>(x); }, graft::in<float, shape<dyn, 4>>>();
  auto y = lower(mlp, g, in);
  //! [hidden_name]
  check(trainable_variables(y).size() == 2, "the network was added");
}

void expressions() {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  //! [expressions]
  auto part = [&] { return tanh(x * 2.0f + 1.0f); };
  auto y = part();  // ops in the graph, and a handle that names the last
  std::size_t before = g.op_count();
  part();                            // adds them once more, though nobody keeps the handle
  std::size_t after = g.op_count();  // larger
  //! [expressions]
  check(after > before, "calling a builder adds ops");
  //! [values]
  constexpr auto head = sequence(dense<8>, relu(), dense<3>);  // a value: no ops yet
  auto z = head(y);                                            // ops and variables are made here
  //! [values]
  check(trainable_variables(z).size() == 4, "two layers have two variables each");
}

void closure() {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  //! [closure]
  auto h = batch_norm(dense<8>(x));
  auto y = dense<2>(relu(h));
  training_step step = minimize(mean(square(y)), adam{});
  Region all = extract(inputs(x), outputs(y));  // 8 variables: statistics and their updates come
                                                // along, the optimiser's slots do not
  Region top = extract(inputs(h), outputs(y));  // 2 variables: what lies above h
  Region whole = extract_training(inputs(x), step);  // the optimiser as well
  //! [closure]
  check(all.variables().size() == 8, "two layers of two variables, batch norm of four");
  check(top.variables().size() == 2, "the second layer's");
  check(whole.variables().size() > all.variables().size() + 2 * 6,
        "two slots a parameter, and the step");
}

void shared_in_clones() {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  auto d = dense<4>.shared("tied");
  auto y = d(relu(d(x)));
  Session session(g, {.seed = 1});
  session.initialize();
  const Array some = Array::full<float>({2, 4}, 0.5f);
  //! [ties]
  Region region = extract(inputs(x), outputs(y));               // one layer, used twice
  Clone kept = clone(region, variables::copied);                // one layer of its own, used twice
  Clone split = clone(region, variables::copied, ties::split);  // two layers that begin alike
  Clone shared = clone(region, variables::shared);              // the same layer as the source
  //! [ties]
  check(kept.parameters().size() == 2, "ties are kept");
  check(split.parameters().size() == 4, "or split on request");
  check(shared.variables().empty(), "shared variables are not new");
  //! [counted_once]
  auto loss = mean(square(y)) + mean(square(shared(y)));
  training_step step = minimize(loss, sgd{.rate = 0.1});  // two parameters, not four
  //! [counted_once]
  check(step.parameters.size() == 2, "a shared variable counts once");
}

void ids_of_another_graph() {
  Graph g, other;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  auto loss = mean(square(dense<2>(x)));
  const Region region = extract(inputs(x), outputs(loss));
  check_refused(
      [&] {
        //! [ids]
        Clone there = clone(region, into(other, "there"));
        minimize_options of_there{.parameters = there.variables()};
        minimize(there(loss), adam{}, of_there);
        minimize(loss, adam{}, of_there);  // throws: these variables are of the other graph
        //! [ids]
      },
      "of another graph");
  check(g.find_scope("optimizer") == std::nullopt, "nothing was added");
}

void spans() {
  Graph g;
  auto x = placeholder<float, shape<3>>(g, "x");
  auto y = x * 2.0f, z = x + 1.0f;
  Session session(g);
  const Array ones = Array::full<float>({3}, 1.0f);
  const auto fed = feed(x, ones);
  //! [spans]
  float total = 0;
  for (float v : session.run(y, fed).span<float>()) total += v;
  auto kept = session.run(y, fed).span<float>();  // keeps the elements
  std::vector<Array> both = session.run(std::vector{y, z}, fed);
  for (float v : both[1].span<float>()) total += v;  // as long as both is there
  //! [spans]
  check(total == 12 && kept[2] == 2, "elements are there while they are looked at");
}

void modes() {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  Session session(g, {.seed = 1});
  const Array some = Array::from<float>({1, 4}, {1.0f, 2.0f, 3.0f, 4.0f});
  //! [modes]
  auto y = dropout(batch_norm(dense<3>(x)), 0.5);  // training mode, unless a scope says otherwise
  auto judged = inference(y);                      // the same variables, other ops
  //! [modes]
  session.initialize();
  check(session.run(judged, feed(x, some)).same_bits(session.run(judged, feed(x, some))),
        "inference repeats");
  check(trainable_variables(judged) == trainable_variables(y), "on the same variables");
}

void losses_beside_the_output() {
  Graph g;
  auto x = placeholder<float, shape<dyn, 4>>(g, "x");
  auto x2 = placeholder<float, shape<dyn, 4>>(g, "x2");
  auto w = make_variable<float, shape<4, 2>>(g, "w", glorot_uniform());
  //! [penalties]
  auto y = matmul(x, w);
  auto penalty = l2_regularization(w, 0.1);
  g.add_to_collection("regularization_losses", {member::kind::tensor, {}, g.id(penalty)});

  Region bare = extract(inputs(x), outputs(y));  // without it: a side exit in bare.report()
  std::vector<any_tensor> penalties;
  for (const member& m : g.collection("regularization_losses"))
    penalties.push_back(g.handle(m.tensor));
  Clone copy = clone(extract(inputs(x), outputs(y, penalties)), bind(x, x2));
  auto own = copy(penalties);  // of the copy's own weights, and in the collection
  //! [penalties]
  check(!bare.report().side_exits.empty(), "the penalty takes what the region reads");
  check(g.collection("regularization_losses").size() == 2, "the copy's penalty is listed");
  (void)clone(bare, bind(x, x2));
  check(g.collection("regularization_losses").size() == 2, "that of the bare region is not copied");
  check(trainable_variables(own[0]) == copy.parameters(), "it looks at the copy's weights");
}

void other_shapes() {
  Graph g;
  auto x = placeholder<float, shape<2, 4>>(g, "x");
  auto longer = placeholder<float, shape<8, 4>>(g, "longer");
  //! [reshaped_in_place]
  auto y = relu(x);
  reroute(x, longer, reshaping::allow);  // without it: refused, as the shapes differ
  auto now = as<float, shape<8, 4>>(y);  // y still says [2, 4], so exp(y) throws
  //! [reshaped_in_place]
  check(g.type_of(g.id(y)).shape == dims{8, 4} && now.ref() == y.ref(), "the tensor is longer");
  check_refused([&] { (void)exp(y); }, "float32 [8, 4]");
  check_refused([&] { (void)clone(extract(inputs(longer), outputs(y)))(y); }, "float32 [8, 4]");
}

}  // namespace

int main() {
  losses_beside_the_output();
  other_shapes();
  expressions();
  closure();
  shared_in_clones();
  ids_of_another_graph();
  spans();
  modes();
  formatted();
  activations_alone();
  unused_feed();
  hidden_name();
  layers_used_twice();
  equal_calls();
  rebinding();
  old_values();
  copied_needs_values();
}
