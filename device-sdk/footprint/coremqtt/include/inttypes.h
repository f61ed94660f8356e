#pragma once
#include <stdint.h>
#define PRIu32 "u"
#define PRIu16 "u"
#define PRIi32 "d"
#define PRId32 "d"
#define PRIx32 "x"
