// For programs that must not compile: either(what fits, what does not).
#pragma once

#ifdef GRAFT_ACCEPT
#define either(fits, unfit) fits
#else
#define either(fits, unfit) unfit
#endif
