/* SPDX-License-Identifier: MIT */
#include "atools/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

/* Cuts what lies at the start of exactly n bytes of the heap, so that a
   sanitizer sees a look beyond them. */
static int cut_exact(const struct atl_frame *f, const char *bytes, size_t n,
                     struct atl_cut *cut, size_t *need)
{
    size_t scanned = 0;
    char *exact = malloc(n > 0 ? n : 1);
    memcpy(exact, bytes, n);
    int r = atl_frame_cut(f, exact, n, &scanned, cut, need);
    free(exact);
    return r;
}

/* What the frames in `bytes` are, each with "|" behind it, then what ended the
   cutting: "" at the end, "+" for the start of a frame, "long", "bad". The
   same must come out when the bytes arrive one by one. */
static void frames(const struct atl_frame *f, const char *bytes, size_t n,
                   char *out)
{
    size_t at = 0;
    CHECK_OK(atl_frame_check(f, NULL));
    while (at < n) {
        struct atl_cut cut = {0}, slow = {0};
        size_t scanned = 0, need = 0, have = 0;
        int r = cut_exact(f, bytes + at, n - at, &cut, &need), s = 0;
        while (s == 0 && have < n - at)
            s = atl_frame_cut(f, bytes + at, ++have, &scanned, &slow, NULL);
        CHECK_EQ_INT(s, r);
        if (r == 0)
            CHECK(need > n - at);
        if (r != 1) {
            strcpy(out, r == 0 ? "+" : r == -EMSGSIZE ? "long" : "bad");
            CHECK(r == 0 || r == -EMSGSIZE || r == -EPROTO);
            return;
        }
        CHECK_EQ_INT(have, cut.consumed);
        CHECK_EQ_MEM(&cut, &slow, sizeof(cut));
        CHECK(cut.offset + cut.length <= cut.consumed);
        memcpy(out, bytes + at + cut.offset, cut.length);
        out += cut.length;
        *out++ = '|';
        at += cut.consumed;
    }
    *out = '\0';
}

#define CHECK_FRAMES(f, literal, want)                                         \
    do {                                                                       \
        char got_[512];                                                        \
        frames(f, literal, sizeof(literal) - 1, got_);                         \
        CHECK_EQ_STR(got_, want);                                              \
    } while (0)

/* --- lines ---------------------------------------------------------------- */

TEST(lines_lose_their_newline_and_one_carriage_return)
{
    struct atl_frame f = {.kind = ATL_FRAME_LINE};
    CHECK_FRAMES(&f, "one\ntwo\r\nthree", "one|two|+");
    CHECK_FRAMES(&f, "\n\r\n", "||");
    CHECK_FRAMES(&f, "a\r\r\n", "a\r|");
    CHECK_FRAMES(&f, "a\rb\n", "a\rb|");
    CHECK_FRAMES(&f, "\r", "+");
}

TEST(kept_terminators_stay_in_the_line)
{
    struct atl_frame f = {.kind = ATL_FRAME_LINE, .keep = true};
    CHECK_FRAMES(&f, "one\ntwo\r\n\nx", "one\n|two\r\n|\n|+");
}

TEST(the_longest_line_is_counted_without_its_terminator)
{
    struct atl_frame f = {.kind = ATL_FRAME_LINE, .max = 4};
    CHECK_FRAMES(&f, "abcd\nabcd\r\n", "abcd|abcd|");
    CHECK_FRAMES(&f, "abcde\n", "long");
    CHECK_FRAMES(&f, "abcde\r\n", "long");
    CHECK_FRAMES(&f, "abcd\r\r\n", "long");
    CHECK_FRAMES(&f, "abcd\r", "+");
    CHECK_FRAMES(&f, "abcd\rx", "long");
    CHECK_FRAMES(&f, "abcd", "+");
    CHECK_FRAMES(&f, "abcde", "long");
    f.keep = true;
    CHECK_FRAMES(&f, "abcd\nabcd\r\n", "abcd\n|abcd\r\n|");
    CHECK_FRAMES(&f, "abcde\n", "long");
}

TEST(a_line_may_have_8_kib_unless_told_otherwise)
{
    struct atl_frame f = {.kind = ATL_FRAME_LINE};
    struct atl_cut cut;
    char *bytes = malloc(8194);
    memset(bytes, 'x', 8194);
    CHECK_EQ_INT(cut_exact(&f, bytes, 8192, &cut, NULL), 0);
    CHECK_CODE(cut_exact(&f, bytes, 8193, &cut, NULL), -EMSGSIZE);
    bytes[8192] = '\n';
    CHECK_EQ_INT(cut_exact(&f, bytes, 8193, &cut, NULL), 1);
    CHECK_EQ_INT(cut.length, 8192);
    free(bytes);
}

/* --- delimiters ------------------------------------------------------------
 */

TEST(delimiters_end_frames)
{
    struct atl_frame f = {.kind = ATL_FRAME_DELIMITER,
                          .delimiter = "\r\n\r\n",
                          .delimiter_length = 4};
    CHECK_FRAMES(&f, "a: b\r\nc: d\r\n\r\nrest", "a: b\r\nc: d|+");
    CHECK_FRAMES(&f, "\r\n\r\n\r\n\r\n\r\n", "||+");
    CHECK_FRAMES(&f, "a\r\n\r\r\n\r\n", "a\r\n\r|");
    f.keep = true;
    CHECK_FRAMES(&f, "a\r\n\r\nb", "a\r\n\r\n|+");
}

TEST(a_delimiter_that_repeats_itself_is_found_where_it_begins_first)
{
    struct atl_frame f = {
        .kind = ATL_FRAME_DELIMITER, .delimiter = "aab", .delimiter_length = 3};
    CHECK_FRAMES(&f, "aaab", "a|");
    CHECK_FRAMES(&f, "aaaaabaab", "aaa||");
    f = (struct atl_frame){.kind = ATL_FRAME_DELIMITER,
                           .delimiter = {'\0'},
                           .delimiter_length = 1};
    CHECK_FRAMES(&f, "a\0b\0", "a|b|");
}

TEST(the_longest_frame_is_counted_without_its_delimiter)
{
    struct atl_frame f = {.kind = ATL_FRAME_DELIMITER,
                          .delimiter = "--",
                          .delimiter_length = 2,
                          .max = 3};
    CHECK_FRAMES(&f, "abc--", "abc|");
    CHECK_FRAMES(&f, "abcd--", "long");
    CHECK_FRAMES(&f, "abc-", "+");
    CHECK_FRAMES(&f, "abc-x", "long");
    CHECK_FRAMES(&f, "abcd", "+");
    CHECK_FRAMES(&f, "abcde", "long");
}

TEST(bytes_that_were_searched_are_not_searched_again)
{
    struct atl_frame f = {.kind = ATL_FRAME_DELIMITER,
                          .delimiter = "END",
                          .delimiter_length = 3,
                          .max = 1000};
    char bytes[100];
    struct atl_cut cut;
    size_t scanned = 0;
    memset(bytes, 'x', sizeof(bytes));
    CHECK_EQ_INT(atl_frame_cut(&f, bytes, 50, &scanned, &cut, NULL), 0);
    CHECK_EQ_INT(scanned, 50);
    /* Were it looked at again, it would be found. */
    memcpy(bytes + 10, "END", 3);
    CHECK_EQ_INT(atl_frame_cut(&f, bytes, 60, &scanned, &cut, NULL), 0);
    memcpy(bytes + 58, "END", 3); /* begins in what was searched */
    CHECK_EQ_INT(atl_frame_cut(&f, bytes, 61, &scanned, &cut, NULL), 1);
    CHECK_EQ_INT(cut.length, 58);
}

/* --- lengths ---------------------------------------------------------------
 */

TEST(lengths_of_each_width_and_order_are_read)
{
    struct atl_frame f = {.kind = ATL_FRAME_U16BE};
    CHECK_FRAMES(&f, "\0\3abc\0\0\0\1x\0", "abc||x|+");
    f.kind = ATL_FRAME_U16LE;
    CHECK_FRAMES(&f, "\3\0abc\0\0\1\0x\0", "abc||x|+");
    f.kind = ATL_FRAME_U32BE;
    CHECK_FRAMES(&f, "\0\0\0\3abc\0\0\0\0\0\0\0", "abc||+");
    f.kind = ATL_FRAME_U32LE;
    CHECK_FRAMES(&f, "\3\0\0\0abc\0\0\0\0\0\0\0", "abc||+");
    f.kind = ATL_FRAME_I16BE;
    CHECK_FRAMES(&f, "\0\3abc", "abc|");
    CHECK_FRAMES(&f, "\x80\0abc", "bad");
    CHECK_FRAMES(&f, "\xff\xff", "bad");
}

TEST(a_length_uses_all_its_bytes)
{
    static char bytes[70000];
    struct atl_frame f = {.kind = ATL_FRAME_U16BE};
    struct atl_cut cut;
    memcpy(bytes, "\x12\x34", 2);
    CHECK_EQ_INT(cut_exact(&f, bytes, 0x1236, &cut, NULL), 1);
    CHECK_EQ_INT(cut.length, 0x1234);
    f.kind = ATL_FRAME_U16LE;
    CHECK_EQ_INT(cut_exact(&f, bytes, 0x3414, &cut, NULL), 1);
    CHECK_EQ_INT(cut.length, 0x3412);
    memcpy(bytes, "\0\1\x02\x03", 4);
    f.kind = ATL_FRAME_U32BE;
    CHECK_EQ_INT(cut_exact(&f, bytes, 70000, &cut, NULL), 1);
    CHECK_EQ_INT(cut.length, 0x10203);
    memcpy(bytes, "\x03\x02\1\0", 4);
    f.kind = ATL_FRAME_U32LE;
    CHECK_EQ_INT(cut_exact(&f, bytes, 70000, &cut, NULL), 1);
    CHECK_EQ_INT(cut.length, 0x10203);
}

TEST(a_length_announced_too_large_is_refused_at_once)
{
    struct atl_frame f = {.kind = ATL_FRAME_U32BE};
    CHECK_FRAMES(&f, "\x7f\xff\xff\xff", "long");
    CHECK_FRAMES(&f, "\xff\xff\xff\xff", "long");
    CHECK_FRAMES(&f, "\0\x10\0\1", "long");
    CHECK_FRAMES(&f, "\0\x10\0\0", "+"); /* 1 MiB */
    f.kind = ATL_FRAME_U32LE;
    CHECK_FRAMES(&f, "\xff\xff\xff\xff", "long");
    f = (struct atl_frame){.kind = ATL_FRAME_U16BE, .max = 3};
    CHECK_FRAMES(&f, "\0\3abc\0\4", "abc|long");
}

TEST(inclusive_lengths_count_themselves)
{
    struct atl_frame f = {.kind = ATL_FRAME_U16BE, .inclusive = true, .max = 3};
    CHECK_FRAMES(&f, "\0\5abc\0\2\0\3x", "abc||x|");
    CHECK_FRAMES(&f, "\0\6abcd", "long");
    CHECK_FRAMES(&f, "\0\1", "bad");
    CHECK_FRAMES(&f, "\0\0", "bad");
    f.kind = ATL_FRAME_U32LE;
    CHECK_FRAMES(&f, "\7\0\0\0abc\4\0\0\0", "abc||");
    CHECK_FRAMES(&f, "\3\0\0\0", "bad");
}

TEST(what_is_needed_is_known_once_the_length_is)
{
    struct atl_frame f = {.kind = ATL_FRAME_U32BE};
    struct atl_cut cut;
    size_t need = 0;
    CHECK_EQ_INT(cut_exact(&f, "", 0, &cut, &need), 0);
    CHECK_EQ_INT(need, 1);
    CHECK_EQ_INT(cut_exact(&f, "\0", 1, &cut, &need), 0);
    CHECK_EQ_INT(need, 4);
    CHECK_EQ_INT(cut_exact(&f, "\0\0\1\0", 4, &cut, &need), 0);
    CHECK_EQ_INT(need, 260);
    f.kind = ATL_FRAME_NETSTRING;
    CHECK_EQ_INT(cut_exact(&f, "12:", 3, &cut, &need), 0);
    CHECK_EQ_INT(need, 16);
    f = (struct atl_frame){.kind = ATL_FRAME_FIXED, .size = 9};
    CHECK_EQ_INT(cut_exact(&f, "a", 1, &cut, &need), 0);
    CHECK_EQ_INT(need, 9);
}

/* --- varints ----------------------------------------------------------------
 */

TEST(varints_are_read)
{
    struct atl_frame f = {.kind = ATL_FRAME_VARINT};
    CHECK_FRAMES(&f, "\3abc\0\1x\5", "abc||x|+");
    CHECK_FRAMES(&f, "\x83\0abc", "abc|"); /* longer than it had to be */
    CHECK_FRAMES(&f, "\x80", "+");
    struct atl_cut cut;
    static char bytes[400] = "\xac\x02"; /* 300 */
    CHECK_EQ_INT(cut_exact(&f, bytes, 302, &cut, NULL), 1);
    CHECK_EQ_INT(cut.length, 300);
    CHECK_EQ_INT(cut.offset, 2);
}

TEST(varints_beyond_ten_bytes_or_64_bits_are_malformed)
{
    struct atl_frame f = {.kind = ATL_FRAME_VARINT, .max = SIZE_MAX};
    CHECK_FRAMES(&f, "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", "bad");
    CHECK_FRAMES(&f, "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02", "bad");
    CHECK_FRAMES(&f, "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", "long");
    CHECK_FRAMES(&f, "\x80\x80\x80\x80\x80\x80\x80\x80\x80\0", "|");
    CHECK_FRAMES(&f, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", "long");
}

TEST(a_varint_too_large_is_refused_before_its_last_byte)
{
    struct atl_frame f = {.kind = ATL_FRAME_VARINT, .max = 100};
    CHECK_FRAMES(&f, "\x64", "+");
    CHECK_FRAMES(&f, "\x65", "long");
    CHECK_FRAMES(&f, "\xff", "long");
}

/* --- netstrings and others --------------------------------------------------
 */

TEST(netstrings_are_read)
{
    struct atl_frame f = {.kind = ATL_FRAME_NETSTRING};
    CHECK_FRAMES(&f, "5:hello,0:,12:hello world!,3:ab",
                 "hello||hello world!|+");
    CHECK_FRAMES(&f, "1", "+");
    CHECK_FRAMES(&f, "12", "+");
    CHECK_FRAMES(&f, "1:a", "+");
}

TEST(malformed_netstrings_are_refused)
{
    struct atl_frame f = {.kind = ATL_FRAME_NETSTRING, .max = 1000};
    CHECK_FRAMES(&f, "1:ab", "bad");
    CHECK_FRAMES(&f, "0:x", "bad");
    CHECK_FRAMES(&f, ":,", "bad");
    CHECK_FRAMES(&f, "x", "bad");
    CHECK_FRAMES(&f, "-1:a,", "bad");
    CHECK_FRAMES(&f, "+1:a,", "bad");
    CHECK_FRAMES(&f, " 1:a,", "bad");
    CHECK_FRAMES(&f, "1 :a,", "bad");
    CHECK_FRAMES(&f, "01:a,", "bad");
    CHECK_FRAMES(&f, "00:,", "bad");
    CHECK_FRAMES(&f, "1001", "long");
    CHECK_FRAMES(&f, "1000", "+");
    CHECK_FRAMES(&f, "99999999999999999999999999", "long");
}

TEST(no_maximum_is_too_large_to_count_with)
{
    struct atl_frame f = {.kind = ATL_FRAME_NETSTRING, .max = SIZE_MAX};
    CHECK_FRAMES(&f, "18446744073709551617:", "long"); /* 2^64 + 1 */
    CHECK_FRAMES(&f, "11529215046068469764:", "long");
    CHECK_FRAMES(&f, "1:a,", "a|");
    f.max = ATL_NEVER;
    CHECK_FRAMES(&f, "1:a,", "a|");
    f.kind = ATL_FRAME_LINE;
    CHECK_FRAMES(&f, "a\nb", "a|+");
    f = (struct atl_frame){.kind = ATL_FRAME_DELIMITER,
                           .delimiter = "--",
                           .delimiter_length = 2,
                           .max = SIZE_MAX};
    CHECK_FRAMES(&f, "a--b", "a|+");
    f = (struct atl_frame){.kind = ATL_FRAME_U32BE, .max = SIZE_MAX};
    CHECK_FRAMES(&f, "\xff\xff\xff\xff", "+");
}

TEST(fixed_frames_are_cut)
{
    struct atl_frame f = {.kind = ATL_FRAME_FIXED, .size = 3};
    CHECK_FRAMES(&f, "abcdefgh", "abc|def|+");
}

TEST(without_framing_all_there_is_is_one_frame)
{
    struct atl_frame f = {.kind = ATL_FRAME_NONE};
    struct atl_cut cut;
    CHECK_EQ_INT(cut_exact(&f, "abc", 3, &cut, NULL), 1);
    CHECK_EQ_INT(cut.length, 3);
    CHECK_EQ_INT(cut.consumed, 3);
    CHECK_EQ_INT(cut_exact(&f, "", 0, &cut, NULL), 0);
}

/* --- descriptions ------------------------------------------------------------
 */

static void refuses(struct atl_frame f, const char *word)
{
    struct atl_error why = {0};
    CHECK_CODE(atl_frame_check(&f, &why), -EINVAL);
    CHECK_EQ_INT(why.code, -EINVAL);
    if (strstr(why.text, word) == NULL)
        CHECK_FAIL("\"%s\" says nothing of \"%s\"", why.text, word);
}

TEST(senseless_descriptions_are_refused)
{
    refuses((struct atl_frame){.kind = ATL_FRAME_DELIMITER}, "delimiter");
    refuses((struct atl_frame){.kind = ATL_FRAME_DELIMITER,
                               .delimiter_length = ATL_DELIMITER_MAX + 1},
            "delimiter");
    refuses((struct atl_frame){.kind = ATL_FRAME_FIXED}, "size");
    refuses((struct atl_frame){.kind = ATL_FRAME_FIXED, .size = 5, .max = 4},
            "maximum");
    refuses((struct atl_frame){.kind = ATL_FRAME_VARINT, .inclusive = true},
            "inclusive");
    refuses((struct atl_frame){.kind = ATL_FRAME_LINE, .inclusive = true},
            "inclusive");
    refuses((struct atl_frame){.kind = (enum atl_frame_kind)99}, "kind");
}

/* --- writing -----------------------------------------------------------------
 */

/* Wraps, cuts again and compares. */
static void round_trip(const struct atl_frame *f, const char *payload, size_t n)
{
    struct atl_wrap wrap;
    struct atl_cut cut;
    CHECK_OK(atl_frame_wrap(f, payload, n, &wrap));
    size_t total = wrap.head_length + n + wrap.tail_length;
    char *wire = malloc(total + 1);
    memcpy(wire, wrap.head, wrap.head_length);
    memcpy(wire + wrap.head_length, payload, n);
    memcpy(wire + wrap.head_length + n, wrap.tail, wrap.tail_length);
    CHECK_EQ_INT(cut_exact(f, wire, total, &cut, NULL), 1);
    CHECK_EQ_INT(cut.consumed, total);
    bool kept = f->keep && f->kind <= ATL_FRAME_DELIMITER;
    CHECK_EQ_INT(cut.length, n + (kept ? wrap.tail_length : 0));
    CHECK_EQ_MEM(wire + cut.offset, payload, n);
    free(wire);
}

TEST(what_is_wrapped_is_cut_again)
{
    static const size_t sizes[] = {0,   1,   9,   10,    127,
                                   128, 255, 256, 16384, 32767};
    static char payload[32767];
    memset(payload, 'p', sizeof(payload));
    for (int kind = ATL_FRAME_LINE; kind <= ATL_FRAME_FIXED; kind++)
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            struct atl_frame f = {.kind = (enum atl_frame_kind)kind,
                                  .delimiter = "\r\n.\r\n",
                                  .delimiter_length = 5,
                                  .size = sizes[i],
                                  .max = sizeof(payload)};
            if (kind == ATL_FRAME_FIXED && sizes[i] == 0)
                continue;
            round_trip(&f, payload, sizes[i]);
            f.keep = true;
            round_trip(&f, payload, sizes[i]);
            f.inclusive = true;
            if (atl_frame_check(&f, NULL) == 0 && sizes[i] < 32765)
                round_trip(&f, payload, sizes[i]);
        }
}

TEST(payloads_that_could_not_be_read_back_are_refused)
{
    struct atl_wrap wrap;
    struct atl_frame f = {.kind = ATL_FRAME_LINE};
    CHECK_CODE(atl_frame_wrap(&f, "a\nb", 3, &wrap), -EPROTO);
    CHECK_CODE(atl_frame_wrap(&f, "a\n", 2, &wrap), -EPROTO);
    f = (struct atl_frame){
        .kind = ATL_FRAME_DELIMITER, .delimiter = "aa", .delimiter_length = 2};
    CHECK_CODE(atl_frame_wrap(&f, "xaay", 4, &wrap), -EPROTO);
    CHECK_CODE(atl_frame_wrap(&f, "xa", 2, &wrap), -EPROTO); /* "xaaa" */
    CHECK_OK(atl_frame_wrap(&f, "xax", 3, &wrap));
    memcpy(f.delimiter, "\r\n", 2);
    round_trip(&f, "ends so\r", 8);
    memcpy(f.delimiter, "abab", 4);
    f.delimiter_length = 4;
    CHECK_CODE(atl_frame_wrap(&f, "ab", 2, &wrap), -EPROTO);
    round_trip(&f, "aba", 3);
    f = (struct atl_frame){.kind = ATL_FRAME_FIXED, .size = 3};
    CHECK_CODE(atl_frame_wrap(&f, "ab", 2, &wrap), -EPROTO);
    CHECK_CODE(atl_frame_wrap(&f, "abcd", 4, &wrap), -EPROTO);
}

TEST(payloads_too_long_for_the_maximum_or_the_field_are_refused)
{
    static const char payload[70000];
    struct atl_wrap wrap;
    struct atl_frame f = {.kind = ATL_FRAME_U16BE};
    CHECK_OK(atl_frame_wrap(&f, payload, 65535, &wrap));
    CHECK_EQ_MEM(wrap.head, "\xff\xff", 2);
    CHECK_CODE(atl_frame_wrap(&f, payload, 65536, &wrap), -EMSGSIZE);
    f.inclusive = true;
    CHECK_OK(atl_frame_wrap(&f, payload, 65533, &wrap));
    CHECK_CODE(atl_frame_wrap(&f, payload, 65534, &wrap), -EMSGSIZE);
    f = (struct atl_frame){.kind = ATL_FRAME_I16BE};
    CHECK_OK(atl_frame_wrap(&f, payload, 32767, &wrap));
    CHECK_CODE(atl_frame_wrap(&f, payload, 32768, &wrap), -EMSGSIZE);
    f = (struct atl_frame){.kind = ATL_FRAME_U32LE, .max = 10};
    CHECK_CODE(atl_frame_wrap(&f, payload, 11, &wrap), -EMSGSIZE);
    f = (struct atl_frame){.kind = ATL_FRAME_LINE};
    CHECK_CODE(atl_frame_wrap(&f, payload, 8193, &wrap), -EMSGSIZE);
    f = (struct atl_frame){.kind = ATL_FRAME_NONE};
    CHECK_OK(atl_frame_wrap(&f, payload, 70000, &wrap));
    CHECK_EQ_INT(wrap.head_length + wrap.tail_length, 0);
}

TEST(an_empty_payload_needs_no_memory_behind_it)
{
    for (int kind = ATL_FRAME_NONE; kind < ATL_FRAME_FIXED; kind++) {
        struct atl_frame f = {.kind = (enum atl_frame_kind)kind,
                              .delimiter = "--",
                              .delimiter_length = 2};
        struct atl_wrap wrap;
        CHECK_OK(atl_frame_wrap(&f, NULL, 0, &wrap));
    }
}
