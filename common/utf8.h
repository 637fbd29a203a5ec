/* utf8.h - which bytes are UTF-8. Pure. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at p (1..4) of which left > 0 bytes may be read; 0
 * when it is none: overlong forms, surrogates, what lies beyond U+10FFFF and
 * what the end cuts off are none. NUL is a character of one byte. */
size_t co_utf8_bytes(const uint8_t *p, size_t left);
/* The most bytes of text, at most max, that end no character in the middle;
 * len of it are there. */
size_t co_utf8_cut(const uint8_t *text, size_t len, size_t max);
/* How many characters stand in it: bytes that begin one. */
size_t co_utf8_count(const uint8_t *text, size_t len);
