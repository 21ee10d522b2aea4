// --- Images --------------------------------------------------------------------------------------

// y[i] += w * x[i * Step]
template <extent Step, class T>
GRAFT_INLINE void add_scaled(const T* x, T w, T* y, extent n) {
  extent i = 0;
  if constexpr (Step == 1) {
    const vec<T> factor(w);
    for (; i + width<T> <= n; i += width<T>) {
      store(y + i, fma(load(x + i), factor, load(y + i)));
    }
  }
  for (; i < n; ++i) y[i] += w * x[i * Step];
}

// S: in and out channels, extents, window, groups, all constants.
template <class S, class T>
void convolution(const T* x, const T* w, T* y) {
  constexpr extent in_plane = S::in_h * S::in_w, out_plane = S::out_h * S::out_w;
  constexpr extent group_in = S::in_c / S::groups, group_out = S::out_c / S::groups;
  for (extent f = 0; f < S::out_c; ++f) {
    T* const plane = y + f * out_plane;
    for (extent i = 0; i < out_plane; ++i) plane[i] = 0;
    for (extent c = 0; c < group_in; ++c) {
      const T* const from = x + (f / group_out * group_in + c) * in_plane;
      const T* const filter = w + (f * group_in + c) * S::k_h * S::k_w;
      for (extent kh = 0; kh < S::k_h; ++kh) {
        for (extent kw = 0; kw < S::k_w; ++kw) {
          const extent shift = kw * S::dilation_w - S::pad_left;
          // The columns whose window lies inside the image.
          const extent first = shift >= 0 ? 0 : (-shift + S::stride_w - 1) / S::stride_w;
          extent last = (S::in_w - shift + S::stride_w - 1) / S::stride_w;
          if (S::in_w <= shift) last = 0;
          if (last > S::out_w) last = S::out_w;
          if (first >= last) continue;
          for (extent oh = 0; oh < S::out_h; ++oh) {
            const extent ih = oh * S::stride_h + kh * S::dilation_h - S::pad_top;
            if (ih < 0 || ih >= S::in_h) continue;
            add_scaled<S::stride_w>(from + ih * S::in_w + first * S::stride_w + shift,
                                    filter[kh * S::k_w + kw], plane + oh * S::out_w + first,
                                    last - first);
          }
        }
      }
    }
  }
}

template <class S, bool Maximum, bool CountPadding, class T>
void pooling(const T* x, T* y) {
  for (extent c = 0; c < S::in_c; ++c) {
    const T* const from = x + c * S::in_h * S::in_w;
    for (extent oh = 0; oh < S::out_h; ++oh) {
      for (extent ow = 0; ow < S::out_w; ++ow) {
        const extent top = oh * S::stride_h - S::pad_top, left = ow * S::stride_w - S::pad_left;
        T value = Maximum ? -traits<T>::infinity : T(0);
        extent count = 0;
        for (extent kh = 0; kh < S::k_h; ++kh) {
          const extent ih = top + kh * S::dilation_h;
          if (ih < 0 || ih >= S::in_h) continue;
          for (extent kw = 0; kw < S::k_w; ++kw) {
            const extent iw = left + kw * S::dilation_w;
            if (iw < 0 || iw >= S::in_w) continue;
            const T v = from[ih * S::in_w + iw];
            if constexpr (Maximum) {
              value = v > value || v != v ? v : value;
            } else {
              value += v;
            }
            ++count;
          }
        }
        if constexpr (!Maximum)
          value /= static_cast<T>(CountPadding ? S::k_h * S::k_w : count > 0 ? count : 1);
        *y++ = value;
      }
    }
  }
}
