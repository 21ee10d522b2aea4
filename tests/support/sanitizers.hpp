#pragma once

// GRAFT_TEST_ADDRESS_SANITIZER where the address sanitizer watches, in g++'s words or clang's.
#if defined(__SANITIZE_ADDRESS__)
#define GRAFT_TEST_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GRAFT_TEST_ADDRESS_SANITIZER
#endif
#endif
