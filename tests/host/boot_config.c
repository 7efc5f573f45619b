/* sources: boot/config.c */
/* The parser of boot.cfg: what it accepts, and each sentence with which it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "config.h"

static BOOT_CONFIG Config;
static uint32_t Line;

/* Parses a copy that ends exactly where its memory ends, so that the sanitizer sees a step over. */
static const char *ParseBytes(const char *Text, size_t Size)
{
    char *copy = malloc(Size);
    const char *problem;

    if (Size != 0) {
        memcpy(copy, Text, Size);
    }
    memset(&Config, 0xCC, sizeof(Config));
    problem = ConfigParse(copy, Size, &Config, &Line);
    free(copy);
    return problem;
}

static const char *Parse(const char *Text)
{
    return ParseBytes(Text, strlen(Text));
}

static void AssertRefused(const char *Text, uint32_t WrongLine, const char *Sentence)
{
    const char *problem = Parse(Text);

    assert_non_null(problem);
    assert_string_equal(problem, Sentence);
    assert_int_equal(Line, WrongLine);
}

/* "Key=" and a path of Length characters in all. */
static char *LongPath(const char *Key, size_t Length, const char *Folder)
{
    static char text[4096];
    int start = snprintf(text, sizeof(text), "%s=", Key);

    memset(text + start, 'x', Length);
    memcpy(text + start, Folder, strlen(Folder));
    text[(size_t)start + Length] = '\0';
    return text;
}

static void Defaults(void **State)
{
    (void)State;
    assert_null(ParseBytes("", 0));
    assert_string_equal(Config.Kernel, "\\metronome\\kernel.elf");
    assert_string_equal(Config.CommandLine, "");
    assert_int_equal(Config.DriverCount, 0);
    memset(&Config, 0xCC, sizeof(Config));
    ConfigDefaults(&Config);
    assert_string_equal(Config.Kernel, "\\metronome\\kernel.elf");
    assert_string_equal(Config.CommandLine, "");
    assert_int_equal(Config.DriverCount, 0);
}

static void AllKeys(void **State)
{
    (void)State;
    assert_null(Parse("# a comment\n\n"
                      "kernel=\\k.elf\n"
                      "cmdline=suite=ke* # not a comment = here\n"
                      "driver=\\metronome\\drivers\\a.sys\n"
                      "driver=\\b.sys"));
    assert_string_equal(Config.Kernel, "\\k.elf");
    assert_string_equal(Config.CommandLine, "suite=ke* # not a comment = here");
    assert_int_equal(Config.DriverCount, 2);
    assert_string_equal(Config.Drivers[0], "\\metronome\\drivers\\a.sys");
    assert_string_equal(Config.Drivers[1], "\\b.sys");
}

static void LineEndsAndBlanks(void **State)
{
    (void)State;
    assert_null(Parse("\xEF\xBB\xBF kernel =\t\\k.elf \r\n\r\n \t\r\n  # x\r\ncmdline= a\tb  \r"));
    assert_string_equal(Config.Kernel, "\\k.elf");
    assert_string_equal(Config.CommandLine, "a\tb");
    assert_null(Parse("cmdline=\n"));
    assert_string_equal(Config.CommandLine, "");
    assert_null(Parse("driver=/metronome/drivers/a.sys\n"));
    assert_string_equal(Config.Drivers[0], "\\metronome\\drivers\\a.sys");
    assert_null(Parse("# only ASCII outside of comments: \xC3\xA4\n"));
}

static void Refusals(void **State)
{
    (void)State;
    AssertRefused("\n\nkernal=\\k\n", 3,
                  "has an unknown key (known are kernel, cmdline and driver)");
    AssertRefused("kernels=\\k", 1, "has an unknown key (known are kernel, cmdline and driver)");
    AssertRefused("kerne=\\k", 1, "has an unknown key (known are kernel, cmdline and driver)");
    AssertRefused("=\\k", 1, "has an unknown key (known are kernel, cmdline and driver)");
    AssertRefused("# x\r\nkernel", 2, "is not of the form key=value");
    AssertRefused("kernel=", 1, "has no path after the equals sign");
    AssertRefused("driver= \r\n", 1, "has no path after the equals sign");
    AssertRefused("kernel=k.elf", 1, "has a path that does not begin with a backslash");
    AssertRefused("driver=a.sys", 1, "has a path that does not begin with a backslash");
    AssertRefused("driver=\\drivers\\", 1, "has a path that ends with a backslash");
    AssertRefused("kernel=\\a\nkernel=\\a", 2, "gives the kernel a second time");
    AssertRefused("cmdline=\ncmdline=\n", 2, "gives the command line a second time");
    AssertRefused("cmdline=a\rb", 1, "has a character that is not printable ASCII");
    AssertRefused("cmdline=\xC3\xA4", 1, "has a character that is not printable ASCII");
    AssertRefused("cmdline=\x7F", 1, "has a character that is not printable ASCII");
    assert_string_equal(ParseBytes("cmdline=a\0b", 11),
                        "has a character that is not printable ASCII");
}

static void PathLengths(void **State)
{
    (void)State;
    assert_null(Parse(LongPath("kernel", 127, "\\")));
    assert_int_equal(strlen(Config.Kernel), 127);
    AssertRefused(LongPath("kernel", 128, "\\"), 1, "has a path of more than 127 characters");
    AssertRefused(LongPath("driver", 128, "\\"), 1, "has a path of more than 127 characters");
    assert_null(Parse(LongPath("driver", 3 + 63, "\\d\\")));
    AssertRefused(LongPath("driver", 3 + 64, "\\d\\"), 1,
                  "has a driver's file name of more than 63 characters");
}

static void CommandLineLengths(void **State)
{
    (void)State;
    assert_null(Parse(LongPath("cmdline", BOOT_MAX_COMMAND - 1, "")));
    assert_int_equal(strlen(Config.CommandLine), BOOT_MAX_COMMAND - 1);
    AssertRefused(LongPath("cmdline", BOOT_MAX_COMMAND, ""), 1,
                  "has a command line of more than 1023 characters");
    AssertRefused(LongPath("cmdline", CONFIG_MAX_LINE - 8, ""), 1,
                  "has a command line of more than 1023 characters");
    AssertRefused(LongPath("cmdline", CONFIG_MAX_LINE - 7, ""), 1, "has more than 1152 characters");
    assert_null(Parse(LongPath("#", CONFIG_MAX_LINE - 2, "")));
    AssertRefused(LongPath("#", CONFIG_MAX_LINE - 1, ""), 1, "has more than 1152 characters");
}

static void DriverCount(void **State)
{
    char text[(BOOT_MAX_FILES + 1) * 12 + 1] = "";

    (void)State;
    for (int i = 0; i < BOOT_MAX_FILES; i++) {
        strcat(text, "driver=\\a.b\n");
    }
    assert_null(Parse(text));
    assert_int_equal(Config.DriverCount, BOOT_MAX_FILES);
    strcat(text, "driver=\\a.b\n");
    AssertRefused(text, BOOT_MAX_FILES + 1, "is one driver too many (32 fit)");
}

/* Every beginning of a text is either understood or refused: nothing is read beyond its end. */
static void EveryBeginning(void **State)
{
    static const char text[] = "\xEF\xBB\xBFkernel=\\a\r\n#\r\ncmdline=x=y\r\ndriver=/a/b\r\n";

    (void)State;
    for (size_t size = 0; size < sizeof(text); size++) {
        ParseBytes(text, size);
    }
}

/* Random bytes: the sanitizers watch. */
static void Noise(void **State)
{
    static const char letters[] = "kernlcmdivs=\\/# \t\r\n\n\nab\x80";
    uint32_t seed = 1;

    (void)State;
    for (int round = 0; round < 20000; round++) {
        char text[64];
        size_t size = (seed >> 8) % sizeof(text);

        for (size_t i = 0; i < size; i++) {
            seed = seed * 1664525 + 1013904223;
            text[i] = letters[(seed >> 16) % (sizeof(letters) - 1)];
        }
        seed = seed * 1664525 + 1013904223;
        ParseBytes(text, size);
        assert_in_range(Config.DriverCount, 0, BOOT_MAX_FILES);
    }
}

static void FileNames(void **State)
{
    (void)State;
    assert_string_equal(ConfigFileName("\\metronome\\drivers\\a.sys"), "a.sys");
    assert_string_equal(ConfigFileName("\\a.sys"), "a.sys");
    assert_string_equal(ConfigFileName("a.sys"), "a.sys");
    assert_string_equal(ConfigFileName("\\"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(Defaults),
        cmocka_unit_test(AllKeys),
        cmocka_unit_test(LineEndsAndBlanks),
        cmocka_unit_test(Refusals),
        cmocka_unit_test(PathLengths),
        cmocka_unit_test(CommandLineLengths),
        cmocka_unit_test(DriverCount),
        cmocka_unit_test(EveryBeginning),
        cmocka_unit_test(Noise),
        cmocka_unit_test(FileNames),
    };

    return cmocka_run_group_tests_name("boot_config", tests, NULL, NULL);
}
