/* SPDX-License-Identifier: MIT */
/* boot/options.c: what is accepted, and what the refusal of a wrong word says. */
#include "boot/options.h"

#include "lib/format.h"
#include "tests/framework/test.h"

static bool is_refused(const char *text, const char *error)
{
    struct options options = options_parse(text);
    if (text_equals(options.error, error))
        return true;
    test_note("%s: %s", text, options.error);
    return false;
}

TEST(options_are_accepted)
{
    struct options options = options_parse(
        " tests=frame  stress=60 cpus=3 timer=1000 bench live\tmenu=0 default=failsafe\r\nwait");
    EXPECT(options.error[0] == 0);
    EXPECT(text_equals(options.tests, "frame") && text_equals(options.preselected, "failsafe"));
    EXPECT(options.stress_seconds == 60 && options.cpus == 3 && options.timer_hertz == 1000);
    EXPECT(options.bench && options.live && options.wait && !options.debug);
    EXPECT(options.menu_seconds == 0);
}

TEST(options_have_defaults_and_the_last_one_counts)
{
    struct options options = options_parse("");
    EXPECT(options.timer_hertz == 100 && options.menu_seconds == OPTIONS_NO_MENU);
    EXPECT(options_parse("timer=5 notimer").timer_hertz == 0);
    EXPECT(options_parse("notimer timer=5").timer_hertz == 5);
}

TEST(options_refuse_an_unknown_word_with_the_right_spelling)
{
    EXPECT(is_refused("stess=60", "stess=60 is not an option; did you mean stress=SECONDS?"));
    EXPECT(is_refused("no-timer", "no-timer is not an option; did you mean notimer?"));
    EXPECT(is_refused("live cpu=2", "cpu=2 is not an option; did you mean cpus=N?"));
    EXPECT(is_refused("Bench", "Bench is not an option; did you mean bench?"));
    EXPECT(is_refused("quarry", "quarry is not an option"));
    EXPECT(is_refused("=5", "=5 is not an option"));
}

TEST(options_after_a_wrong_word_count_and_the_first_error_is_kept)
{
    struct options options = options_parse("stess=60 menu=5 cpus=0 wait");
    EXPECT(text_equals(options.error, "stess=60 is not an option; did you mean stress=SECONDS?"));
    EXPECT(options.menu_seconds == 5 && options.wait);
}

TEST(options_refuse_a_wrong_value_with_what_is_right)
{
    EXPECT(is_refused("cpus=0", "cpus=0 is wrong: N is a number from 1 to 100000"));
    EXPECT(is_refused("stress", "stress is wrong: SECONDS is a number from 1 to 100000000"));
    EXPECT(is_refused("stress=", "stress= is wrong: SECONDS is a number from 1 to 100000000"));
    EXPECT(is_refused("stress=1h", "stress=1h is wrong: SECONDS is a number from 1 to 100000000"));
    EXPECT(is_refused("timer=99999999999999999999999",
                      "timer=99999999999999999999999 is wrong: HERTZ is a number from 1 to "
                      "100000000"));
    EXPECT(is_refused("fault=none", "fault=none is wrong: NAME is one of: page stop hang cpu"));
    EXPECT(is_refused("fault=page stop fault=st", "stop is not an option"));
    EXPECT(is_refused("default=ful", "default=ful is wrong: NAME is one of: quick full stress "
                                     "benchmark failsafe off"));
    EXPECT(is_refused("bench=1", "bench=1 is wrong: bench has no value"));
    EXPECT(is_refused("tests=", "tests= is wrong: TEXT has 1 to 47 characters"));
    EXPECT(is_refused("tests=0123456789012345678901234567890123456789012345678",
                      "tests=0123456789012345678901234567890123456789012345678 is wrong: TEXT has "
                      "1 to 47 characters"));
}

TEST(options_are_listed)
{
    char text[512];
    options_list(text, sizeof text);
    EXPECT(text_equals(text, "tests=TEXT stress=SECONDS cpus=N notimer timer=HERTZ bench baselines "
                             "heapmap live forever menu=SECONDS default=NAME debug wait "
                             "fault=NAME"));
    options_list(text, 20);
    EXPECT(text_equals(text, "tests=TEXT stress=S"));
}
