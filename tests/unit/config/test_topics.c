/* Topics by name and pattern: what is a good pattern, and whose a topic is. */
#include <string.h>

#include "driftd/internal/config/check.h"
#include "driftd/internal/config/topics.h"
#include "support.h"

START_TEST(good_and_bad_patterns)
{
    static const char *const good[] = {"^a",     "^",         "^events-.*",   "^(a|b)[0-9]+$",
                                       "^a\\.b", "^a\\{2\\}", "^[[:alpha:]]+"};
    static const char *const bad[][2] = {{"^(", "( has no )"},       {"^*a", "nothing stands before"},
                                         {"^[a", "[ has no ]"},      {"^[z-a]", "range"},
                                         {"^[[:x:]]", "class"},      {"^a\\", "backslash"},
                                         {"^a{2}", "repeat counts"}, {"^(a)\\1", "back-references"},
                                         {"^[\\]{1,255}", "repeat"}, {"^((a{9}){9}){9}", "repeat"}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(!drift_format_topics(good[i]), "%s: %s", good[i], drift_format_topics(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *wrong = drift_format_topics(bad[i][0]);
        ck_assert_msg(wrong && strstr(wrong, bad[i][1]), "%s: %s", bad[i][0], wrong ? wrong : "good");
    }
    ck_assert_ptr_null(drift_format_topics("plain.topic_1"));
    ck_assert_ptr_nonnull(drift_format_topics("plain*"));
}
END_TEST

START_TEST(what_matches)
{
    ck_assert(drift_topic_matches("^events-", "events-eu.1"));
    ck_assert(drift_topic_matches("^events-.*-(eu|us)$", "events-x-us"));
    ck_assert(!drift_topic_matches("^events-.*-(eu|us)$", "events-x-usa"));
    ck_assert(!drift_topic_matches("^vents", "events"));
    ck_assert(drift_topic_matches("^", "a"));
    ck_assert(!drift_topic_matches("^", "__consumer_offsets")); /* Kafka's own */
}
END_TEST

START_TEST(whose_a_topic_is)
{
    char *first[] = {(char *)(uintptr_t) "plain", (char *)(uintptr_t) "^a-"};
    char *second[] = {(char *)(uintptr_t) "^.*-z$", (char *)(uintptr_t) "^b-", (char *)(uintptr_t) "__own"};
    struct drift_stream streams[] = {{.n_topics = 2, .topics = first}, {.n_topics = 3, .topics = second}};
    struct drift_config c = {.n_streams = 2, .streams = streams};
    struct drift_topics *t = drift_topics_new(&c);
    ck_assert_int_eq(drift_topics_stream(t, "plain"), 0);
    ck_assert_int_eq(drift_topics_stream(t, "a-1"), 0);
    ck_assert_int_eq(drift_topics_stream(t, "b-z"), 1); /* twice in one stream */
    ck_assert_int_eq(drift_topics_stream(t, "a-z"), DRIFT_TOPIC_TWICE);
    ck_assert_int_eq(drift_topics_stream(t, "plainer"), DRIFT_TOPIC_NONE);
    ck_assert_int_eq(drift_topics_stream(t, "__a-z"), DRIFT_TOPIC_NONE);
    ck_assert_int_eq(drift_topics_stream(t, "__own"), 1); /* by name */
    drift_topics_free(t);
    drift_topics_free(NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("topics");
    drift_test_add(s, "good_and_bad_patterns", good_and_bad_patterns, 10);
    drift_test_add(s, "what_matches", what_matches, 10);
    drift_test_add(s, "whose_a_topic_is", whose_a_topic_is, 10);
    return drift_test_run(s);
}
