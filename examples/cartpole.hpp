// CartPole: a pole on a cart, by its published equations.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <random>

/// The cart-pole problem with a force of 10 N to the left or right and Euler steps of 0.02 s; an episode ends when the pole
/// leans more than 12 degrees, the cart leaves +-2.4 m, or after 500 steps. Reward 1 a step.
/// @see Barto, Sutton, Anderson, Neuronlike adaptive elements that can solve difficult learning control problems, 1983;
/// Florian, Correct equations for the dynamics of the cart-pole system, 2007
class cartpole {
 public:
  /// Position m, velocity m/s, angle rad, angular velocity rad/s.
  using observation = std::array<float, 4>;
  struct result {
    observation state;
    bool fell;   ///< the episode ended by falling
    bool ended;  ///< the episode ended, also by its length
  };

  explicit cartpole(std::uint64_t seed) : random_(seed) {}

  observation reset() {
    for (double& v : state_) v = uniform() * 0.1 - 0.05;
    steps_ = 0;
    return seen();
  }

  result step(int action) {
    auto& [x, velocity, angle, spin] = state_;
    const double force = action == 1 ? 10.0 : -10.0;
    const double sine = std::sin(angle), cosine = std::cos(angle);
    const double push = (force + pole_moment * spin * spin * sine) / total_mass;
    const double spin_change =
        (gravity * sine - cosine * push) /
        (half_length * (4.0 / 3.0 - pole_mass * cosine * cosine / total_mass));
    const double speed_change = push - pole_moment * spin_change * cosine / total_mass;
    x += time_step * velocity;
    velocity += time_step * speed_change;
    angle += time_step * spin;
    spin += time_step * spin_change;
    ++steps_;
    const bool fell = std::abs(x) > 2.4 || std::abs(angle) > 12 * 3.14159265358979323846 / 180;
    return {seen(), fell, fell || steps_ >= 500};
  }

  /// The same numbers on every machine: standard distributions are not.
  double uniform() { return static_cast<double>(random_() >> 11) * 0x1.0p-53; }

 private:
  static constexpr double gravity = 9.8, pole_mass = 0.1, total_mass = 1.1, half_length = 0.5;
  static constexpr double pole_moment = pole_mass * half_length, time_step = 0.02;

  [[nodiscard]] observation seen() const {
    return {static_cast<float>(state_[0]), static_cast<float>(state_[1]),
            static_cast<float>(state_[2]), static_cast<float>(state_[3])};
  }

  std::mt19937_64 random_;
  std::array<double, 4> state_{};
  int steps_ = 0;
};
