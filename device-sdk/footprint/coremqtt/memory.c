/* As much of the C library as coreMQTT calls, as small as it gets. */
#include <stddef.h>
void *memcpy(void *to, const void *from, size_t n) { char *t = to; const char *f = from; while (n--) *t++ = *f++; return to; }
void *memmove(void *to, const void *from, size_t n) {
    char *t = to; const char *f = from;
    if (t < f) while (n--) *t++ = *f++; else while (n--) t[n] = f[n];
    return to;
}
void *memset(void *to, int v, size_t n) { char *t = to; while (n--) *t++ = (char)v; return to; }
int memcmp(const void *a, const void *b, size_t n) {
    const unsigned char *x = a, *y = b;
    for (; n--; x++, y++) if (*x != *y) return *x - *y;
    return 0;
}
int strncmp(const char *a, const char *b, size_t n) {
    for (; n--; a++, b++) if (*a != *b || !*a) return *(const unsigned char *)a - *(const unsigned char *)b;
    return 0;
}
size_t strlen(const char *s) { size_t n = 0; while (s[n]) n++; return n; }
void __aeabi_memcpy(void *t, const void *f, size_t n) { memcpy(t, f, n); }
void __aeabi_memcpy4(void *t, const void *f, size_t n) { memcpy(t, f, n); }
void __aeabi_memclr(void *t, size_t n) { memset(t, 0, n); }
void __aeabi_memclr4(void *t, size_t n) { memset(t, 0, n); }
void __aeabi_memclr8(void *t, size_t n) { memset(t, 0, n); }
void __aeabi_memmove(void *t, const void *f, size_t n) { memmove(t, f, n); }
void *memchr(const void *s, int c, size_t n) { const unsigned char *p = s; for (; n--; p++) if (*p == (unsigned char)c) return (void *)p; return 0; }
char *strchr(const char *s, int c) { for (;; s++) { if (*s == (char)c) return (char *)s; if (!*s) return 0; } }
